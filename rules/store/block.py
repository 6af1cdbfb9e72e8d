"""Columns of samples: the rows of one target share their times, and constant columns cost nothing.

A series lives in unbroken runs of rows. The first row of its block that it is missing from is where it
became stale, so neither a missing nor a stale value needs a number of its own that could reach arithmetic.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import copysign, fsum
from operator import itemgetter, mul
from typing import Final

from model.labels import Labels
from rules.store.column import Column
from rules.store.summary import Summary
from rules.store.times import Times

TRIM_ROWS: Final = 256
PACK_ROWS: Final = 64
"""In so many rows, each column of a block is once looked at for what can be packed."""

_TURNS: Final = (0.0, 1.0)
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

    __slots__ = (
        "_edges",
        "_kept_ms",
        "_seconds",
        "aliases",
        "end",
        "first",
        "key",
        "lanes",
        "last_ms",
        "live",
        "names",
        "series",
        "shape",
        "times",
    )

    def __init__(self, key: Labels) -> None:
        self.key = key
        self.times = Times()
        self.first = 0
        self.end = 0
        """The number of the row that comes next."""
        self.last_ms = 0
        """The time of the newest row."""
        self._kept_ms: int | None = None
        self.series: dict[Labels, Series] = {}
        self.aliases: dict[Labels, Series] = {}
        self.live = 0
        self.names: frozenset[str] | None = None
        self.shape: tuple[Labels, ...] = ()  # what the newest row was made of, as it came
        self.lanes: Lanes | None = None
        self._edges: tuple[int, ...] = ()
        self._seconds: tuple[tuple[int, int, int], Seconds] = ((0, 0, 0), Seconds([]))

    def open_row(self, at_ms: int) -> None:
        """Begin a row at this time."""
        self.times.append(at_ms)
        self.end += 1
        self.last_ms = at_ms

    def open_rows(self, times: array[int]) -> None:
        """Begin a row at each of these times."""
        self.times.extend(times)
        self.end += len(times)
        self.last_ms = times[-1]

    def can_trim(self, rows: int, cutoff_ms: int) -> bool:
        """Tell whether the oldest of so many rows, and the one behind them, are not later than this."""
        if self.end - self.first <= rows:
            return False
        if self._kept_ms is None:
            self._kept_ms = self.times[rows]
        return self._kept_ms <= cutoff_ms

    def row_after(self, at_ms: int) -> int:
        """Return the number of the first row later than this time."""
        return self.first + self.times.after(at_ms)

    def row_at(self, after_ms: int, until_ms: int) -> int:
        """Return the number of the newest row in ``(after_ms, until_ms]``, or -1."""
        if until_ms >= self.last_ms:  # as nearly always
            return self.end - 1 if self.last_ms > after_ms else -1
        index = self.times.after(until_ms) - 1
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
            self.names = _shared(
                frozenset(series.labels.name for series in self.series.values() if series.live)
            )
        return self.names

    def edges_to(self, edges: tuple[int, ...], row: int) -> tuple[int, ...]:
        """Return these edges with one more; series that come and go together share them."""
        if self._edges[:-1] != edges or self._edges[-1:] != (row,):
            self._edges = (*edges, row)
        return self._edges

    def leave_lanes(self) -> None:
        """Note for each series what its lane did not: that it has the newest row."""
        if self.lanes is not None:
            for series in self.lanes.series:
                series.newest = self.end - 1
            self.lanes = None

    def pack(self) -> None:
        """Pack what is old in some of the columns; in so many rows each has its turn."""
        for series in list(self.series.values())[self.end % PACK_ROWS :: PACK_ROWS]:
            if series.column is not None:
                series.column.pack()

    def trim(self, rows: int) -> list[Series]:
        """Forget the oldest rows; return the series that have no rows left."""
        self.leave_lanes()
        self.first += rows
        self.times.drop(rows)
        self._kept_ms = None
        gone = [series for series in self.series.values() if not series.trim(self.first)]
        self.forget(gone)
        return gone

    def forget(self, gone: list[Series]) -> None:
        """Let these series go."""
        if not gone:
            return
        self.leave_lanes()
        for series in gone:
            del self.series[series.labels]
            self.live -= series.live
        self.names = None
        self.aliases = {
            alias: series for alias, series in self.aliases.items() if series.labels in self.series
        }


class Lanes:
    """The way of the rows of one shape into the columns of a block: each value has a series of its own.

    While row follows row of the same shape, nothing but the values needs a look, and of those that never
    changed yet only whether they still did not.
    """

    __slots__ = (
        "_block",
        "_columns",
        "_moving",
        "_pack",
        "_still",
        "_still_bytes",
        "_values",
        "labels",
        "series",
    )

    def __init__(self, series: tuple[Series, ...], values: Sequence[float]) -> None:
        self._values = values
        self._block = series[0].block
        self.series = series
        self.labels = tuple([each.labels for each in series])
        self._sort()

    def push(self, values: Sequence[float]) -> bool:
        """Put a value into each series; the block has the row's time already.

        Tells whether any of it turned: what never changed did, or what is now 0 or 1 was not.
        """
        turned, before = False, self._values
        for place, append in self._moving:
            value = values[place]
            append(value)
            if value in _TURNS and value != before[place]:
                turned = True
        self._values = values
        row = self._block.end - 1
        for column in self._columns[row % PACK_ROWS :: PACK_ROWS]:
            column.pack()
        # Equal bytes keep NaN and -0 exact.
        if self._pack(*self._still(values)) != self._still_bytes:
            for each, value in zip(self.series, values, strict=True):
                if each.column is None:
                    each.push(row, value)
            self._sort()
            return True
        return turned

    def _sort(self) -> None:
        """Tell the series that have a column from those that are still constant."""
        self._moving: list[tuple[int, Callable[[float], None]]] = []
        self._columns: list[Column] = []
        still: list[int] = []
        for place, each in enumerate(self.series):
            if each.column is None:
                still.append(place)
            else:
                self._columns.append(each.column)
                self._moving.append((place, each.column.tail.append))
        self._still = _getter(tuple(still))
        self._pack = _packing(len(still))
        self._still_bytes = self._pack(*[self.series[place].constant for place in still])


@lru_cache(maxsize=256)
def _shared(names: frozenset[str]) -> frozenset[str]:
    """Return the one set of these names, for many blocks have the same."""
    return names


@lru_cache(maxsize=256)
def _getter(places: tuple[int, ...]) -> Callable[[Sequence[float]], Sequence[float]]:
    """Return what picks these places; many blocks have the same."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: [values[place] for place in places]


