"""Who must approve, and what an approval lifts."""

from __future__ import annotations

import pytest

from model.outcome import Outcome
from remediations.question import Allowed, Facts
from tests.remediations import stage
from tests.remediations.guards.asking import HOUR, MINUTE, answer, attempt, refusal

FOREVER = "- remove_old: {roots: [/var/tmp/shop], patterns: ['*.log'], age: 1d}"
SIX = [attempt(number * 2 * HOUR) for number in range(12, 6, -1)]
WIDE = "{cooldown: 0s, at_most: [50 per 1h, 6 per 24h], breaker: {ineffective: 20, recurrences: 20}}"


def test_a_playbook_in_approve_acts_once_people_approved_it() -> None:
    refused = refusal(playbook=stage.playbook(mode="approve"))
    assert (refused.guard, refused.approvable, refused.lasting) == ("approval", True, False)
    assert refused.reason == "heal-shop acts once approved by one person"
    assert answer(Facts(approved=True), playbook=stage.playbook(mode="approve")) == Allowed()


def test_what_cannot_be_undone_is_approved_even_in_auto_unless_the_playbook_says_why_not() -> None:
    refused = refusal(playbook=stage.playbook(FOREVER))
    assert (refused.guard, refused.approvable) == ("approval", True)
    assert refused.reason == ("heal-shop acts once approved by one person, for what it does cannot be undone")
    fleet = refusal(playbook=stage.playbook(FOREVER, guard="{hosts_at_once: 10%}"))
    assert "by 2 different people" in fleet.reason
    trusted = stage.playbook(FOREVER, guard="{approval: {by: 0, because: they are copies}}")
    assert answer(playbook=trusted) == Allowed()


def test_whoever_only_looks_asks_nobody() -> None:
    assert answer(playbook=stage.playbook("- collect: [top]", mode="approve")) == Allowed()


def test_what_only_proposes_is_not_to_be_approved() -> None:
    refused = refusal(playbook=stage.playbook(mode="propose"))
    assert (refused.guard, refused.approvable) == ("mode", False)


@pytest.mark.parametrize(
    "facts",
    [
        Facts(stopped="stopped by ada"),
        Facts(holds={"": "held back by ada"}),
        Facts(pauses={"freeze": "frozen"}),
        Facts(lease="2 of 10 hosts are healing already"),
    ],
)
def test_an_approval_lifts_nothing_else(facts: Facts) -> None:
    playbook = stage.playbook(mode="approve")
    assert not refusal(facts, playbook=playbook).approvable
    approved = Facts(facts.stopped, holds=facts.holds, pauses=facts.pauses, lease=facts.lease, approved=True)
    assert refusal(approved, playbook=playbook).guard != "approval"


def test_a_latch_is_to_be_approved_only_where_no_other_guard_speaks_against_it() -> None:
    latched = refusal(history=SIX, playbook=stage.playbook(guard=WIDE))
    assert (latched.guard, latched.approvable, latched.retry_at_ms) == ("spent", True, None)
    paused = refusal(Facts(lease="not now"), SIX, stage.playbook(guard=WIDE))
    assert (paused.guard, paused.approvable, paused.lasting) == ("spent", False, True)
    assert paused.retry_at_ms is not None, "when the other guard agrees, people can be asked"


def test_an_approval_lifts_the_budget_that_latches_and_no_other() -> None:
    crowded = [attempt(minutes * MINUTE) for minutes in (50, 40, 30)]
    short = "{cooldown: 0s, at_most: [3 per 1h, 3 per 24h], breaker: {recurrences: 20}}"
    playbook = stage.playbook(guard=short)
    assert not refusal(history=crowded, playbook=playbook).approvable
    assert refusal(Facts(approved=True), crowded, playbook).guard == "budget"
    later_ms = stage.NOW_MS + HOUR
    assert refusal(history=crowded, playbook=playbook, now_ms=later_ms).approvable
    assert answer(Facts(approved=True), crowded, playbook, now_ms=later_ms) == Allowed()


def test_a_breaker_that_is_open_is_not_to_be_approved_and_one_that_is_half_open_is() -> None:
    vain = [attempt(80 * MINUTE, Outcome.INEFFECTIVE), attempt(30 * MINUTE, Outcome.FAILED)]
    assert not refusal(history=vain).approvable
    assert refusal(history=vain, now_ms=stage.NOW_MS + HOUR).approvable
