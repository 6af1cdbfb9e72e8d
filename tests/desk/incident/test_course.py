"""Causes and echoes, comings and goings, and what begins anew, from alerts to letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desk.delivery.outbox import MINUTE_MS
from desk.incident.incident import Signal
from desk.incident.scene import ECHO_GRACE_MS
from desk.page.read import Reader
from desk.state import ServiceState
from desk.store.backing import Backing
from tests.desk import stage as theatre
from tests.desk import town
from tests.desk.chain import CHAIN, fails
from tests.desk.stage import Stage, stage_on
from tests.desk.town import ACTING, ADA, BEN, CLEO, DAN, NOW_MS, VERIFYING

HOLD_MS = 60_000


@pytest.fixture
def chain(backing: Backing) -> Iterator[Stage]:
    """A desk of services that need each other."""
    with stage_on(backing, CHAIN) as made:
        yield made


def of(stage: Stage, service: str) -> list[dict[str, Any]]:
    return [one for one in stage.incidents() if one["service"] == service]


def state(stage: Stage, service: str) -> ServiceState:
    page = Reader(stage.store, stage.house, None, NOW_MS - 86_400_000).page(stage.now_ms)
    return next(one.state for one in page.services if one.service == service)


def end(stage: Stage, signal: Signal) -> None:
    stage.hear(town.ended(signal, stage.now_ms, town.FIXED))


def test_what_fails_behind_an_open_incident_makes_none_of_its_own(chain: Stage) -> None:
    chain.hear(fails("database"))
    chain.now_ms += 5_000
    chain.hear(fails("checkout", at_ms=chain.now_ms))
    assert of(chain, "checkout") == []
    [cause] = of(chain, "database")
    [echo] = cause["echoes"]
    assert (echo["service"], echo["path"], echo["kind"]) == ("checkout", ["checkout", "database"], "upstream")


def test_who_uses_what_fails_behind_is_told_by_the_incident_of_the_cause(chain: Stage) -> None:
    chain.hear(fails("database"), fails("checkout"))
    assert sorted(chain.deliver()) == [ADA, CLEO]
    [letter] = chain.letters(ADA)
    assert "Kasse" in letter.text
    assert not chain.letters(DAN)


def test_one_batch_in_any_order_finds_the_cause(chain: Stage) -> None:
    chain.hear(fails("receipts"), fails("checkout"), fails("database"))
    [incident] = chain.incidents()
    assert incident["service"] == "database"
    assert [echo["service"] for echo in incident["echoes"]] == ["checkout", "receipts"]


def test_an_incident_that_was_there_before_its_cause_goes_on_and_names_it(chain: Stage) -> None:
    child = fails("checkout")
    chain.hear(child)
    chain.deliver()
    chain.now_ms += 5_000
    chain.hear(fails("database", at_ms=chain.now_ms))
    chain.pass_ms(1_000)
    [behind] = of(chain, "checkout")
    assert behind["cause"] == {
        "incident": of(chain, "database")[0]["id"],
        "path": ["checkout", "database"],
    }
    assert "The reason: Database" in behind["updates"][-1]["text"]["en"]
    assert "Der Grund: Datenbank" in behind["updates"][-1]["text"]["de"]


def test_the_end_of_what_fails_behind_is_never_held_back(chain: Stage) -> None:
    child = fails("checkout")
    chain.hear(child)
    chain.deliver()
    chain.hear(fails("database"))
    chain.now_ms += 5_000
    end(chain, child)
    [behind] = of(chain, "checkout")
    assert behind["resolved_ms"] == chain.now_ms
    assert of(chain, "database")[0]["resolved_ms"] is None


def test_what_outlasts_its_cause_becomes_an_incident_after_the_grace(chain: Stage) -> None:
    cause = fails("database")
    chain.hear(cause, fails("checkout"))
    chain.now_ms += 10_000
    end(chain, cause)
    chain.pass_ms(ECHO_GRACE_MS - 1)
    assert of(chain, "checkout") == []
    chain.pass_ms(1)
    [own] = of(chain, "checkout")
    assert own["resolved_ms"] is None
    assert ADA in [message.to for message in chain.sent]
    assert [echo["ended_ms"] for echo in of(chain, "database")[0]["echoes"]] == [chain.now_ms]


def test_what_fails_just_after_the_end_belongs_to_it_and_may_pass_in_silence(chain: Stage) -> None:
    cause = fails("database")
    chain.hear(cause)
    chain.deliver()
    chain.now_ms += 10_000
    end(chain, cause)
    late = fails("checkout", at_ms=chain.now_ms + 60_000)
    chain.pass_ms(60_000)
    chain.hear(late)
    assert of(chain, "checkout") == []
    chain.now_ms += 10_000
    end(chain, late)
    chain.pass_ms(ECHO_GRACE_MS)
    assert of(chain, "checkout") == []


def test_what_fails_long_after_the_end_is_news_of_its_own(chain: Stage) -> None:
    cause = fails("database")
    chain.hear(cause)
    end(chain, cause)
    chain.pass_ms(ECHO_GRACE_MS)
    chain.hear(fails("checkout", at_ms=chain.now_ms))
    assert len(of(chain, "checkout")) == 1


def test_one_of_two_is_no_cause_and_both_are(chain: Stage) -> None:
    chain.hear(fails("cache-a"), fails("checkout"))
    assert len(of(chain, "checkout")) == 1
    assert state(chain, "receipts") is ServiceState.UNKNOWN
    assert of(chain, "cache-a")[0]["echoes"] == []


def test_both_of_two_are_a_cause(chain: Stage) -> None:
    chain.hear(fails("cache-a"), fails("cache-b"), fails("checkout"))
    assert of(chain, "checkout") == []


def test_what_needs_a_service_that_is_down_is_unknown_and_never_well(chain: Stage) -> None:
    assert state(chain, "receipts") is ServiceState.OPERATIONAL
    cause = fails("database")
    chain.hear(cause)
    assert [state(chain, name) for name in ("database", "checkout", "receipts", "news")] == [
        ServiceState.MAJOR,
        ServiceState.UNKNOWN,
        ServiceState.UNKNOWN,
        ServiceState.OPERATIONAL,
    ]
    chain.hear(fails("checkout", impact="partial"))
    assert state(chain, "checkout") is ServiceState.PARTIAL


def test_trouble_that_is_back_soon_goes_on_in_the_same_incident(stage: Stage) -> None:
    first = town.signal(lasts_ms=86_400_000, remedy=ACTING)
    stage.hear(first)
    stage.deliver()
    stage.pass_ms(40 * MINUTE_MS)
    end(stage, first)
    stage.deliver()
    stage.now_ms += 20 * MINUTE_MS
    back = town.signal(at_ms=stage.now_ms, lasts_ms=86_400_000, remedy=ACTING)
    stage.hear(back)
    incident = stage.incident()
    assert incident["resolved_ms"] is None
    assert (incident["onset_ms"], incident["reopened_ms"]) == (NOW_MS, stage.now_ms)
    assert stage.deliver() == [ADA, BEN, CLEO]
    assert "had worked again for a while" in stage.letters(BEN)[-1].text
    stage.now_ms += 20 * MINUTE_MS
    end(stage, back)
    assert stage.deliver() == [ADA, BEN, CLEO]
    assert "works again" in stage.letters(BEN)[-1].text


def test_who_was_never_told_gets_a_first_message_when_it_is_back(stage: Stage) -> None:
    first = town.signal("CheckoutSlow", remedy=ACTING, region="eu")
    stage.hear(first)
    stage.now_ms += 10_000
    end(stage, first)
    stage.pass_ms(HOLD_MS)
    assert stage.sent == []
    stage.hear(
        town.signal("CheckoutSlow", at_ms=stage.now_ms, lasts_ms=86_400_000, region="eu", remedy=ACTING)
    )
    assert stage.deliver() == []
    stage.pass_ms(HOLD_MS)
    assert [message.to for message in stage.sent] == [ADA, BEN]
    assert ".root." in stage.letters(BEN)[0].id


def test_what_is_back_and_healed_within_the_hold_is_not_told_twice(stage: Stage) -> None:
    slow = town.signal("CheckoutSlow", lasts_ms=86_400_000, remedy=ACTING, region="eu")
    stage.hear(slow)
    stage.pass_ms(HOLD_MS)
    stage.pass_ms(40 * MINUTE_MS)
    end(stage, slow)
    stage.deliver()
    assert len(stage.letters(BEN)) == 2
    stage.now_ms += MINUTE_MS
    again = town.signal("CheckoutSlow", at_ms=stage.now_ms, lasts_ms=86_400_000, remedy=ACTING, region="eu")
    stage.hear(again)
    stage.now_ms += 10_000
    end(stage, again)
    stage.pass_ms(HOLD_MS)
    assert len(stage.letters(BEN)) == 2


def flap(stage: Stage, times: int) -> None:
    """Let it come and go; each time it is there for a minute and gone for two."""
    for _ in range(times):
        there = town.signal(at_ms=stage.now_ms, lasts_ms=86_400_000, remedy=ACTING)
        stage.hear(there)
        stage.deliver()
        stage.pass_ms(MINUTE_MS)
        stage.hear(town.ended(there, stage.now_ms, VERIFYING))
        end(stage, there)
        stage.deliver()
        stage.pass_ms(2 * MINUTE_MS)


def test_what_comes_and_goes_is_told_once_and_stays_open_until_it_is_quiet(stage: Stage) -> None:
    flap(stage, 2)
    subjects = len(stage.letters(BEN))
    incident = stage.incident()
    assert incident["unstable"]
    assert incident["resolved_ms"] is None
    assert "fails and works again in turn" in stage.letters(BEN)[-1].text
    flap(stage, 5)
    assert len(stage.letters(BEN)) == subjects
    quiet_since_ms = stage.now_ms - 2 * MINUTE_MS
    stage.pass_ms(30 * MINUTE_MS - (stage.now_ms - quiet_since_ms) - 1)
    assert stage.incident()["resolved_ms"] is None
    stage.pass_ms(1)
    assert stage.incident()["resolved_ms"] == quiet_since_ms + 30 * MINUTE_MS
    assert len(stage.letters(BEN)) == subjects + 1
    assert "works again" in stage.letters(BEN)[-1].text


def test_three_turns_are_not_yet_unstable(stage: Stage) -> None:
    flap(stage, 1)
    stage.hear(town.signal(at_ms=stage.now_ms, lasts_ms=86_400_000, remedy=ACTING))
    assert not stage.incident()["unstable"]


def test_what_was_unstable_and_stays_bad_is_an_ordinary_incident_again(stage: Stage) -> None:
    flap(stage, 2)
    there = town.signal(at_ms=stage.now_ms, lasts_ms=86_400_000, remedy=ACTING)
    stage.hear(there)
    stage.pass_ms(30 * MINUTE_MS)
    incident = stage.incident()
    assert not incident["unstable"]
    assert incident["next_update_ms"] > stage.now_ms
    stage.now_ms += 1_000
    end(stage, there)
    assert stage.incident()["resolved_ms"] is not None


def test_what_comes_and_goes_calls_the_team(stage: Stage) -> None:
    flap(stage, 2)
    stage.pass_ms(1_000)
    assert "comes and goes" in stage.letters(town.ON_CALL)[-1].text


SHARED = town.CATALOGUE.replace(
    "impact: major, affects: uses}",
    "impact: major, affects: uses, share: {at_least: 50%, of: hosts}, below: minor}",
)


def test_few_of_many_hosts_are_a_lighter_impact_until_more_are_hit(tmp_path: Path) -> None:
    with theatre.stage(tmp_path, SHARED) as stage:
        for host in ("web1", "web2", "web3", "web4"):
            beat = town.signal(
                "Watchdog",
                lasts_ms=86_400_000,
                annotations={"beforehand_services": "checkout", "beforehand_host": host},
                instance=host,
                service="",
            )
            stage.hear(beat)
        stage.hear(town.signal(lasts_ms=86_400_000, remedy=ACTING))
        assert stage.incident()["impact"] == "minor"
        assert "1 of 4 hosts" in stage.incident()["reason"]
        assert stage.deliver() == []
        stage.hear(town.signal(lasts_ms=86_400_000, remedy=ACTING, instance="web2"))
        assert stage.incident()["impact"] == "major"
        assert stage.deliver() == [ADA, BEN, CLEO]
