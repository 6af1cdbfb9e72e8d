"""What was worked out of the values of a series, so that a long window is not read again at every evaluation.

Rows never change, so whatever is known of some of them stays right; all of it may be dropped at any time.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import gt, mul
from typing import Final

from rules.store.column import Column

CHUNK_ROWS: Final = 32
"""Rows are summed up by so many, counted from row 0; a window of a few chunks is read as it is."""
LONG_ROWS: Final = 4 * CHUNK_ROWS


class Summary:
    """Falls, sums and extremes of one column; ``start`` is always the row of the column's first element."""

    __slots__ = ("_extremes", "_fallen_from", "_falls", "_moments", "_scanned", "_sums")

    def __init__(self) -> None:
        self._scanned = 0
        self._falls: array[int] = array("q")
        self._fallen_from: array[float] = array("d")
        self._sums: dict[int, float] = {}
        self._moments: dict[int, float] = {}
        self._extremes: dict[int, tuple[float, float]] = {}

    def falls(self, column: Column, start: int, low: int, high: int) -> Sequence[float]:
        """Return the value before each fall from one row to the next within rows ``low`` to ``high``."""
        if self._scanned < high:
            self._scan(column, start, high)
        falls = self._falls
        if not falls or falls[-1] <= low:
            return ()
        return self._fallen_from[bisect_right(falls, low) : bisect_left(falls, high)]

    def sums(self, column: Column, start: int, low: int, high: int) -> list[float]:
        """Return numbers that add up to the sum of these rows; NaN among them if a part of it is none."""
        first, last = _whole_chunks(low, high)
        sums = [self._sum(column, start, chunk) for chunk in range(first, last)]
        sums += column[low - start : first * CHUNK_ROWS - start]
        sums += column[last * CHUNK_ROWS - start : high - start]
        return sums

    def products(self, column: Column, start: int, low: int, high: int, xs: Sequence[float]) -> list[float]:
        """Return numbers that add up to the sum of these rows' values, each times its x.

        ``xs`` are those of the rows; wherever they start, the same rows lie as far apart.
        """
        first, last = _whole_chunks(low, high)
        products: list[float] = []
        for chunk in range(first, last):
            at = chunk * CHUNK_ROWS - low
            products.append(self._sum(column, start, chunk) * xs[at])
            products.append(self._moment(column, start, chunk, xs[at : at + CHUNK_ROWS]))
        for begin, end in ((low, first * CHUNK_ROWS), (last * CHUNK_ROWS, high)):
            products += map(mul, column[begin - start : end - start], xs[begin - low : end - low])
        return products

    def extremes(self, column: Column, start: int, low: int, high: int, *, greatest: bool) -> list[float]:
        """Return numbers of which the least, or the greatest, is that of these rows."""
        first, last = _whole_chunks(low, high)
        found = [self._extreme(column, start, chunk)[greatest] for chunk in range(first, last)]
        found += column[low - start : first * CHUNK_ROWS - start]
        found += column[last * CHUNK_ROWS - start : high - start]
        return found

    def trim(self, first: int) -> None:
        """Forget what is known of rows before this one."""
        gone = bisect_left(self._falls, first)
        del self._falls[:gone], self._fallen_from[:gone]
        chunk_first = first // CHUNK_ROWS
        for sums in (self._sums, self._moments):
            for chunk in [chunk for chunk in sums if chunk < chunk_first]:
                del sums[chunk]
        for chunk in [chunk for chunk in self._extremes if chunk < chunk_first]:
            del self._extremes[chunk]

    def _scan(self, column: Column, start: int, high: int) -> None:
        begin = max(self._scanned - 1, start)
        values = column[begin - start : high - start]
        after = values[1:]
        if any(map(gt, values, after)):
            for row, value in enumerate(after, begin + 1):
                before = values[row - begin - 1]
                if value < before:
                    self._falls.append(row)
                    self._fallen_from.append(before)
        self._scanned = high

    def _sum(self, column: Column, start: int, chunk: int) -> float:
        known = self._sums.get(chunk)
        if known is None:
            known = self._sums[chunk] = _total(_chunk(column, start, chunk))
        return known

    def _moment(self, column: Column, start: int, chunk: int, xs: Sequence[float]) -> float:
        """Return the sum of each value of a chunk times its distance from the first."""
        known = self._moments.get(chunk)
        if known is None:
            begin, values = xs[0], _chunk(column, start, chunk)
            known = _total([value * (x - begin) for value, x in zip(values, xs, strict=True)])
            self._moments[chunk] = known
        return known

    def _extreme(self, column: Column, start: int, chunk: int) -> tuple[float, float]:
        known = self._extremes.get(chunk)
        if known is None:
            values = [value for value in _chunk(column, start, chunk) if not math.isnan(value)]
            known = self._extremes[chunk] = (min(values), max(values)) if values else (math.nan, math.nan)
        return known


def _total(values: Sequence[float]) -> float:
    """Return the exactly rounded sum, or NaN where there is none, so that the plain way decides."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return math.nan


def _whole_chunks(low: int, high: int) -> tuple[int, int]:
    """Return the first chunk that lies within these rows, and the one behind the last; there must be one."""
    return -(-low // CHUNK_ROWS), high // CHUNK_ROWS


def _chunk(column: Column, start: int, chunk: int) -> Sequence[float]:
    begin = chunk * CHUNK_ROWS - start
    return column[begin : begin + CHUNK_ROWS]
