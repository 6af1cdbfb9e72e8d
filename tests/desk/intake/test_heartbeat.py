from __future__ import annotations

import pytest

from desk.incident.incident import Signal
from desk.intake.heartbeat import Beat, silent
from desk.page.read import Reader
from desk.state import ServiceState
from tests.desk import town
from tests.desk.stage import Stage
from tests.desk.town import ACTING, NOW_MS, ON_CALL

MINUTE_MS = 60_000
LEASE_MS = 240_000


def watchdog(stage: Stage, host: str, services: str = "checkout") -> Signal:
    words = {"beforehand_services": services, "beforehand_host": host}
    return town.signal(
        "Watchdog", at_ms=stage.now_ms, annotations=words, service="", severity="none", instance=host
    )


def firing(stage: Stage) -> list[str]:
    with stage.store.reading() as conn:
        query = "SELECT labels FROM alert WHERE ends_ms > :now ORDER BY labels"
        rows = conn.exec_driver_sql(query.replace(":now", str(stage.now_ms))).all()
    return [row[0] for row in rows if "AgentSilent" in row[0]]


def states(stage: Stage) -> dict[str, ServiceState]:
    page = Reader(stage.store, stage.house, None, NOW_MS - 86_400_000).page(stage.now_ms)
    return {one.service: one.state for one in page.services}


@pytest.mark.parametrize(
    ("beat", "started_ms", "overdue"),
    [
        (Beat("a", NOW_MS - LEASE_MS, LEASE_MS), 0, False),
        (Beat("a", NOW_MS - LEASE_MS - 1, LEASE_MS), 0, True),
        (Beat("a", NOW_MS - LEASE_MS - 1, LEASE_MS), NOW_MS - MINUTE_MS, False),
        (Beat("a", NOW_MS - 25 * 3_600_000, LEASE_MS), 0, False),
    ],
    ids=["in its time", "over it", "the desk was away", "gone for good"],
)
def test_an_agent_is_silent_once_its_word_is_no_longer_believed(
    beat: Beat, started_ms: int, overdue: bool
) -> None:
    assert silent(beat, started_ms, NOW_MS) is overdue


def test_silence_is_an_alert_and_ends_when_the_agent_speaks(stage: Stage) -> None:
    stage.hear(watchdog(stage, "web1"))
    stage.pass_ms(LEASE_MS)
    assert firing(stage) == []
    stage.pass_ms(5_000)
    assert len(firing(stage)) == 1
    for _ in range(10):
        stage.pass_ms(MINUTE_MS)
    assert len(firing(stage)) == 1
    stage.hear(watchdog(stage, "web1"))
    stage.pass_ms(5_000)
    assert firing(stage) == []


def test_what_the_silent_agent_watched_is_unknown_and_nothing_else_is(stage: Stage) -> None:
    stage.hear(watchdog(stage, "web1"), watchdog(stage, "db1", "search"))
    assert states(stage)["checkout"] is ServiceState.OPERATIONAL
    stage.now_ms += LEASE_MS
    stage.hear(watchdog(stage, "db1", "search"))
    stage.pass_ms(5_000)
    assert states(stage) == {"checkout": ServiceState.UNKNOWN, "search": ServiceState.OPERATIONAL}
    stage.hear(watchdog(stage, "web1"))
    stage.pass_ms(5_000)
    assert states(stage)["checkout"] is ServiceState.OPERATIONAL


def test_a_service_is_known_while_half_of_those_that_watch_it_are_heard(stage: Stage) -> None:
    hosts = [f"web{number}" for number in range(4)]
    stage.hear(*(watchdog(stage, host) for host in hosts))
    for heard, expected in ((2, ServiceState.OPERATIONAL), (1, ServiceState.UNKNOWN)):
        stage.now_ms += LEASE_MS
        stage.hear(*(watchdog(stage, host) for host in hosts[:heard]))
        stage.pass_ms(5_000)
        assert states(stage)["checkout"] is expected, heard


def test_silence_never_resolves_an_incident(stage: Stage) -> None:
    stage.hear(watchdog(stage, "web1"), town.signal(remedy=ACTING))
    stage.deliver()
    for _ in range(20):
        stage.pass_ms(MINUTE_MS)
    assert stage.incident()["resolved_ms"] is None
    assert stage.letters(ON_CALL)


def test_an_agent_that_is_gone_for_a_day_is_forgotten(stage: Stage) -> None:
    stage.hear(watchdog(stage, "web1"))
    stage.pass_ms(LEASE_MS + 5_000)
    stage.pass_ms(25 * 3_600_000)
    assert firing(stage) == []
