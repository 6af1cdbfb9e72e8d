"""Soft and hard states as Nagios has them, flapping as Icinga 2 reckons it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.check.standing import BEFORE_ALL, CHANGES_KEPT, Standing, after

STATUSES = st.lists(st.integers(0, 3), max_size=80)


def walked(statuses: list[int], attempts_max: int = 3) -> list[Standing]:
    found = [BEFORE_ALL]
    for status in statuses:
        found.append(after(found[-1], status, attempts_max))
    return found[1:]


def test_a_problem_is_soft_until_it_was_seen_often_enough() -> None:
    assert [(s.hard, s.attempt) for s in walked([0, 2, 2, 2, 2, 0])] == [
        (True, 1), (False, 1), (False, 2), (True, 3), (True, 3), (True, 1)
    ]  # fmt: skip  # the pairs on one line


def test_a_recovery_from_a_soft_problem_begins_anew() -> None:
    assert [(s.hard, s.attempt) for s in walked([2, 2, 0, 2])] == [
        (False, 1), (False, 2), (True, 1), (False, 1)
    ]  # fmt: skip  # the pairs on one line


def test_another_problem_goes_on_counting() -> None:
    assert [(s.hard, s.attempt) for s in walked([1, 2, 3, 1])] == [
        (False, 1), (False, 2), (True, 3), (True, 3)
    ]  # fmt: skip  # the pairs on one line


def test_with_one_attempt_every_state_is_hard() -> None:
    assert [(s.hard, s.attempt) for s in walked([0, 1, 2, 0], 1)] == [(True, 1)] * 4


def test_the_first_result_is_no_change() -> None:
    assert walked([2])[-1].flapping_percent == 0


@pytest.mark.parametrize(("age", "percent"), [(0, 5.9), (10, 4.9), (19, 4.0)])
def test_an_old_change_weighs_less(age: int, percent: float) -> None:
    assert walked([0, 1, *[1] * age])[-1].flapping_percent == pytest.approx(percent)


def test_a_change_is_forgotten_after_twenty_results() -> None:
    assert walked([0, 1, *[1] * 20])[-1].flapping_percent == 0


def test_changing_every_time_is_ninety_nine_percent() -> None:
    assert walked([0, 1] * 20)[-1].flapping_percent == pytest.approx(99)


def test_flapping_begins_above_30_and_ends_at_25_percent() -> None:
    found = walked([0, 1, 0, 1, 0, 1, 0, *[0] * 20])
    percents = [round(s.flapping_percent, 2) for s in found]
    began = next(n for n, s in enumerate(found) if s.flapping)
    ended = next(n for n, s in enumerate(found) if n > began and not s.flapping)
    assert percents[began - 1] <= 30 < percents[began]
    assert percents[ended] <= 25 < percents[ended - 1]


def icinga(statuses: list[int]) -> list[tuple[float, bool]]:
    """Reckon in the manner of Icinga 2: a ring that is written round, read from its oldest place."""
    ring, place, last, flapping, found = [False] * CHANGES_KEPT, 0, None, False, []
    for status in statuses:
        ring[place] = last is not None and status != last
        last, place = status, (place + 1) % CHANGES_KEPT
        total = sum(0.8 + 0.02 * i for i in range(CHANGES_KEPT) if ring[(place + i) % CHANGES_KEPT])
        percent = 100.0 * total / CHANGES_KEPT
        flapping = percent > (25.0 if flapping else 30.0)
        found.append((percent, flapping))
    return found


@given(STATUSES)
def test_flapping_is_reckoned_as_icinga_reckons_it(statuses: list[int]) -> None:
    ours = [(s.flapping_percent, s.flapping) for s in walked(statuses)]
    for (percent, flapping), (expected, expected_flapping) in zip(ours, icinga(statuses), strict=True):
        assert percent == pytest.approx(expected)
        assert flapping is expected_flapping


@given(STATUSES, st.integers(1, 5))
def test_a_hard_problem_was_seen_so_often_in_a_row(statuses: list[int], attempts_max: int) -> None:
    for at, one in enumerate(walked(statuses, attempts_max)):
        row = 0
        while row <= at and statuses[at - row] != 0:
            row += 1
        assert one.hard is (row == 0 or row >= attempts_max)
        assert one.attempt == max(1, min(row, attempts_max))
