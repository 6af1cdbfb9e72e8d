"""The table of the measurements says what was measured."""

from __future__ import annotations

import pytest

from bench.report import Results, table
from bench.rest import Cost
from bench.round import Round, Spread, length


def results(*, default: bool) -> Results:
    return Results(
        machine="one core",
        versions={"Monit": "5.33.0"},
        ours=[Round(10, 100, 200), Round(20, 110, 400), Round(30, 120, 300)],
        monit_fastest=[Round(500, 600, 590), Round(700, 1100, 890)],
        monit_default=[Round(60_000, 61_000, 61_500)] if default else [],
        rest={"agent": Cost(30.0, 25.0, 0.5)},
    )


def test_the_table_shows_medians_with_least_and_most_and_how_many_times_longer_the_other_takes() -> None:
    said = table(results(default=True))
    assert "20 ms (10 ms - 30 ms)" in said
    assert "30.0 : 1" in said  # 600 ms : 20 ms
    assert "3000.0 : 1" in said  # 60 s : 20 ms
    assert "3 + 2 + 1 rounds" in said
    assert "30.0 MB RSS" in said
    assert "one core" in said


def test_what_was_left_out_is_said_to_be_left_out() -> None:
    assert "left out" in table(results(default=False))


def test_a_spread_of_nothing_is_no_spread() -> None:
    with pytest.raises(ValueError, match="no median"):
        Spread.of([])


@pytest.mark.parametrize(
    ("ms", "text"), [(4.4, "4 ms"), (999.0, "999 ms"), (1000.0, "1.00 s"), (53_700.0, "53.70 s")]
)
def test_a_length_reads_in_the_unit_that_fits(ms: float, text: str) -> None:
    assert length(ms) == text
