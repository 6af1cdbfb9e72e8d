"""How often and how much at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.outcome import Outcome
from remediations.guards.pace import BACKOFF_MAX_MS, wait_after_ms
from remediations.question import Allowed, Facts
from tests.remediations import stage
from tests.remediations.guards.asking import HOUR, MINUTE, answer, attempt, refusal


@given(st.integers(0, 30), st.integers(0, 6 * HOUR), st.integers(0, 1 << 41))
def test_the_wait_is_never_less_than_the_cooldown_nor_half_an_hour_beyond(
    vain: int, cooldown_ms: int, ago_ms: int
) -> None:
    last = attempt(ago_ms)
    wait_ms = wait_after_ms(last, vain, cooldown_ms)
    assert cooldown_ms <= wait_ms <= cooldown_ms + BACKOFF_MAX_MS
    assert wait_ms == wait_after_ms(last, vain, cooldown_ms), "it is drawn from the attempt alone"
    assert vain or wait_ms == cooldown_ms


def test_the_wait_doubles_with_each_run_in_vain_a_quarter_more_or_less() -> None:
    waits = {wait_after_ms(attempt(ago), 1, 4 * MINUTE) for ago in range(0, 200_000, 1000)}
    assert 6.9 * MINUTE < min(waits) < 7.3 * MINUTE
    assert 8.7 * MINUTE < max(waits) <= 9 * MINUTE
    assert 13 * MINUTE - 1 <= wait_after_ms(attempt(0), 2, 4 * MINUTE) <= 19 * MINUTE


def test_a_run_that_helped_ends_the_doubling() -> None:
    terms = "{cooldown: 4m, breaker: {ineffective: 9, recurrences: 9}}"
    playbook = stage.playbook(guard=terms)
    vain = [attempt(40 * MINUTE, Outcome.INEFFECTIVE), attempt(6 * MINUTE, Outcome.INEFFECTIVE)]
    refused = refusal(history=vain, playbook=playbook)
    assert (refused.guard, refused.retry_at_ms is not None) == ("cooldown", True)
    assert refused.reason.endswith(", because it did not help 2 times in a row")
    helped = [*vain[:1], attempt(6 * MINUTE, Outcome.FIXED)]
    assert answer(history=helped, playbook=playbook) == Allowed()


def test_of_two_budgets_the_one_that_frees_later_speaks() -> None:
    terms = "{cooldown: 0s, at_most: [2 per 1h, 3 per 5h, 50 per 24h], breaker: {recurrences: 20}}"
    history = [attempt(4 * HOUR), attempt(50 * MINUTE), attempt(40 * MINUTE)]
    refused = refusal(history=history, playbook=stage.playbook(guard=terms))
    assert refused.reason == "heal-shop ran 3 times; it may 3 per 5h, again at 23:13:20 UTC"


def test_one_run_that_changes_something_is_enough_for_a_host() -> None:
    refused = refusal(Facts(under_way=1))
    assert (refused.guard, refused.reason, refused.passing) == ("alone", "1 run is under way already", True)
    assert answer(Facts(under_way=1), playbook=stage.playbook(guard="{at_once: 2}")) == Allowed()
    assert answer(Facts(looking=3)) == Allowed()


def test_looking_stands_beside_a_run_but_not_without_end() -> None:
    looks = stage.playbook("- collect: [top]")
    assert answer(Facts(under_way=1), playbook=looks) == Allowed()
    assert refusal(Facts(under_way=1, looking=3), playbook=looks).reason == "4 runs are under way already"
