from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rules.backtest.bounds import ANYTHING, Bounds, compared, computed, of_values, only
from rules.promql.binary import ARITHMETIC, COMPARISON

values = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=5)


def holds(bounds: Bounds, value: float) -> bool:
    return bounds.nan if math.isnan(value) else bounds.low <= value <= bounds.high


@given(values, values, st.sampled_from(sorted(ARITHMETIC)))
def test_no_result_of_arithmetic_leaves_its_bounds(
    left: list[float], right: list[float], operator: str
) -> None:
    bounds = computed(operator, of_values(left), of_values(right))
    for one in left:
        for two in right:
            assert holds(bounds, ARITHMETIC[operator](one, two))


@given(values, values, st.sampled_from(sorted(COMPARISON)))
def test_a_comparison_that_is_certain_is_so_for_every_pair(
    left: list[float], right: list[float], operator: str
) -> None:
    answer = compared(operator, of_values(left), of_values(right))
    if answer is not None:
        assert all(COMPARISON[operator](one, two) is answer for one in left for two in right)


def test_one_number_is_certain() -> None:
    assert compared(">", only(2), only(1)) is True
    assert compared("!=", only(2), only(2)) is False
    assert compared("==", only(math.nan), only(1)) is None
    assert of_values([]) == ANYTHING
