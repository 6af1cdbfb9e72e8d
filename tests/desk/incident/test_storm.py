"""A storm of alerts is one incident, a few messages and little to read; and so is a service that flaps."""

from __future__ import annotations

from collections import Counter
from typing import Final

import sqlalchemy as sa

from desk import schema
from desk.incident import records
from desk.incident.incident import Signal
from tests.desk import town
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, NOW_MS

ALERTS: Final = 2_000
BATCH: Final = 100
FLAPS: Final = 50
FLAP_MS: Final = 12_000
CALM_MS: Final = 1_860_000


def host(number: int) -> Signal:
    return town.signal(lasts_ms=7_200_000, instance=f"web{number}")


def blow(stage: Stage, signals: list[Signal]) -> None:
    """Post alerts in batches, as fast as 100,000 within a minute."""
    for start in range(0, len(signals), BATCH):
        stage.pass_ms(60)
        stage.hear(*signals[start : start + BATCH])


def kept(stage: Stage) -> tuple[int, int]:
    """Count the alerts that are there, and those that belong to an incident."""
    with stage.store.reading() as conn:
        tables = (schema.alert, schema.incident_alert)
        alerts, links = (
            conn.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for one in tables
        )
    return alerts, links


def messages(stage: Stage) -> Counter[str]:
    return Counter(message.to for message in stage.sent)


def test_a_storm_is_kept_whole_read_as_one_alert_and_told_once(stage: Stage) -> None:
    alerts = [host(number) for number in range(ALERTS)]
    blow(stage, alerts)
    assert kept(stage) == (ALERTS, ALERTS)
    with stage.store.reading() as conn:
        assert [len(one.signals) for one in records.open_incidents(conn).values()] == [1]
    stage.pass_ms(61_000)
    people = messages(stage)
    assert (people[ADA], people[BEN], people[CLEO]) == (1, 1, 1)
    blow(stage, [town.ended(one, stage.now_ms) for one in alerts])
    stage.pass_ms(1_000)
    assert stage.incident()["state"] == "resolved"
    assert messages(stage)[ADA] == 2
    assert len(stage.incident()["alerts"]) == records.ALERTS_SHOWN_MAX


def test_fifty_flaps_in_ten_minutes_are_a_few_messages_to_each_person(stage: Stage) -> None:
    for _ in range(FLAPS):
        alert = town.signal(at_ms=stage.now_ms, lasts_ms=7_200_000)
        stage.hear(alert)
        stage.pass_ms(FLAP_MS // 2)
        stage.hear(town.ended(alert, stage.now_ms))
        stage.pass_ms(FLAP_MS // 2)
    assert stage.now_ms == NOW_MS + FLAPS * FLAP_MS
    assert stage.incident()["unstable"]
    during = messages(stage)
    stage.pass_ms(CALM_MS)
    assert stage.incident()["state"] == "resolved"
    # It is there, it is over, it is back, it comes and goes; and at last it is over.
    assert max(during.values()) <= 4
    assert max((messages(stage) - during).values()) == 1


def test_alerts_that_touch_no_service_are_kept_and_read_by_nobody(stage: Stage) -> None:
    blow(stage, [town.signal(instance=f"web{number}", service="unheard-of") for number in range(ALERTS)])
    assert kept(stage) == (ALERTS, 0)
    assert stage.incidents() == []
    assert stage.sent == []
