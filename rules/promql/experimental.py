"""Functions that Prometheus has behind its switch for experimental ones, and ``holt_winters`` of 2.x."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cmp_to_key
from math import isnan
from typing import Final

from model.labels import Labels
from rules.promql.function import Arguments, Function
from rules.promql.limits import QueryError
from rules.promql.moment import Moment, VectorOf
from rules.promql.numbers import quantile
from rules.store.store import Row

_CHUNK: Final = re.compile(r"[0-9]+|[^0-9]+")


def _smoothed(arguments: Arguments) -> VectorOf:
    """Make double exponential smoothing, after Holt and Winters."""
    of, (smoothing, trend) = arguments.matrix.samples, arguments.scalars

    def evaluate(moment: Moment) -> list[Row]:
        level, slope = smoothing(moment), trend(moment)
        rows: list[Row] = []
        for labels, samples in of(moment):
            _between_0_and_1(level, "smoothing")
            _between_0_and_1(slope, "trend")
            if samples.count > 1:
                rows.append((labels, smooth(samples.values, level, slope)))
        return moment.unnamed(rows)

    return evaluate


def _between_0_and_1(factor: float, what: str) -> None:
    if factor <= 0 or factor >= 1:
        raise QueryError(f"invalid {what} factor. Expected: 0 < {what[0]}f < 1, got: {factor:f}")


def smooth(values: Sequence[float], level_factor: float, trend_factor: float) -> float:
    """Return the level at the end of at least two values."""
    before, level, trend = 0.0, values[0], values[1] - values[0]
    for index, value in enumerate(values[1:]):
        if index:
            trend = trend_factor * (level - before) + (1 - trend_factor) * trend
        before, level = level, level_factor * value + (1 - level_factor) * (level + trend)
    return level


def _deviation(values: Sequence[float]) -> float:
    """Return the median of the distances from the median."""
    median = quantile(0.5, values)
    return quantile(0.5, [abs(value - median) for value in values])


def _mad(arguments: Arguments) -> VectorOf:
    of = arguments.matrix.samples
    return lambda moment: moment.unnamed(
        [(labels, _deviation(samples.values)) for labels, samples in of(moment)]
    )


def _time_of(row_of: Callable[[Sequence[float]], int]) -> Callable[[Arguments], VectorOf]:
    """Make one of the ``ts_of_`` functions: the time of the sample that is chosen, in seconds."""

    def make(arguments: Arguments) -> VectorOf:
        of = arguments.matrix.samples
        return lambda moment: moment.unnamed(
            [(labels, samples.times[row_of(samples.values)] / 1000) for labels, samples in of(moment)]
        )

    return make


def _last_extreme(better: Callable[[float, float], bool]) -> Callable[[Sequence[float]], int]:
    def row(values: Sequence[float]) -> int:
        best = 0
        for index, value in enumerate(values):
            if better(value, values[best]) or isnan(values[best]):
                best = index
        return best

    return row


def _natural(left: str, right: str) -> int:
    """Compare two texts as people do: digits within them by their number."""
    ours, theirs = _CHUNK.findall(left), _CHUNK.findall(right)
    for one, other in zip(ours, theirs, strict=False):
        if one[0].isdigit() and other[0].isdigit():
            if int(one) != int(other):
                return -1 if int(one) < int(other) else 1
        elif one != other:
            return -1 if one < other else 1
    return (len(ours) > len(theirs)) - (len(ours) < len(theirs))


def _by_label(*, downwards: bool) -> Callable[[Arguments], VectorOf]:
    """Make ``sort_by_label`` or ``sort_by_label_desc``."""

    def make(arguments: Arguments) -> VectorOf:
        vector, names = arguments.vector, arguments.strings

        def compare(left: Labels, right: Labels) -> int:
            for name in names:
                if order := _natural(left.get(name), right.get(name)):
                    return order
            return (left.pairs > right.pairs) - (left.pairs < right.pairs)

        key = cmp_to_key(compare)
        return lambda moment: sorted(vector(moment), key=lambda row: key(row[0]), reverse=downwards)

    return make


_SMOOTHING: Final = Function(
    "double_exponential_smoothing", ("matrix", "scalar", "scalar"), _smoothed, only="experimental"
)

EXPERIMENTAL_FUNCTIONS: Final = (
    _SMOOTHING,
    replace(_SMOOTHING, name="holt_winters", only="prometheus2"),
    Function("mad_over_time", ("matrix",), _mad, only="experimental"),
    Function("ts_of_first_over_time", ("matrix",), _time_of(lambda _: 0), only="experimental"),
    Function("ts_of_last_over_time", ("matrix",), _time_of(lambda _: -1), only="experimental"),
    Function("ts_of_max_over_time", ("matrix",), _time_of(_last_extreme(float.__ge__)), only="experimental"),
    Function("ts_of_min_over_time", ("matrix",), _time_of(_last_extreme(float.__le__)), only="experimental"),
    Function(
        "sort_by_label",
        ("vector", "string"),
        _by_label(downwards=False),
        required=2,
        repeats=True,
        only="experimental",
    ),
    Function(
        "sort_by_label_desc",
        ("vector", "string"),
        _by_label(downwards=True),
        required=2,
        repeats=True,
        only="experimental",
    ),
)