@lru_cache(maxsize=256)
def _packing(count: int) -> Callable[..., bytes]:
    return struct.Struct(f"{count}d").pack


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
        self.edges: tuple[int, ...] = ()
        self.constant = 0.0
        self.column: Column | None = None
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
            self.edges = self.block.edges_to(self.edges, row)
        self.newest = row
        column = self.column
        if column is None:
            if value == self.constant and (value or copysign(1, value) == copysign(1, self.constant)):
                return
            column = self.column = Column(array("d", (self.constant,)) * (row - self.start))
        elif row - self.start > len(column):
            column.tail.extend(_FILLER * (row - self.start - len(column)))
        column.tail.append(value)

    def extend(self, row: int, values: array[float]) -> None:
        """Put values into this row and those after it, which must be the newest ones of the block."""
        if not self.edges:
            self.start, self.constant = row, values[0]
        if not len(self.edges) % 2:
            self.edges = self.block.edges_to(self.edges, row)
        self.newest = row + len(values) - 1
        column = self.column
        if column is None:
            # Equal bytes keep NaN and -0 exact.
            if values.tobytes() == array("d", (self.constant,)).tobytes() * len(values):
                return
            column = self.column = Column(array("d", (self.constant,)) * (row - self.start))
        elif row - self.start > len(column):
            column.tail.extend(_FILLER * (row - self.start - len(column)))
        column.extend(values)

    def stop(self, row: int) -> None:
        """Make a live series stale from this row on."""
        self.edges = self.block.edges_to(self.edges, row)

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
        while len(self.edges) > 1 and self.edges[1] <= first:
            self.edges = self.edges[2:]
        column = self.column
        if self._summary is not None:
            self._summary.trim(first)
        if first > self.start:
            if column is not None:
                column.drop(min(first - self.start, len(column)))
                if len(column) and column.same():  # It stopped changing, so it is constant again.
                    self.constant, self.column = column[0], None
            self.start = first
        return bool(self.edges)

    def times(self, low: int, high: int) -> array[int]:
        """Return the times of rows ``low`` to ``high`` (exclusive)."""
        first = self.block.first
        return self.block.times[low - first : high - first]

    def values(self, low: int, high: int) -> list[float] | array[float]:
        """Return the values of these rows, which must be of one run."""
        if self.column is None:
            return [self.constant] * (high - low)
        return self.column[low - self.start : high - self.start]
