"""Functions over a range of each series: rates of counters, trends of gauges, and the ``_over_time`` family.

The formulas are Prometheus 3's; ranges are open on the left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from rules.promql.function import Arguments, Function
from rules.promql.moment import Moment, VectorOf, unnamed
from rules.promql.numbers import (
    fallen,
    greatest,
    least,
    line,
    mean,
    quantile,
    total,
    variance,
)
from rules.store import Row

Times = Sequence[int]
Values = Sequence[float]
OfValues = Callable[[Values], float]
OfWindow = Callable[[Times, Values, int, int], float | None]
"""What a function makes of a window's times and values, and of the range's two ends in ms."""


def _extrapolated(*, counter: bool, per_second: bool) -> OfWindow:
    """Make ``rate``, ``increase`` or ``delta``: the samples' change, stretched towards the range's ends."""

    def change(times: Times, values: Values, after_ms: int, until_ms: int) -> float | None:
        count = len(times)
        if count < 2:
            return None
        first = values[0]
        result = values[-1] - first + (fallen(values) if counter else 0.0)
        sampled = (times[-1] - times[0]) / 1000
        to_start = (times[0] - after_ms) / 1000
        to_end = (until_ms - times[-1]) / 1000
        average = sampled / (count - 1)
        near = average * 1.1
        if to_start >= near:
            to_start = average / 2
        if counter and result > 0 and first >= 0:
            # A counter was never below zero, so it started at the earliest where its line crosses zero.
            to_start = min(to_start, sampled * (first / result))
        if to_end >= near:
            to_end = average / 2
        factor = (sampled + to_start + to_end) / sampled
        if per_second:
            factor /= (until_ms - after_ms) / 1000
        return result * factor

    return change


def _instant(*, counter: bool, per_second: bool) -> OfWindow:
    """Make ``irate`` or ``idelta``: the change between the last two samples."""

    def change(times: Times, values: Values, after_ms: int, until_ms: int) -> float | None:  # noqa: ARG001  # the shape of all
        if len(times) < 2:
            return None
        before, last = values[-2], values[-1]
        result = last if counter and last < before else last - before
        return result / ((times[-1] - times[-2]) / 1000) if per_second else result

    return change


def _derivative(times: Times, values: Values, after_ms: int, until_ms: int) -> float | None:  # noqa: ARG001  # the shape of all
    if len(times) < 2:
        return None
    start = times[0]
    return line([(at - start) / 1000 for at in times], values)[0]


def _whole(of_values: OfValues) -> OfWindow:
    """Make a function of a window's values alone."""
    return lambda _times, values, _after_ms, _until_ms: of_values(values)


def _changes(values: Values) -> float:
    return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairwise(values)))


def _resets(values: Values) -> float:
    return float(sum(b < a for a, b in pairwise(values)))


def _over(of_window: OfWindow) -> Callable[[Arguments], VectorOf]:
    """Make a function of one range vector that yields a value for each series, without its name."""

    def make(arguments: Arguments) -> VectorOf:
        matrix = arguments.matrix

        def evaluate(moment: Moment) -> list[Row]:
            until_ms = moment.shifted_ms(matrix.shift)
            after_ms = until_ms - matrix.range_ms
            rows: list[Row] = []
            for labels, times, values in matrix.windows(moment):
                result = of_window(times, values, after_ms, until_ms)
                if result is not None:
                    rows.append((labels, result))
            return unnamed(rows)

        return evaluate

    return make


def _last(arguments: Arguments) -> VectorOf:
    """Make ``last_over_time``, which keeps the name: it yields samples as they were."""
    windows = arguments.matrix.windows
    return lambda moment: [(labels, values[-1]) for labels, _, values in windows(moment)]


def _quantile(arguments: Arguments) -> VectorOf:
    share, windows = arguments.scalars[0], arguments.matrix.windows

    def evaluate(moment: Moment) -> list[Row]:
        wanted = share(moment)
        return unnamed([(labels, quantile(wanted, values)) for labels, _, values in windows(moment)])

    return evaluate


def _predict(arguments: Arguments) -> VectorOf:
    """Make ``predict_linear``: the line through the samples, read so many seconds from now."""
    windows, ahead_s = arguments.matrix.windows, arguments.scalars[0]

    def evaluate(moment: Moment) -> list[Row]:
        seconds, now_ms = ahead_s(moment), moment.at_ms
        rows: list[Row] = []
        for labels, times, values in windows(moment):
            if len(times) > 1:
                slope, level = line([(at - now_ms) / 1000 for at in times], values)
                rows.append((labels, slope * seconds + level))
        return unnamed(rows)

    return evaluate


_BY_VALUES: Final[dict[str, OfValues]] = {
    "avg_over_time": mean,
    "min_over_time": least,
    "max_over_time": greatest,
    "sum_over_time": total,
    "count_over_time": lambda values: float(len(values)),
    "present_over_time": lambda _: 1.0,
    "stdvar_over_time": variance,
    "stddev_over_time": lambda values: math.sqrt(variance(values)),
    "changes": _changes,
    "resets": _resets,
}

_BY_WINDOW: Final[dict[str, OfWindow]] = {
    "rate": _extrapolated(counter=True, per_second=True),
    "increase": _extrapolated(counter=True, per_second=False),
    "delta": _extrapolated(counter=False, per_second=False),
    "irate": _instant(counter=True, per_second=True),
    "idelta": _instant(counter=False, per_second=False),
    "deriv": _derivative,
    **{name: _whole(of_values) for name, of_values in _BY_VALUES.items()},
}

RANGE_FUNCTIONS: Final = (
    *(Function(name, ("matrix",), _over(of_window)) for name, of_window in _BY_WINDOW.items()),
    Function("last_over_time", ("matrix",), _last),
    Function("quantile_over_time", ("scalar", "matrix"), _quantile),
    Function("predict_linear", ("matrix", "scalar"), _predict),
)
