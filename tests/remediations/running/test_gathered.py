"""Evidence of a run is what its looks saw, redacted, and never more than so much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.step import Host, Result
from remediations.actions import collect
from remediations.redact import HIDDEN
from remediations.running.gathered import RUN_BYTES_MAX, Piece, evidence_of, gathered
from remediations.running.journal import StepRecord

JOURNAL = "run journalctl --no-pager --quiet --lines=500 --output=short-iso"


def step(number: int, name: str, output: str) -> StepRecord:
    return StepRecord(number, name, 1, 2, Result(True, output=output))


def test_what_collect_plans_is_evidence_and_nothing_else_is() -> None:
    for preset in ("top", "sockets", "journal", "df", "memory"):
        for planned in collect.plan(collect.Options((preset,)), Host(has_systemd=True)):
            assert evidence_of(str(planned)) == preset
    for other in ("run nginx -t", "look at /run/nginx.pid", "restart nginx.service", "(no_log)", ""):
        assert not evidence_of(other)


def test_steps_that_changed_something_or_said_nothing_are_left_out() -> None:
    steps = (
        step(1, "gather top", "load 1.0"),
        step(2, "run nginx -t", "syntax is ok"),
        step(3, "gather df", ""),
        StepRecord(4, "gather sockets", 1, None, None),
    )
    assert gathered(steps) == (Piece(1, "top", "load 1.0", truncated=False),)


def test_secrets_are_hidden() -> None:
    [piece] = gathered([step(1, "gather top", "app --password hunter2 token=abcdef")])
    assert "hunter2" not in piece.text
    assert "abcdef" not in piece.text
    assert HIDDEN in piece.text


def test_what_is_too_long_is_cut_where_it_tells_least() -> None:
    lines = "".join(f"line {number}\n" for number in range(20_000))
    top, journal = gathered([step(1, "gather top", lines), step(2, JOURNAL, lines)])
    assert top.text.startswith("line 0\n")
    assert journal.text.endswith("line 19999\n")
    assert top.truncated
    assert journal.truncated


def test_a_short_piece_is_whole_beside_a_long_one() -> None:
    long, short = gathered([step(1, JOURNAL, "x" * 200_000), step(2, "gather df", "free 1%")])
    assert short == Piece(2, "df", "free 1%", truncated=False)
    assert len(long.text) == RUN_BYTES_MAX - len("free 1%")


@given(st.lists(st.tuples(st.sampled_from("aé\u20ac\U0001f600\n"), st.integers(1, 100_000)), max_size=6))
def test_a_run_never_hands_in_more_than_its_bound(looks: list[tuple[str, int]]) -> None:
    steps = [step(number, "gather top", letter * count) for number, (letter, count) in enumerate(looks)]
    pieces = gathered(steps)
    assert sum(len(piece.text.encode()) for piece in pieces) <= RUN_BYTES_MAX
    assert [piece.number for piece in pieces] == list(range(len(looks)))
