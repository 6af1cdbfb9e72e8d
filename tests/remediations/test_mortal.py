"""A kill -9 at any point of the journal repeats nothing, hides nothing half done, and breaks no chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.remediations import mortal

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("gone", [False, True], ids=["in vain", "helped"])
def test_a_kill_at_this_point_repeats_nothing_and_is_undone_or_told(gone: bool, part: int) -> None:
    points = [one for number, one in enumerate(mortal.every_point(gone=gone)) if number % PARTS == part]
    assert len(points) >= 15
    found = {point: wrong for point in points if (wrong := mortal.killed(*point, gone=gone)[1])}
    assert not found


@pytest.mark.parametrize("gone", [False, True], ids=["in vain", "helped"])
def test_a_kill_in_the_life_that_recovers_does_no_harm_either(gone: bool) -> None:
    for points in mortal.pairs(8, 7, gone=gone):
        end, found = mortal.killed(*points, gone=gone)
        assert not found, f"{points}: {end}"


def test_the_judge_of_these_tests_sees_what_is_wrong() -> None:
    end = mortal.plain(gone=False)
    assert mortal.faults(end, gone=False) == []
    for worse, words in (
        (replace(end, did=(*end.did, "x")), "x was done 2 times"),
        (replace(end, did=end.did[:-1]), "out was not undone, and nobody is told"),
        (replace(end, content="new"), "the file was not undone, and nobody is told"),
        (replace(end, journal=end.journal[:-3]), "programs ran"),
        (replace(end, runs=(("verifying", "None"),)), "the runs are"),
        (replace(end, runs=(*end.runs, *end.runs)), "the runs are"),
        (replace(end, escalate=False), "somebody is called: False"),
        (replace(end, broken="entry 3 was changed"), "the chain is broken"),
    ):
        assert any(words in one for one in mortal.faults(worse, gone=False)), words
