"""What a playbook has shown on its rung, what it may do now, and when the next rung is suggested."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.breaker import State
from remediations.ladder import ladder, proposal
from remediations.ladder.ladder import RUNGS, WATCHED_LEAST, WOULD_FIRES_LEAST, Demotion, Evidence
from remediations.ladder.proposal import Kind, Proposal
from remediations.writing.playbook import Mode
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

PLAYBOOK = stage.playbook(mode="propose", rest="promote_after: 3\n")
DAY_LATER_MS = NOW_MS + WATCHED_LEAST.ms
HARMED = Demotion("heal-shop", "run-1", NOW_MS, "Lost began to fire after heal-shop had acted")
MET = proposal.met(PLAYBOOK, stage.alert(), NOW_MS)
C, N, B, V, U = Kind.CLEAN, Kind.NEEDLESS, Kind.BLOCKED, Kind.OVERTAKEN, Kind.OPEN


def shown(*kinds: Kind) -> tuple[Proposal, ...]:
    return tuple(
        replace(MET, id=str(number), kind=kind, would_ms=NOW_MS) for number, kind in enumerate(kinds)
    )


def ran(*outcomes: Outcome | None) -> tuple[Attempt, ...]:
    return tuple(Attempt("heal-shop", (), NOW_MS + number, None, one) for number, one in enumerate(outcomes))


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        ((), 0),
        ((C, C, C), 3),
        ((C, N, C, C), 2),
        ((C, C, N), 0),
        ((C, B, C), 2),
        ((C, U, V, B, C), 2),
        ((N, B, B), 0),
    ],
)
def test_only_clean_ones_since_the_last_needless_one_count(kinds: tuple[Kind, ...], count: int) -> None:
    assert Evidence(0, shown(*kinds)).clean_in_a_row == count


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ((Outcome.FIXED, Outcome.FIXED), 2),
        ((Outcome.FIXED, Outcome.SKIPPED, None, Outcome.FIXED), 2),
        ((Outcome.FIXED, Outcome.INEFFECTIVE, Outcome.FIXED), 1),
        ((Outcome.FIXED, Outcome.RECURRED), 0),
        ((Outcome.FIXED, Outcome.HARMFUL), 0),
        ((Outcome.FIXED, Outcome.FAILED), 0),
    ],
)
def test_only_runs_that_helped_since_the_last_that_did_not_count(
    outcomes: tuple[Outcome | None, ...], count: int
) -> None:
    assert Evidence(0, (), ran(*outcomes)).fixed_in_a_row == count


@pytest.mark.parametrize(
    ("mode", "evidence", "now_ms", "suggested", "reason"),
    [
        ("observe", Evidence(NOW_MS, shown(C, C, C)), DAY_LATER_MS, Mode.PROPOSE,
         "heal-shop has observed well 3 times in a row; promotion to propose is suggested"),
        ("propose", Evidence(NOW_MS, shown(N, C, C, B, C)), DAY_LATER_MS, Mode.APPROVE,
         "heal-shop has proposed well 3 times in a row; promotion to approve is suggested"),
        ("approve", Evidence(NOW_MS, (), ran(*[Outcome.FIXED] * 3)), NOW_MS, Mode.AUTO,
         "heal-shop has helped 3 times in a row with approval; promotion to auto is suggested"),
        ("propose", Evidence(NOW_MS, shown(C, C)), DAY_LATER_MS, None,
         "2 of 3 proposals in a row were clean"),
        ("approve", Evidence(NOW_MS, shown(C, C, C)), DAY_LATER_MS, None,
         "0 of 3 approved runs in a row helped"),
        ("propose", Evidence(NOW_MS, shown(C, C, C)), NOW_MS + 5_400_000, None,
         "3 proposals in a row were clean; watched for 1h30m of 1d, or 3 of 20 occasions"),
        ("propose", Evidence(NOW_MS, shown(*[C] * WOULD_FIRES_LEAST)), NOW_MS, Mode.APPROVE,
         "heal-shop has proposed well 20 times in a row; promotion to approve is suggested"),
        ("auto", Evidence(NOW_MS, (), ran(*[Outcome.FIXED] * 9)), DAY_LATER_MS, None, "it acts by itself"),
    ],
)  # fmt: skip
def test_the_next_rung_is_suggested_when_enough_was_shown_on_this_one(
    mode: str, evidence: Evidence, now_ms: int, suggested: Mode | None, reason: str
) -> None:
    found = ladder.rung(replace(PLAYBOOK, mode=Mode(mode)), None, evidence, State.CLOSED, now_ms)
    assert (found.suggestion.mode, found.suggestion.reason) == (suggested, reason)


@pytest.mark.parametrize("breaker", [State.OPEN, State.HALF_OPEN])
def test_a_breaker_that_is_not_closed_takes_a_suggestion_back_but_no_mode(breaker: State) -> None:
    found = ladder.rung(PLAYBOOK, None, Evidence(NOW_MS, shown(C, C, C)), breaker, DAY_LATER_MS)
    assert found.suggestion.mode is None
    assert found.in_force is Mode.PROPOSE


@pytest.mark.parametrize(
    ("written", "in_force"),
    [("observe", "observe"), ("propose", "propose"), ("approve", "propose"), ("auto", "propose")],
)
def test_harm_takes_a_playbook_down_to_propose_and_never_up(written: str, in_force: str) -> None:
    playbook = replace(PLAYBOOK, mode=Mode(written))
    assert ladder.in_force(playbook, None) == written
    found = ladder.rung(playbook, HARMED, Evidence(NOW_MS, shown(C, C, C)), State.CLOSED, DAY_LATER_MS)
    assert (found.written, found.in_force) == (written, in_force)
    assert found.suggestion.mode is None
    assert found.suggestion.reason == f"it is demoted: {HARMED.reason}"


@pytest.mark.parametrize("mode", RUNGS)
def test_a_playbook_that_only_looks_stands_on_no_rung(mode: Mode) -> None:
    looks = replace(stage.playbook("- collect: [memory]", verify="{}"), mode=mode)
    found = ladder.rung(looks, None, Evidence(NOW_MS, shown(C, C, C, C, C)), State.CLOSED, DAY_LATER_MS)
    assert (found.in_force, found.suggestion.mode) == (Mode.AUTO, None)


def test_people_are_told_what_keeps_it_what_it_would_do_and_what_it_has_earned() -> None:
    stands = ladder.rung(PLAYBOOK, None, Evidence(NOW_MS, shown(C, C, C)), State.CLOSED, DAY_LATER_MS)
    assert ladder.told(PLAYBOOK, stands, MET, ["run a", "run b"]) == (
        "heal-shop only proposes; it would run a; run b;"
        " heal-shop has proposed well 3 times in a row; promotion to approve is suggested"
    )
    held = replace(MET, guard="hold", reason="held back by ada")
    assert ladder.told(PLAYBOOK, None, held, ["run a"]) == (
        "heal-shop only proposes; now it would not act, because held back by ada; it would run a"
    )
    demoted = ladder.rung(
        replace(PLAYBOOK, mode=Mode.AUTO), HARMED, Evidence(NOW_MS), State.OPEN, DAY_LATER_MS
    )
    told = ladder.told(PLAYBOOK, demoted, None, ["run " + "x" * 600])
    assert told.startswith("heal-shop only proposes, because it is demoted; it would run xxx")
    assert len(told) == 500
    long = ladder.told(PLAYBOOK, stands, MET, ["run " + "x" * 600])
    assert long.endswith("promotion to approve is suggested")
    assert len(long) == 500


KINDS = st.lists(st.sampled_from(list(Kind)), max_size=30)
OUTCOMES = st.lists(st.sampled_from([None, *Outcome]), max_size=30)


@given(
    KINDS,
    OUTCOMES,
    st.sampled_from(RUNGS),
    st.integers(1, 100),
    st.integers(-WATCHED_LEAST.ms, 3 * WATCHED_LEAST.ms),
    st.sampled_from(list(State)),
    st.booleans(),
)
def test_whatever_was_seen_no_rung_is_skipped_and_none_is_suggested_on_less_than_was_asked(
    kinds: list[Kind],
    outcomes: list[Outcome | None],
    mode: Mode,
    least: int,
    later_ms: int,
    breaker: State,
    harmed: bool,
) -> None:
    playbook = replace(PLAYBOOK, mode=mode, promote_after=least)
    evidence = Evidence(NOW_MS, shown(*kinds), ran(*outcomes))
    found = ladder.rung(playbook, HARMED if harmed else None, evidence, breaker, NOW_MS + later_ms)
    assert RUNGS.index(found.in_force) <= RUNGS.index(mode)
    assert found.suggestion.reason
    if found.suggestion.mode is None:
        return
    assert not harmed
    assert breaker is State.CLOSED
    assert RUNGS.index(found.suggestion.mode) == RUNGS.index(mode) + 1
    good = (
        [one is Outcome.FIXED for one in outcomes if one not in (None, Outcome.SKIPPED)]
        if mode is Mode.APPROVE
        else [one is Kind.CLEAN for one in kinds if one in (Kind.CLEAN, Kind.NEEDLESS)]
    )
    assert len(good) >= least
    assert all(good[-least:])
    assert mode is Mode.APPROVE or later_ms >= WATCHED_LEAST.ms or len(kinds) >= WOULD_FIRES_LEAST
