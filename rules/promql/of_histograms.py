"""Quantiles of classic histograms, whose buckets are series with the label ``le``."""

from __future__ import annotations

import math
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from model.labels import Labels
from rules.promql.function import Arguments, Function
from rules.promql.moment import Moment, VectorOf
from rules.promql.numbers import INF, NAN, divided
from rules.store.store import Row

Bucket = tuple[float, float]

_BOUND: Final = re.compile(
    r"[+-]?(?:inf|infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.IGNORECASE
)
_TOLERANCE: Final = 1e-12


def _histogram_quantile(arguments: Arguments) -> VectorOf:
    """Make ``histogram_quantile``: one value for each set of buckets that differ only in ``le``."""
    share, vector = arguments.scalars[0], arguments.vector

    def evaluate(moment: Moment) -> list[Row]:
        wanted = share(moment)
        return moment.unnamed(
            [(labels, bucket_quantile(wanted, each)) for labels, each in _buckets(vector(moment)).items()]
        )

    return evaluate


def _histogram_fraction(arguments: Arguments) -> VectorOf:
    """Make ``histogram_fraction``: the share of observations between two values, for each set of buckets."""
    (lower, upper), vector = arguments.scalars, arguments.vector

    def evaluate(moment: Moment) -> list[Row]:
        low, high = lower(moment), upper(moment)
        return moment.unnamed(
            [(labels, bucket_fraction(low, high, each)) for labels, each in _buckets(vector(moment)).items()]
        )

    return evaluate


def _buckets(rows: list[Row]) -> dict[Labels, list[Bucket]]:
    """Return the buckets of each histogram; a row whose ``le`` is no number is none."""
    histograms: dict[Labels, list[Bucket]] = {}
    for labels, count in rows:
        bound = labels.get("le")
        if _BOUND.fullmatch(bound):
            histograms.setdefault(labels.without(("le",)), []).append((float(bound), count))
    return histograms


def bucket_quantile(share: float, buckets: Sequence[Bucket]) -> float:
    """Return the quantile by linear interpolation within its bucket, as Prometheus' ``BucketQuantile``.

    A bucket is its upper bound and the count of all observations up to it.
    """
    if math.isnan(share):
        return NAN
    if not 0 <= share <= 1:
        return -INF if share < 0 else INF
    bounds, counts = _merged(sorted(buckets))
    if bounds[-1] != INF or len(bounds) < 2 or not counts[-1]:
        return NAN
    rank = share * counts[-1]
    index = bisect_left(counts, rank, hi=len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0:
        return bounds[0] if bounds[0] <= 0 else 0.0 + bounds[0] * divided(rank, counts[0])
    start, before = bounds[index - 1], counts[index - 1]
    return start + (bounds[index] - start) * divided(rank - before, counts[index] - before)


def _merged(buckets: Sequence[Bucket]) -> tuple[list[float], list[float]]:
    """Add up buckets of equal bounds, then let no count fall: scrapes of moving counters may."""
    bounds, counts = _added(buckets)
    for index in range(1, len(counts)):
        before, count = counts[index - 1], counts[index]
        if count < before or _nearly_equal(before, count):
            counts[index] = before
    return bounds, counts


def _added(buckets: Sequence[Bucket]) -> tuple[list[float], list[float]]:
    """Add up buckets of equal bounds."""
    bounds: list[float] = []
    counts: list[float] = []
    for bound, count in buckets:
        if bounds and bounds[-1] == bound:
            counts[-1] += count
        else:
            bounds.append(bound)
            counts.append(count)
    return bounds, counts


def _nearly_equal(left: float, right: float) -> bool:
    size = min(abs(left) + abs(right), sys.float_info.max)
    return bool(left and right) and abs(left - right) / size < _TOLERANCE


def bucket_fraction(lower: float, upper: float, buckets: Sequence[Bucket]) -> float:
    """Return the share of the observations between two values, as ``BucketFraction`` of Prometheus 3.6."""
    bounds, counts = _added(sorted(buckets))
    total = counts[-1]
    if bounds[-1] != INF or not total or math.isnan(total) or math.isnan(lower) or math.isnan(upper):
        return NAN
    if lower >= upper:
        return 0.0
    return (_rank(upper, bounds, counts) - _rank(lower, bounds, counts)) / total


def _rank(value: float, bounds: Sequence[float], counts: Sequence[float]) -> float:
    """Return how many observations lie below a value, interpolated within its bucket."""
    index = bisect_right(bounds, value)
    if index == len(bounds):
        return counts[-1]
    if not index:
        # The lowest bucket starts at 0, or where it lies below that, nowhere.
        if bounds[0] <= 0:
            return 0.0 if value == -INF else counts[0]
        return counts[0] * max(value, 0.0) / bounds[0]
    start, before = bounds[index - 1], counts[index - 1]
    rank = before + (counts[index] - before) * (value - start) / (bounds[index] - start)
    return min(rank, counts[-1])


HISTOGRAM_FUNCTIONS: Final = (
    Function("histogram_quantile", ("scalar", "vector"), _histogram_quantile),
    Function("histogram_fraction", ("scalar", "scalar", "vector"), _histogram_fraction),
)
