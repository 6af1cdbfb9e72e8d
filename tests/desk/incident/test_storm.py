"""A storm of alerts is one incident, a few messages and little to read; and so is a service that flaps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Final

import sqlalchemy as sa

from desk import schema
from desk.alertmanager import silence_book
from desk.alertmanager.silence import Silence
from desk.incident import echoes, records
from desk.incident.incident import Signal
from desk.incident.scene import ECHO_GRACE_MS
from desk.maintenance import book
from desk.maintenance.maintenance import Maintenance, Plan
from desk.state import Impact
from desk.store.backing import Backing
from model.matcher import Matcher
from tests.desk import town
from tests.desk.stage import Stage, stage_on
from tests.desk.town import ADA, BEN, CLEO, NOW_MS

ALERTS: Final = 2_000
BATCH: Final = 100
FLAPS: Final = 50
FLAP_MS: Final = 12_000
CALM_MS: Final = 1_860_000
NEEDS: Final = """\
services:
- service: checkout
  depends_on: [database]
  impact: [{when: 'alertname="CheckoutDown"', impact: major, affects: uses}]
- service: database
  impact: [{when: 'alertname="DatabaseDown"', impact: major, affects: uses}]
customers:
- customer: acme
  uses: [checkout]
  people: [{name: Ada, email: ada@acme.example}]
"""


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


def read_of_echoes(stage: Stage) -> int:
    with stage.store.reading() as conn:
        return len(echoes.read(conn, None, []))


def behind(stage: Stage) -> tuple[Signal, list[Signal]]:
    """Let a service fail, and then all that fires in the one that needs it."""
    cause = town.signal("DatabaseDown", at_ms=stage.now_ms, lasts_ms=7_200_000, service="database")
    stage.hear(cause)
    stage.pass_ms(1_000)
    alerts = [host(number) for number in range(ALERTS)]
    blow(stage, alerts)
    return cause, alerts


def test_a_storm_behind_a_failed_service_is_read_as_one_alert_and_is_an_incident_when_it_outlasts_it(
    backing: Backing,
) -> None:
    with stage_on(backing, NEEDS) as stage:
        cause, alerts = behind(stage)
        assert kept(stage) == (ALERTS + 1, 1)
        assert read_of_echoes(stage) == 1
        stage.hear(town.ended(alerts[0], stage.now_ms))
        assert read_of_echoes(stage) == 1
        stage.hear(town.ended(cause, stage.now_ms))
        stage.pass_ms(ECHO_GRACE_MS + 1_000)
        assert read_of_echoes(stage) == 0
        assert kept(stage) == (ALERTS + 1, ALERTS)
        assert {one["service"]: one["state"] for one in stage.incidents()} == {
            "database": "resolved",
            "checkout": "investigating",
        }


def test_what_lapses_behind_a_failed_service_is_over_with_the_last_that_is_alike(backing: Backing) -> None:
    with stage_on(backing, NEEDS) as stage:
        behind(stage)
        stage.pass_ms(7_300_000)
        stage.pass_ms(1_000)
        assert read_of_echoes(stage) == 0
        with stage.store.reading() as conn:
            left = sa.select(sa.func.count()).where(schema.echo.c.ended_ms == 0)
            assert conn.execute(left).scalar_one() == 0


def waiting_for(stage: Stage, table: sa.Table) -> tuple[int, int]:
    """Count the alerts that are kept quiet, and those that time alone would look at."""
    with stage.store.reading() as conn:
        rows = [row.judged for row in conn.execute(sa.select(table.c.judged))]
    return len(rows), rows.count("")


def test_a_storm_under_a_silence_is_looked_at_once_and_heard_when_the_silence_ends(stage: Stage) -> None:
    until_ms = stage.now_ms + 600_000
    silence = Silence("", (Matcher("service", "=", "checkout"),), stage.now_ms, until_ms, stage.now_ms)
    stage.store.written(partial(silence_book.put, posted=silence, fresh_id="quiet", now_ms=stage.now_ms))
    blow(stage, [host(number) for number in range(ALERTS)])
    stage.pass_ms(1_000)
    assert waiting_for(stage, schema.muted) == (ALERTS, 0)
    assert (stage.incidents(), stage.sent) == ([], [])
    stage.pass_ms(600_000)
    assert waiting_for(stage, schema.muted) == (0, 0)
    assert stage.incident()["state"] == "investigating"
    assert kept(stage) == (ALERTS, ALERTS)


def test_a_storm_during_planned_work_is_looked_at_once_and_heard_when_the_work_ends(stage: Stage) -> None:
    start_ms = stage.now_ms
    plan = Plan(("checkout",), Impact.MAJOR, start_ms, start_ms + 600_000, {"en": "Upgrade"}, {}, {})
    work = Maintenance("upgrade", plan, start_ms, start_ms)
    stage.store.written(partial(book.add, work=work))
    stage.pass_ms(1_000)
    blow(stage, [host(number) for number in range(ALERTS)])
    stage.pass_ms(1_000)
    assert waiting_for(stage, schema.under_work) == (ALERTS, 0)
    assert stage.incidents() == []
    ended = replace(work, begun_ms=start_ms, completed_ms=stage.now_ms)
    stage.store.written(partial(book.change, work=ended))
    stage.pass_ms(1_000)
    assert waiting_for(stage, schema.under_work) == (0, 0)
    assert stage.incident()["state"] == "investigating"
    assert kept(stage) == (ALERTS, ALERTS)


def test_alerts_that_touch_no_service_are_kept_and_read_by_nobody(stage: Stage) -> None:
    blow(stage, [town.signal(instance=f"web{number}", service="unheard-of") for number in range(ALERTS)])
    assert kept(stage) == (ALERTS, 0)
    assert stage.incidents() == []
    assert stage.sent == []
