"""What latches: nothing that does not help, or not for long, goes on without a human."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.outcome import Outcome
from remediations.question import Allowed, Facts
from remediations.writing.playbook import Name
from tests.remediations import stage
from tests.remediations.guards.asking import HOUR, MINUTE, answer, attempt, refusal

WIDE = "{cooldown: 0s, at_most: [50 per 1h, 6 per 24h], breaker: {ineffective: 20, recurrences: 20}}"


def test_the_longest_budget_latches_and_only_an_approval_opens_it() -> None:
    six = [attempt(number * 2 * HOUR) for number in range(12, 6, -1)]
    playbook = stage.playbook(guard=WIDE)
    refused = refusal(history=six, playbook=playbook)
    assert (refused.guard, refused.lasting, refused.retry_at_ms) == ("spent", True, None)
    assert "heal-shop used up its 6 per 1d (" in refused.reason
    assert refused.reason.endswith("; it runs again once somebody approves it")
    days_later = stage.NOW_MS + 3 * 24 * HOUR
    assert refusal(history=six, playbook=playbook, now_ms=days_later).guard == "spent"
    assert answer(Facts(approved=True), six, playbook, now_ms=days_later) == Allowed()
    approved = [*six, attempt(-2 * 24 * HOUR)]
    assert answer(history=approved, playbook=playbook, now_ms=days_later) == Allowed()


def test_a_single_budget_does_not_latch() -> None:
    playbook = stage.playbook(guard="{cooldown: 0s, at_most: 2 per 1h, breaker: {recurrences: 20}}")
    assert answer(history=[attempt(2 * HOUR), attempt(2 * HOUR)], playbook=playbook) == Allowed()


@pytest.mark.parametrize("last", [Outcome.RECURRED, Outcome.FIXED])
def test_a_fourth_cure_in_a_day_is_a_problem_and_not_an_incident(last: Outcome) -> None:
    cures = [attempt(20 * HOUR), attempt(9 * HOUR, Outcome.RECURRED), attempt(5 * HOUR, last)]
    refused = refusal(history=cures)
    assert (refused.guard, refused.lasting) == ("symptom_loop", True)
    assert refused.reason.startswith(
        "this is a problem, not an incident: heal-shop helped 3 times within 24h and it came back each time"
        " (02:13 fixed, 13:13 recurred, 17:13"
    )
    assert answer(history=cures[1:]) == Allowed()
    assert answer(Facts(approved=True), cures) == Allowed()


def test_cures_that_are_days_apart_are_no_loop() -> None:
    cures = [attempt(days * 24 * HOUR) for days in (6, 4, 2)]
    assert answer(history=cures) == Allowed()


def test_two_playbooks_that_work_on_one_thing_in_turn_are_both_stopped() -> None:
    wide = stage.playbook(guard=WIDE)
    past = [attempt(29 * MINUTE), attempt(20 * MINUTE, playbook="other"), attempt(10 * MINUTE)]
    refused = refusal(history=past, playbook=wide)
    assert (refused.guard, refused.lasting) == ("oscillation", True)
    assert refused.reason.startswith("heal-shop and other work on command:true in turn (21:44 fixed, ")
    other = replace(wide, playbook=Name("other"))
    assert refusal(history=past, playbook=other).guard == "oscillation"
    assert answer(Facts(approved=True), past, wide) == Allowed()


def test_two_playbooks_that_meet_by_chance_are_not_stopped() -> None:
    wide = stage.playbook(guard=WIDE)
    slow = [attempt(45 * MINUTE), attempt(20 * MINUTE, playbook="other"), attempt(10 * MINUTE)]
    assert answer(history=slow, playbook=wide) == Allowed()
    once = [attempt(20 * MINUTE), attempt(10 * MINUTE, playbook="other")]
    assert answer(history=once, playbook=wide) == Allowed()
    elsewhere = replace(attempt(20 * MINUTE, playbook="other"), target=("service:x",))
    assert answer(history=[attempt(25 * MINUTE), elsewhere, attempt(10 * MINUTE)], playbook=wide) == Allowed()


def test_the_breaker_tells_the_table_of_attempts_and_lets_the_next_playbook_try() -> None:
    vain = [attempt(80 * MINUTE, Outcome.INEFFECTIVE), attempt(30 * MINUTE, Outcome.FAILED)]
    refused = refusal(history=vain)
    assert (refused.guard, refused.lasting) == ("breaker", True)
    assert refused.reason == (
        "heal-shop is stopped until 22:43:21 UTC, because it did not help (20:53 ineffective, 21:43 failed)"
    )
    later_ms = stage.NOW_MS + HOUR
    half_open = refusal(history=vain, now_ms=later_ms)
    assert half_open.retry_at_ms is None
    assert "once somebody approves it" in half_open.reason
    assert answer(Facts(approved=True), vain, now_ms=later_ms) == Allowed()
