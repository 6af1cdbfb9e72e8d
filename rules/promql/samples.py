"""The samples of one series within a range, and what functions ask of them, in a plain and in a quick way.

Both ways give the same numbers; a test asks both. The quick way leaves the samples where they are: a column
that never changed, the few falls of a counter and the sums of whole chunks settle most questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from rules.promql import numbers
from rules.promql.numbers import NAN
from rules.store.block import Series
from rules.store.summary import LONG_ROWS


class Read:
    """Samples that were copied: at least one, their times rising."""

    __slots__ = ("times", "values")

    def __init__(self, times: Sequence[int], values: Sequence[float]) -> None:
        self.times = times
        self.values = values

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.values)

    def ends(self) -> tuple[int, int, float, float]:
        """Return the first and the last time in ms, and the values then."""
        return self.times[0], self.times[-1], self.values[0], self.values[-1]

    def falls(self) -> Sequence[float]:
        """Return the value before each fall from one sample to the next."""
        return numbers.before_falls(self.values)

    def changes(self) -> int:
        """Count where a value differs from the one before it."""
        return numbers.changes(self.values)

    def last_two(self) -> Read:
        """Return the last two of at least two samples."""
        return Read(self.times[-2:], self.values[-2:])

    def total(self) -> float:
        """Return the sum."""
        return numbers.total(self.values)

    def mean(self) -> float:
        """Return the arithmetic mean."""
        return numbers.mean(self.values)

    def least(self) -> float:
        """Return the smallest value."""
        return numbers.least(self.values)

    def greatest(self) -> float:
        """Return the largest value."""
        return numbers.greatest(self.values)

    def line(self, origin_ms: int) -> tuple[float, float]:
        """Return the slope per second, and the level at a time, of the straight line through at least two."""
        return numbers.line([(at_ms - origin_ms) / 1000 for at_ms in self.times], self.values)


class Stored:
    """Samples that stay in their store: rows ``low`` to ``high`` of a series, which are of one run."""

    __slots__ = ("_column", "_high", "_low", "_series", "count")

    def __init__(self, series: Series, low: int, high: int) -> None:
        self._series = series
        self._column = series.column
        self._low = low
        self._high = high
        self.count = high - low

    @property
    def times(self) -> Sequence[int]:
        """A copy of the times."""
        return self._series.times(self._low, self._high)

    @property
    def values(self) -> Sequence[float]:
        """A copy of the values."""
        return self._series.values(self._low, self._high)

    def ends(self) -> tuple[int, int, float, float]:
        """Return the first and the last time in ms, and the values then."""
        series, column, low, last = self._series, self._column, self._low, self._high - 1
        times, row = series.block.times, series.block.first
        if column is None:
            return times[low - row], times[last - row], series.constant, series.constant
        return times[low - row], times[last - row], column[low - series.start], column[last - series.start]

    def falls(self) -> Sequence[float]:
        """Return the value before each fall from one sample to the next."""
        series, column = self._series, self._column
        return () if column is None else series.summary.falls(column, series.start, self._low, self._high)

    def changes(self) -> int:
        """Count where a value differs from the one before it."""
        return 0 if self._column is None else numbers.changes(self.values)

    def last_two(self) -> Stored:
        """Return the last two of at least two samples."""
        return Stored(self._series, self._high - 2, self._high)

    def total(self) -> float:
        """Return the sum."""
        if self._column is None:
            return self._series.constant * self.count
        known = self._known_total()
        return numbers.total(self.values) if math.isnan(known) else known

    def mean(self) -> float:
        """Return the arithmetic mean."""
        known = self._series.constant * self.count if self._column is None else self._known_total()
        return known / self.count if math.isfinite(known) else numbers.mean(self.values)

    def least(self) -> float:
        """Return the smallest value."""
        if self._column is None:
            return self._series.constant
        return numbers.least(self._extremes(greatest=False))

    def greatest(self) -> float:
        """Return the largest value."""
        if self._column is None:
            return self._series.constant
        return numbers.greatest(self._extremes(greatest=True))

    def line(self, origin_ms: int) -> tuple[float, float]:
        """Return the slope per second, and the level at a time, of the straight line through at least two."""
        series, column, low, high = self._series, self._column, self._low, self._high
        if column is None:
            return (0.0, series.constant) if math.isfinite(series.constant) else (NAN, NAN)
        xs, start = series.block.seconds(low, high, origin_ms), series.start
        if column[low - start] == column[high - 1 - start]:
            return numbers.line(xs.each, self.values)
        if self.count < LONG_ROWS:
            products: Sequence[float] = list(map(mul, xs.each, self.values))
        else:
            products = series.summary.products(column, start, low, high, xs.each)
        sum_xy = numbers.total(products)
        if not math.isfinite(sum_xy):
            return numbers.line(xs.each, self.values)
        return numbers.fitted(self.count, xs.total, xs.squares, self._known_total(), sum_xy)

    def _known_total(self) -> float:
        """Return the sum of a column, or NaN where only the plain way can tell."""
        series, column = self._series, self._column
        assert column is not None, "a constant needs no sum"
        if self.count < LONG_ROWS:
            return numbers.total(self.values)
        return numbers.total(series.summary.sums(column, series.start, self._low, self._high))

    def _extremes(self, *, greatest: bool) -> Sequence[float]:
        series, column = self._series, self._column
        assert column is not None, "a constant is its own extreme"
        if self.count < LONG_ROWS:
            return self.values
        return series.summary.extremes(column, series.start, self._low, self._high, greatest=greatest)


Samples = Read | Stored
