"""A playbook that does not help is stopped, comes back on probation, and is forgiven when it helps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.breaker import COOLDOWN_MAX, Breaker, BreakerTerms, State, replayed

TERMS = BreakerTerms()
MIN = 60_000
H = 60 * MIN
FIXED, INEFFECTIVE, RECURRED = Outcome.FIXED, Outcome.INEFFECTIVE, Outcome.RECURRED
FAILED, HARMFUL, SKIPPED = Outcome.FAILED, Outcome.HARMFUL, Outcome.SKIPPED


def after(*outcomes: Outcome, apart_ms: int = 10 * MIN) -> Breaker:
    return replayed(attempts(outcomes, apart_ms), TERMS)


def attempts(outcomes: tuple[Outcome, ...], apart_ms: int) -> list[Attempt]:
    return [
        Attempt("heal", ("service:shop",), number * apart_ms, number * apart_ms + MIN, outcome)
        for number, outcome in enumerate(outcomes, 1)
    ]


def test_two_runs_that_do_not_help_open_it() -> None:
    assert after(INEFFECTIVE).state is State.CLOSED
    opened = after(INEFFECTIVE, FAILED)
    assert opened.state is State.OPEN
    assert [one.outcome for one in opened.tries] == [INEFFECTIVE, FAILED]
    assert opened.until_ms == 21 * MIN + H


def test_a_cure_in_between_is_forgiveness_but_cures_that_do_not_last_add_up() -> None:
    assert after(INEFFECTIVE, FIXED, INEFFECTIVE).state is State.CLOSED
    assert after(RECURRED, FIXED, RECURRED, FIXED).state is State.CLOSED
    assert after(RECURRED, FIXED, RECURRED, FIXED, RECURRED).state is State.OPEN


def test_one_run_that_did_harm_opens_it_at_once() -> None:
    assert after(HARMFUL).state is State.OPEN


def test_what_was_long_ago_does_not_count() -> None:
    assert after(INEFFECTIVE, INEFFECTIVE, apart_ms=5 * H).state is State.CLOSED


def test_what_was_never_begun_does_not_count() -> None:
    assert after(SKIPPED, SKIPPED, SKIPPED).state is State.CLOSED


def test_after_its_time_one_run_may_prove_itself() -> None:
    opened = after(INEFFECTIVE, INEFFECTIVE)
    assert opened.at(opened.until_ms - 1).state is State.OPEN
    assert opened.at(opened.until_ms).state is State.HALF_OPEN


def test_a_run_that_proves_itself_closes_it_and_one_that_does_not_opens_it_for_twice_as_long() -> None:
    past = attempts((INEFFECTIVE, INEFFECTIVE), 10 * MIN)
    proof = Attempt("heal", ("service:shop",), 3 * H, 3 * H + MIN, FIXED)
    assert replayed([*past, proof], TERMS) == Breaker()
    worse = replayed([*past, Attempt("heal", ("service:shop",), 3 * H, 3 * H + MIN, FAILED)], TERMS)
    assert (worse.state, worse.until_ms, worse.openings) == (State.OPEN, 3 * H + MIN + 2 * H, 2)


@given(st.lists(st.sampled_from([INEFFECTIVE, FAILED, RECURRED, HARMFUL]), min_size=4, max_size=40))
def test_what_never_helps_is_always_stopped_and_waits_a_day_at_most(outcomes: list[Outcome]) -> None:
    found = after(*outcomes)
    assert found.openings >= 1
    assert found.until_ms <= len(outcomes) * 10 * MIN + MIN + COOLDOWN_MAX.ms
