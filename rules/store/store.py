"""The sample store: the recent past of every series on this host, in bounded memory.

One thread owns it. A probe run is one row of its target's block; a recording rule's series is a block of its
own. What is written lives for ``retention_ms`` and is then let go in chunks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from model.labels import Labels
from model.matcher import Matcher
from model.sample import Sample, Samples
from rules.store.block import TRIM_ROWS, Block, Lanes, Series

LOOKBACK_MS: Final = 300_000
SELECTIONS_MAX: Final = 10_000
PART: Final = "__part__"
"""A target's label that keeps its block apart from others of the same labels, and reaches no series."""

Row = tuple[Labels, float]
Window = tuple[Labels, Sequence[int], Sequence[float]]
Span = tuple[Series, int, int]
Sink = Callable[[Labels, int, Sequence[Labels], Sequence[float]], None]

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """Which series to read; compared by identity, so that a store can remember what it selects.

    ``name`` is the metric name, or empty where the matchers decide about it as well.
    """

    name: str
    matchers: tuple[Matcher, ...]


class Store:
    """Every series with its samples; times are milliseconds since 1970 in UTC.

    ``sink`` is told of every row that was taken: the block's key, the time, and
    the labels and values of all series in it. ``turns`` counts the rows that brought what no rule
    should wait for: series that came or went, a value that never changed before, one that became 0 or 1.
    """

    def __init__(self, retention_ms: int, series_max: int, sink: Sink | None = None) -> None:
        self.retention_ms = retention_ms
        self.series_max = series_max
        self.samples_dropped_out_of_order = 0
        self.samples_dropped_duplicate = 0
        self.series_dropped = 0
        self.turns = 0
        self._sink = sink
        self._blocks: dict[Labels, Block] = {}
        self._names: dict[str, dict[Labels, Series]] = {}
        self._series_count = 0
        self._changes: dict[str, int] = {}
        self._changes_total = 0
        self._selections: dict[Selector, tuple[int, tuple[Series, ...]]] = {}
        self._swept_ms = 0

    @property
    def series_count(self) -> int:
        """How many series are held, stale ones included."""
        return self._series_count

    def write(self, target: Labels, at_ms: int, samples: Iterable[Sample]) -> frozenset[str]:
        """Take a whole probe run and return the metric names that it touched.

        The target's labels are laid over each sample's. Series of this target that the last run had and this
        one has not become stale. A run that is not later than the last one is dropped and counted.
        """
        # The whole run first: a row that an exception cuts short would put every column out of step.
        return self.write_row(target, at_ms, Samples.of(samples))

    def write_row(self, target: Labels, at_ms: int, row: Samples) -> frozenset[str]:
        """Do as ``write`` does; it costs least where a row has the labels of the one before."""
        return self._write(target, at_ms, row.labels, row.values, self._sink)

    def mark_failed(self, target: Labels, at_ms: int) -> frozenset[str]:
        """Make every series of a target stale, since its run said nothing.

        To write ``up 0`` at the same time, pass it to ``write`` instead: all others become stale as well.
        """
        return self._write(target, at_ms, (), (), self._sink) if target in self._blocks else _NOTHING

    def append(self, series: Labels, at_ms: int, value: float) -> frozenset[str]:
        """Take one value of a series that stands alone, such as what a recording rule yields."""
        return self._write(series, at_ms, (series,), (float(value),), self._sink)

    def mark_stale(self, series: Labels, at_ms: int) -> frozenset[str]:
        """End a series that stands alone, until its next value."""
        return self._write(series, at_ms, (), (), self._sink) if series in self._blocks else _NOTHING

    def restore(self, key: Labels, at_ms: int, labels: Sequence[Labels], values: Sequence[float]) -> None:
        """Take a row that the sink was told of in an earlier life."""
        self._write(key, at_ms, tuple(labels), values, None)

    def restore_columns(self, key: Labels, times: array[int], columns: Mapping[Labels, array[float]]) -> None:
        """Take many rows of one block at once: their times, rising, and each series' values in all of them.

        Rows that are not later than what the block holds are dropped and counted.
        """
        block = self._blocks.get(key) or Block(key)
        late = bisect_right(times, block.last_ms) if block.end else 0
        self.samples_dropped_out_of_order += late * len(columns)
        if late == len(times):
            return
        self._blocks[key] = block
        block.leave_lanes()
        row = block.end
        block.open_rows(times[late:])
        block.names = None
        for labels, values in columns.items():
            series = block.aliases.get(labels) or self._adopt(block, key, labels)
            if series is None:
                continue
            if series.newest >= row:
                self.samples_dropped_duplicate += len(values) - late
                continue
            block.live += not series.live
            series.extend(row, values[late:] if late else values)
        for series in block.series.values():
            if series.live and series.newest < row:
                series.stop(row)
                block.live -= 1
        self._let_go(block, times[-1])

    def names_of(self, target: Labels) -> frozenset[str]:
        """Return the metrics that a target has brought within the retention."""
        block = self._blocks.get(target)
        return frozenset(labels.name for labels in block.series) if block else frozenset()

    def select(self, selector: Selector) -> tuple[Series, ...]:
        """Return the series that a selector means; resolved once until its metric gains or loses one."""
        name = selector.name
        change = self._changes.get(name, 0) if name else self._changes_total
        known = self._selections.get(selector)
        if known is not None and known[0] == change:
            return known[1]
        if len(self._selections) >= SELECTIONS_MAX:
            self._selections.clear()
        groups = [self._names.get(name, {})] if name else list(self._names.values())
        found = tuple(
            series
            for group in groups
            for labels, series in group.items()
            if all(matcher.matches(labels) for matcher in selector.matchers)
        )
        self._selections[selector] = (change, found)
        return found

    def values_at(self, selector: Selector, at_ms: int, lookback_ms: int = LOOKBACK_MS) -> list[Row]:
        """Return each series' newest value in ``(at_ms - lookback_ms, at_ms]`` unless it is stale."""
        rows: list[Row] = []
        block, row = None, -1
        for series in self.select(selector):
            if series.block is not block:
                block = series.block
                row = block.row_at(at_ms - lookback_ms, at_ms)
            if row >= 0:
                value = series.value(row)
                if value is not None:
                    rows.append((series.labels, value))
        return rows

    def times_at(
        self, selector: Selector, at_ms: int, lookback_ms: int = LOOKBACK_MS
    ) -> list[tuple[Labels, int]]:
        """Return when each value of ``values_at`` was taken."""
        times = []
        for series in self.select(selector):
            row = series.block.row_at(at_ms - lookback_ms, at_ms)
            if row >= 0 and series.value(row) is not None:
                times.append((series.labels, series.block.times[row - series.block.first]))
        return times

    def windows(self, selector: Selector, after_ms: int, until_ms: int) -> Iterator[Window]:
        """Yield the times and values of each series that has some in ``(after_ms, until_ms]``."""
        block, low, high = None, 0, 0
        for series in self.select(selector):
            if series.block is not block:
                block = series.block
                low, high = block.row_after(after_ms), block.row_after(until_ms)
            found = series.window(low, high) if low < high else None
            if found is not None:
                yield series.labels, *found

    def spans(self, selector: Selector, after_ms: int, until_ms: int) -> Iterator[Span]:
        """Yield each series with the numbers of its block's rows in ``(after_ms, until_ms]``, last exclusive.

        Which of the rows the series has is its own to tell.
        """
        block, low, high = None, 0, 0
        for series in self.select(selector):
            if series.block is not block:
                block = series.block
                low, high = block.row_after(after_ms), block.row_after(until_ms)
            if low < high:
                yield series, low, high

    def latest(self, now_ms: int) -> Iterator[tuple[Labels, float, int]]:
        """Yield the newest value of each series that is not stale, with its time, grouped by metric name."""
        for name in sorted(self._names):
            for series in self._names[name].values():
                block = series.block
                if series.live and block.last_ms > now_ms - LOOKBACK_MS:
                    value = series.value(block.end - 1)
                    assert value is not None, "a live series has a value in the newest row"
                    yield series.labels, value, block.last_ms

    def _write(
        self,
        key: Labels,
        at_ms: int,
        labels: tuple[Labels, ...],
        values: Sequence[float],
        sink: Sink | None,
    ) -> frozenset[str]:
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = Block(key)
        elif at_ms <= block.last_ms:
            self.samples_dropped_out_of_order += len(labels)
            return _NOTHING
        lanes = block.lanes
        if lanes is not None and labels == block.shape:
            block.open_row(at_ms)
            self.turns += lanes.push(values)
            touched = block.live_names()
            if sink is not None:
                sink(key, at_ms, lanes.labels, values)
        else:
            self.turns += labels != block.shape
            block.leave_lanes()
            block.open_row(at_ms)
            filled, touched = self._push(block, key, labels, values)
            if sink is not None:
                sink(key, at_ms, [series.labels for series in filled], list(filled.values()))
            if labels == block.shape and len(filled) == len(labels) > 0:
                block.lanes = Lanes(tuple(filled), values)
            block.shape = labels
            block.pack()
        self._let_go(block, at_ms)
        return touched

    def _push(
        self, block: Block, key: Labels, labels: Sequence[Labels], values: Sequence[float]
    ) -> tuple[dict[Series, float], frozenset[str]]:
        """Fill the newest row of a block and end the series that are missing from it.

        Returns what each series got, and the names that were touched.
        """
        row, expected, kept = block.end - 1, block.live, 0
        aliases = block.aliases
        filled: dict[Series, float] = {}
        for each, value in zip(labels, values, strict=True):
            series = aliases.get(each) or self._adopt(block, key, each)
            if series is None:
                continue
            if series.newest == row:
                self.samples_dropped_duplicate += 1
                continue
            if series.live:
                kept += 1
            else:
                block.live += 1
                block.names = None
            series.push(row, value)
            filled[series] = value
        if kept == expected:
            return filled, block.live_names()
        ended = [series for series in block.series.values() if series.live and series.newest != row]
        for series in ended:
            series.stop(row)
        block.live -= len(ended)
        block.names = None
        return filled, block.live_names().union(series.labels.name for series in ended)

    def _adopt(self, block: Block, key: Labels, labels: Labels) -> Series | None:
        """Return the series that a sample belongs to, made now if need be; None where it has no room."""
        full = labels if key.name else labels.having(key.without((PART,)))
        series = block.series.get(full)
        if series is None:
            owner = self._names.get(full.name, {}).get(full)
            if owner is not None and owner.live:
                self.samples_dropped_duplicate += 1
                return None
            if owner is not None:
                owner.block.forget([owner])
                self._remove(owner)
            if self._series_count >= self.series_max:
                self.series_dropped += 1
                return None
            series = block.series[full] = Series(full, block)
            self._names.setdefault(full.name, {})[full] = series
            self._series_count += 1
            self._changed(full.name)
        block.aliases[labels] = series
        return series

    def _remove(self, series: Series) -> None:
        name = series.labels.name
        del self._names[name][series.labels]
        if not self._names[name]:
            del self._names[name]
        self._series_count -= 1
        self._changed(name)

    def _changed(self, name: str) -> None:
        # The total is never reused, so that a name which went and came again is not taken for unchanged.
        self._changes_total += 1
        self._changes[name] = self._changes_total
        if name not in self._names:
            self._changes.pop(name)

    def _let_go(self, block: Block, now_ms: int) -> None:
        """Trim what has passed the retention: this block by chunks, now and then all of them."""
        cutoff_ms = now_ms - self.retention_ms
        if block.can_trim(TRIM_ROWS, cutoff_ms):
            for series in block.trim(TRIM_ROWS):
                self._remove(series)
        if now_ms - self._swept_ms >= self.retention_ms // 8:
            self._swept_ms = now_ms
            self._sweep(cutoff_ms)

    def _sweep(self, cutoff_ms: int) -> None:
        """Let go of series and of whole blocks that ended before the cutoff."""
        for block in list(self._blocks.values()):
            first_kept = block.row_after(cutoff_ms)
            if first_kept == block.end:
                gone = list(block.series.values())
                del self._blocks[block.key]
            else:
                gone = [s for s in block.series.values() if not s.live and s.edges[-1] <= first_kept]
                block.forget(gone)
            for series in gone:
                self._remove(series)
