"""Functions over a range of each series: rates of counters, trends of gauges, and the ``_over_time`` family.

The formulas are Prometheus 3's; ranges are open on the left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from rules.promql.function import Arguments, Function
from rules.promql.moment import Moment, VectorOf
from rules.promql.numbers import quantile, variance
from rules.promql.samples import Samples
from rules.store.store import Row

OfSamples = Callable[[Samples, int, int], float | None]
"""What a function makes of a window's samples and of the range's two ends in ms; None is no result."""


def _extrapolated(*, counter: bool, per_second: bool, zero_first: bool = False) -> OfSamples:
    """Make ``rate``, ``increase`` or ``delta``: the samples' change, stretched towards the range's ends.

    ``zero_first`` is the order of 2.x, where a line that crosses zero far from the first sample hides that
    the range's start is far as well.
    """

    def change(samples: Samples, after_ms: int, until_ms: int) -> float | None:
        count = samples.count
        if count < 2:
            return None
        first_ms, last_ms, first, last = samples.ends()
        result = last - first
        if counter and (falls := samples.falls()):
            result += math.fsum(falls)
        sampled = (last_ms - first_ms) / 1000
        to_start = (first_ms - after_ms) / 1000
        to_end = (until_ms - last_ms) / 1000
        average = sampled / (count - 1)
        near = average * 1.1
        if to_start >= near and not zero_first:
            to_start = average / 2
        if counter and result > 0 and first >= 0:
            # A counter was never below zero, so it started at the earliest where its line crosses zero.
            to_start = min(to_start, sampled * (first / result))
        if to_start >= near and zero_first:
            to_start = average / 2
        if to_end >= near:
            to_end = average / 2
        factor = (sampled + to_start + to_end) / sampled
        if per_second:
            factor /= (until_ms - after_ms) / 1000
        return result * factor

    return change


def _instant(*, counter: bool, per_second: bool) -> OfSamples:
    """Make ``irate`` or ``idelta``: the change between the last two samples."""

    def change(samples: Samples, _after_ms: int, _until_ms: int) -> float | None:
        if samples.count < 2:
            return None
        first_ms, last_ms, before, last = samples.last_two().ends()
        result = last if counter and last < before else last - before
        return result / ((last_ms - first_ms) / 1000) if per_second else result

    return change


def _derivative(samples: Samples, _after_ms: int, _until_ms: int) -> float | None:
    return samples.line(samples.ends()[0])[0] if samples.count > 1 else None


def _whole(of_samples: Callable[[Samples], float]) -> OfSamples:
    """Make a function of a window's samples alone."""
    return lambda samples, _after_ms, _until_ms: of_samples(samples)


def _over(of_samples: OfSamples) -> Callable[[Arguments], VectorOf]:
    """Make a function of one range vector that yields a value for each series, without its name."""

    def make(arguments: Arguments) -> VectorOf:
        matrix = arguments.matrix

        def evaluate(moment: Moment) -> list[Row]:
            until_ms = moment.shifted_ms(matrix.shift)
            after_ms = until_ms - matrix.range_ms
            rows: list[Row] = []
            for labels, samples in matrix.samples(moment):
                result = of_samples(samples, after_ms, until_ms)
                if result is not None:
                    rows.append((labels, result))
            return moment.unnamed(rows)

        return evaluate

    return make


def _counting(*, per_second: bool) -> Callable[[Arguments], VectorOf]:
    """Make ``rate`` or ``increase``, by the formula of the dialect."""
    by_compat = {
        compat: _extrapolated(counter=True, per_second=per_second, zero_first=compat == "prometheus2")
        for compat in ("prometheus3", "prometheus2")
    }
    return lambda arguments: _over(by_compat[arguments.dialect.compat])(arguments)


def _end(*, last: bool) -> Callable[[Arguments], VectorOf]:
    """Make ``first_over_time`` or ``last_over_time``, which keep the name: they yield samples."""
    index = 3 if last else 2

    def make(arguments: Arguments) -> VectorOf:
        of = arguments.matrix.samples
        return lambda moment: [(labels, samples.ends()[index]) for labels, samples in of(moment)]

    return make


def _quantile(arguments: Arguments) -> VectorOf:
    share, of = arguments.scalars[0], arguments.matrix.samples

    def evaluate(moment: Moment) -> list[Row]:
        wanted = share(moment)
        return moment.unnamed([(labels, quantile(wanted, samples.values)) for labels, samples in of(moment)])

    return evaluate


def _predict(arguments: Arguments) -> VectorOf:
    """Make ``predict_linear``: the line through the samples, read so many seconds from now."""
    of, ahead_s = arguments.matrix.samples, arguments.scalars[0]

    def evaluate(moment: Moment) -> list[Row]:
        seconds, now_ms = ahead_s(moment), moment.at_ms
        rows: list[Row] = []
        for labels, samples in of(moment):
            if samples.count > 1:
                slope, level = samples.line(now_ms)
                rows.append((labels, slope * seconds + level))
        return moment.unnamed(rows)

    return evaluate


_OF_SAMPLES: Final[dict[str, Callable[[Samples], float]]] = {
    "avg_over_time": lambda samples: samples.mean(),
    "min_over_time": lambda samples: samples.least(),
    "max_over_time": lambda samples: samples.greatest(),
    "sum_over_time": lambda samples: samples.total(),
    "count_over_time": lambda samples: float(samples.count),
    "present_over_time": lambda _: 1.0,
    "stdvar_over_time": lambda samples: variance(samples.values),
    "stddev_over_time": lambda samples: math.sqrt(variance(samples.values)),
    "changes": lambda samples: float(samples.changes()),
    "resets": lambda samples: float(len(samples.falls())),
}

_OF_RANGE: Final[dict[str, OfSamples]] = {
    "delta": _extrapolated(counter=False, per_second=False),
    "irate": _instant(counter=True, per_second=True),
    "idelta": _instant(counter=False, per_second=False),
    "deriv": _derivative,
    **{name: _whole(of_samples) for name, of_samples in _OF_SAMPLES.items()},
}

RANGE_FUNCTIONS: Final = (
    *(Function(name, ("matrix",), _over(of_samples)) for name, of_samples in _OF_RANGE.items()),
    *(Function(name, ("matrix",), _counting(per_second=name == "rate")) for name in ("rate", "increase")),
    Function("first_over_time", ("matrix",), _end(last=False)),
    Function("last_over_time", ("matrix",), _end(last=True)),
    Function("quantile_over_time", ("scalar", "matrix"), _quantile),
    Function("predict_linear", ("matrix", "scalar"), _predict),
)
