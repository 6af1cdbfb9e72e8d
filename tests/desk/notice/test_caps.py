"""Small audiences go by themselves, large ones at people's word, and everyone at the word of two."""

from __future__ import annotations

import pytest

from desk.notice import caps
from desk.notice.caps import Size, clearance, storm, undo_ms
from desk.state import Impact

MANY = 100_000


@pytest.mark.parametrize(
    ("people", "everybody", "predicted", "everyone", "impact", "needs"),
    [
        (100, 100, 3, True, Impact.MINOR, 0),  # no more than may always be written to
        (101, MANY, 101, False, Impact.MINOR, 0),  # within 5 %
        (5_001, MANY, 5_001, False, Impact.MINOR, 1),
        (5_001, MANY, 5_001, False, Impact.MAJOR, 0),  # major, and as many as the service has
        (50_000, MANY, 5_000, False, Impact.MAJOR, 1),  # ten times as many
        (10_000, MANY, 5_000, False, Impact.MAJOR, 0),  # at most twice as many
        (10_001, MANY, 5_000, False, Impact.MAJOR, 1),
        (20_000, MANY, 40_001, False, Impact.MAJOR, 1),  # less than half
        (MANY, MANY, MANY, False, Impact.MAJOR, 0),  # everybody uses it
        (MANY, MANY, MANY, True, Impact.MAJOR, 2),
        (101, 101, 101, True, Impact.MAJOR, 2),
    ],
)
def test_how_many_humans_it_takes(
    people: int, everybody: int, predicted: int, everyone: bool, impact: Impact, needs: int
) -> None:
    found = clearance(Size(people, everybody, predicted, everyone), impact)
    assert found.needs == needs
    assert found.reason


def test_a_word_to_one_can_be_undone_for_less_time_than_a_word_to_many() -> None:
    assert (undo_ms(1), undo_ms(2)) == (30_000, 120_000)


def test_a_storm_is_many_incidents_or_many_people_at_once() -> None:
    assert not storm(20, 0, MANY)
    assert storm(21, 0, MANY)
    assert not storm(2, MANY, MANY)
    assert storm(3, 10_001, MANY)
    assert not storm(3, 100, 100)
    assert caps.STORM_MS == 300_000
