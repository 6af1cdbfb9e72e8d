"""Columns of samples: the rows of one target share their times, and constant columns cost nothing.

A series lives in unbroken runs of rows. The first row of its block that it is missing from is where it
became stale, so neither a missing nor a stale value needs a number of its own that could reach arithmetic.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from math import copysign, fsum
from operator import mul
from typing import Final

from model.labels import Labels
from rules.store_summary import Summary

TRIM_ROWS: Final = 256

_FILLER: Final = array("d", (0.0,))


class Seconds:
    """How far rows lie from one time, with the sum of it and of its squares."""

    __slots__ = ("each", "squares", "total")

    def __init__(self, each: list[float]) -> None:
        self.each = each
        self.total = fsum(each)
        self.squares = fsum(map(mul, each, each))


class Block:
    """The rows of one target, or of one series that stands alone.

    Rows are numbered from the first one ever written, so a trim does not renumber the runs of any series.
    """

    __slots__ = ("_seconds", "aliases", "first", "key", "live", "names", "series", "times")

    def __init__(self, key: Labels) -> None:
        self.key = key
        self.times: array[int] = array("q")
        self.first = 0
        self.series: dict[Labels, Series] = {}
        self.aliases: dict[Labels, Series] = {}
        self.live = 0
        self.names: frozenset[str] | None = None
        self._seconds: tuple[tuple[int, int, int], Seconds] = ((0, 0, 0), Seconds([]))

    @property
    def last_ms(self) -> int:
        """The time of the newest row; there is always one."""
        return self.times[-1]

    @property
    def end(self) -> int:
        """The number of the row that comes next."""
        return self.first + len(self.times)

    def row_after(self, at_ms: int) -> int:
        """Return the number of the first row later than this time."""
        return self.first + bisect_right(self.times, at_ms)

    def row_at(self, after_ms: int, until_ms: int) -> int:
        """Return the number of the newest row in ``(after_ms, until_ms]``, or -1."""
        index = bisect_right(self.times, until_ms) - 1
        return self.first + index if index >= 0 and self.times[index] > after_ms else -1

    def seconds(self, low: int, high: int, origin_ms: int) -> Seconds:
        """Return the seconds from a time to each of these rows; one answer serves every series in turn."""
        key = (low, high, origin_ms)
        if self._seconds[0] != key:
            times = self.times[low - self.first : high - self.first]
            self._seconds = (key, Seconds([(at_ms - origin_ms) / 1000 for at_ms in times]))
        return self._seconds[1]

    def live_names(self) -> frozenset[str]:
        """Return the metric names of the series that have a value in the newest row."""
        if self.names is None:
            self.names = frozenset(series.labels.name for series in self.series.values() if series.live)
        return self.names

    def trim(self, rows: int) -> list[Series]:
        """Forget the oldest rows; return the series that have no rows left."""
        self.first += rows
        del self.times[:rows]
        gone = [series for series in self.series.values() if not series.trim(self.first)]
        self.forget(gone)
        return gone

    def forget(self, gone: list[Series]) -> None:
        """Let these series go."""
        if not gone:
            return
        for series in gone:
            del self.series[series.labels]
            self.live -= series.live
        self.names = None
        self.aliases = {
            alias: series for alias, series in self.aliases.items() if series.labels in self.series
        }


class Series:
    """One column of a block.

    ``edges`` holds row numbers: where a run starts, where it ends (exclusive), where the next one starts...
    An odd number of edges means that the series is live. While all values are ``constant``, ``column`` is
    None; its first element belongs to row ``start``. ``summary`` is there once somebody asked for it.
    """

    __slots__ = ("_summary", "block", "column", "constant", "edges", "labels", "newest", "start")

    def __init__(self, labels: Labels, block: Block) -> None:
        self.labels = labels
        self.block = block
        self.start = 0
        self.edges: list[int] = []
        self.constant = 0.0
        self.column: array[float] | None = None
        self.newest = -1
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """What was worked out of the column; only for rows of one run, and where there is a column."""
        if self._summary is None:
            self._summary = Summary()
        return self._summary

    @property
    def live(self) -> bool:
        """Whether it has a value in the newest row of its block."""
        return len(self.edges) % 2 == 1

    def push(self, row: int, value: float) -> None:
        """Put a value into this row, which must be the newest one of the block."""
        if not self.edges:
            self.start, self.constant = row, value
        if not len(self.edges) % 2:
            self.edges.append(row)
        self.newest = row
        column = self.column
        if column is None:
            if value == self.constant and (value or copysign(1, value) == copysign(1, self.constant)):
                return
            column = self.column = array("d", (self.constant,)) * (row - self.start)
        elif row - self.start > len(column):
            column.extend(_FILLER * (row - self.start - len(column)))
        column.append(value)

    def extend(self, row: int, values: array[float]) -> None:
        """Put values into this row and those after it, which must be the newest ones of the block."""
        if not self.edges:
            self.start, self.constant = row, values[0]
        if not len(self.edges) % 2:
            self.edges.append(row)
        self.newest = row + len(values) - 1
        column = self.column
        if column is None:
            # Equal bytes keep NaN and -0 exact.
            if values.tobytes() == array("d", (self.constant,)).tobytes() * len(values):
                return
            column = self.column = array("d", (self.constant,)) * (row - self.start)
        elif row - self.start > len(column):
            column.extend(_FILLER * (row - self.start - len(column)))
        column.extend(values)

    def stop(self, row: int) -> None:
        """Make a live series stale from this row on."""
        self.edges.append(row)

    def value(self, row: int) -> float | None:
        """Return the value in this row, or None where the series is missing or stale."""
        edges = self.edges
        if row < edges[0] or (len(edges) > 1 and not bisect_right(edges, row) % 2):
            return None
        return self.constant if self.column is None else self.column[row - self.start]

    def run(self, low: int, high: int) -> tuple[int, int] | None:
        """Return the part of these rows that has values if they are of one run, or None."""
        edges = self.edges
        if len(edges) == 1:
            return (edges[0], high) if low < edges[0] else (low, high)
        index = bisect_right(edges, low)
        if index % 2 and (index == len(edges) or high <= edges[index]):
            return low, high
        return None

    def window(self, low: int, high: int) -> tuple[array[int], list[float] | array[float]] | None:
        """Return the times and values in rows ``low`` to ``high`` (exclusive), or None without any."""
        edges = self.edges
        if len(edges) == 1:
            low = max(low, edges[0])
            return (self.times(low, high), self.values(low, high)) if low < high else None
        times: array[int] = array("q")
        values: array[float] = array("d")
        for index in range(0, len(edges), 2):
            start = max(low, edges[index])
            stop = min(high, edges[index + 1]) if index + 1 < len(edges) else high
            if start < stop:
                times.extend(self.times(start, stop))
                values.extend(array("d", self.values(start, stop)))
        return (times, values) if times else None

    def trim(self, first: int) -> bool:
        """Forget the rows before this one; tell whether any row is left."""
        edges = self.edges
        while len(edges) > 1 and edges[1] <= first:
            del edges[:2]
        column = self.column
        if self._summary is not None:
            self._summary.trim(first)
        if first > self.start:
            if column is not None:
                del column[: first - self.start]
                # A column that stopped changing is constant again; equal bytes keep NaN and -0 exact.
                if column and column.tobytes() == column[:1].tobytes() * len(column):
                    self.constant, self.column = column[0], None
            self.start = first
        return bool(edges)

    def times(self, low: int, high: int) -> array[int]:
        """Return the times of rows ``low`` to ``high`` (exclusive)."""
        first = self.block.first
        return self.block.times[low - first : high - first]

    def values(self, low: int, high: int) -> list[float] | array[float]:
        """Return the values of these rows, which must be of one run."""
        if self.column is None:
            return [self.constant] * (high - low)
        return self.column[low - self.start : high - self.start]
