"""What becomes of a proposal: clean, needless, blocked or overtaken, whatever happens in whatever order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.ladder import proposal
from remediations.ladder.proposal import Kind, Proposal
from remediations.question import Refused
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

WITHIN_MS = 60_000
STEPS = ("run true",)
COOLING = Refused("heal-shop is cooling down", NOW_MS + 1, guard="cooldown")
MET = proposal.met(stage.playbook(mode="observe", verify="{within: 1m}"), stage.alert(), NOW_MS)

Turn = Callable[[Proposal, int], Proposal]


def refused(one: Proposal, _now_ms: int) -> Proposal:
    return proposal.refused(one, COOLING)


def allowed(one: Proposal, now_ms: int) -> Proposal:
    return proposal.allowed(one, STEPS, now_ms)


def overtaken(one: Proposal, _now_ms: int) -> Proposal:
    return proposal.overtaken(one)


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        ([], Kind.OPEN),
        ([(0, refused)], Kind.OPEN),
        ([(0, allowed)], Kind.OPEN),
        ([(0, allowed), (WITHIN_MS, proposal.lasting)], Kind.OPEN),
        ([(0, allowed), (WITHIN_MS + 1, proposal.lasting)], Kind.CLEAN),
        ([(0, allowed), (WITHIN_MS + 1, proposal.lasting), (WITHIN_MS + 2, proposal.over)], Kind.CLEAN),
        ([(0, allowed), (WITHIN_MS, proposal.over)], Kind.NEEDLESS),
        ([(0, allowed), (WITHIN_MS + 1, proposal.over)], Kind.CLEAN),
        ([(0, refused), (10 * WITHIN_MS, proposal.over)], Kind.BLOCKED),
        ([(0, refused), (5_000, allowed), (6_000, proposal.over)], Kind.NEEDLESS),
        ([(0, refused), (5_000, allowed), (10 * WITHIN_MS, proposal.over)], Kind.CLEAN),
        ([(0, proposal.over)], Kind.NEEDLESS),
        ([(0, allowed), (1, overtaken), (WITHIN_MS + 1, proposal.lasting)], Kind.OVERTAKEN),
        ([(0, allowed), (WITHIN_MS + 1, proposal.lasting), (WITHIN_MS + 2, overtaken)], Kind.CLEAN),
        ([(0, refused), (1, overtaken), (2, proposal.over)], Kind.OVERTAKEN),
    ],
)
def test_each_way_through_an_episode_has_its_kind(turns: list[tuple[int, Turn]], kind: Kind) -> None:
    one = MET
    for after_ms, turn in turns:
        one = turn(one, NOW_MS + after_ms)
    assert one.kind is kind


def test_how_long_the_trouble_lasted_on_is_counted_from_where_the_playbook_would_have_begun() -> None:
    one = allowed(refused(MET, NOW_MS), NOW_MS + 5_000)
    assert (one.would_ms, one.guard, one.reason, one.steps) == (NOW_MS + 5_000, "", "", STEPS)
    assert one.due_ms == NOW_MS + 5_000 + WITHIN_MS + 1
    assert proposal.over(one, NOW_MS + 12_000).lasted_ms == 7_000
    assert proposal.over(MET, NOW_MS + 12_000).lasted_ms == 0


def test_a_refusal_keeps_its_first_sentence_and_counts_for_nothing_once_it_would_have_begun() -> None:
    one = refused(MET, NOW_MS)
    assert (one.guard, one.reason) == ("cooldown", "heal-shop is cooling down")
    assert proposal.refused(one, Refused("later", guard="cooldown")) == one
    begun = allowed(one, NOW_MS)
    assert proposal.refused(begun, COOLING) == begun


MOVES = st.lists(
    st.tuples(
        st.integers(-WITHIN_MS, 3 * WITHIN_MS),
        st.sampled_from([refused, allowed, overtaken, proposal.lasting, proposal.over]),
    ),
    max_size=12,
)


@given(MOVES)
def test_whatever_happens_what_is_decided_stays_and_only_what_lasted_is_clean(
    moves: list[tuple[int, Turn]],
) -> None:
    one, now_ms = MET, NOW_MS
    for step_ms, move in moves:
        now_ms += step_ms  # clocks are set back as well
        after = move(one, now_ms)
        if one.kind is not Kind.OPEN:
            assert after.kind is one.kind
        elif after.kind is Kind.CLEAN:
            assert one.would_ms
            assert now_ms - one.would_ms > WITHIN_MS
        assert after.lasted_ms >= 0
        assert not one.would_ms or after.would_ms == one.would_ms
        one = after
