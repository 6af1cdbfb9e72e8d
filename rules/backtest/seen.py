"""What series hold over a span of time: the bounds of their values, of their steps, and whether they stay."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import sub
from typing import Final, NamedTuple

from model.labels import Labels
from rules.backtest.bounds import ANYTHING, Bounds, of_values, only
from rules.backtest.span import Span
from rules.backtest.trend import Frames, Line, lines
from rules.store.block import Block, Series
from rules.store.store import LOOKBACK_MS, Selector, Store

KEPT_MAX: Final = 100_000
TRENDS_MAX: Final = 1_000

_ZERO: Final = Bounds(0.0, 0.0)


class Prospect(NamedTuple):
    """An element that a vector can have within a span; ``sure`` says that it has it all the time."""

    labels: Labels
    bounds: Bounds
    sure: bool


class Stretch(NamedTuple):
    """What windows of one length can hold of one series, at every moment of a span.

    ``steps`` bounds the difference of neighbours and ``slopes`` that per second; ``rises`` is the slope of a
    counter, whose falls are resets. ``gap_ms`` is the longest time without a sample. ``sure`` says that the
    series stays; ``count_max`` is the most samples that one window holds.
    """

    labels: Labels
    bounds: Bounds
    steps: Bounds
    slopes: Bounds
    rises: Bounds
    gap_ms: int
    sure: bool
    count_max: int


@dataclass(frozen=True, slots=True)
class _Steps:
    """The distances between neighbouring samples."""

    steps: Bounds
    slopes: Bounds
    rises: Bounds


_STILL: Final = _Steps(_ZERO, _ZERO, _ZERO)
_UNKNOWN: Final = _Steps(ANYTHING, ANYTHING, ANYTHING)


class Seen:
    """Looks at the series of a store over spans; what was found is kept until ``forget``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[tuple[Series, int, int], Bounds] = {}
        self._steps: dict[tuple[Series, int, int], _Steps] = {}
        self._gaps: dict[tuple[Block, int, int], tuple[int, int]] = {}
        self._frames: dict[tuple[Block, Span, int], Frames] = {}
        self._trends: dict[tuple[Series, Span, int], list[Line]] = {}

    def forget(self) -> None:
        """Let go of what was found: the store has gone on."""
        self._values.clear()
        self._steps.clear()
        self._gaps.clear()
        self._frames.clear()
        self._trends.clear()

    def values(self, selector: Selector, span: Span) -> list[Prospect]:
        """Return what an instant selector can yield within a span."""
        found = []
        for series in self._store.select(selector):
            block = series.block
            low, high, steady = _rows(block, span, LOOKBACK_MS)
            if low >= high or not _within(series, low, high):
                continue
            sure = steady and self._stays(series, low, high, LOOKBACK_MS)
            found.append(Prospect(series.labels, self._bounds(series, low, high), sure))
        return found

    def stretches(self, selector: Selector, span: Span, range_ms: int) -> list[Stretch]:
        """Return what a range selector can yield within a span."""
        found = []
        for series in self._store.select(selector):
            block = series.block
            low, high, steady = _rows(block, span, range_ms)
            if low >= high or not _within(series, low, high):
                continue
            shortest_ms, longest_ms = self._distances(block, low, high)
            first_ms, last_ms = block.times[low - block.first], block.times[high - 1 - block.first]
            gap_ms = max(longest_ms, first_ms - (span.first_ms - range_ms), span.last_ms - last_ms)
            sure = steady and self._stays(series, low, high, range_ms)
            steps = self._stepped(series, low, high)
            count_max = min(high - low, range_ms // max(shortest_ms, 1) + 1)
            bounds = self._bounds(series, low, high)
            stretch = Stretch(
                series.labels, bounds, steps.steps, steps.slopes, steps.rises, gap_ms, sure, count_max
            )
            found.append(stretch)
        return found

    def trends(
        self, selector: Selector, span: Span, range_ms: int
    ) -> Iterator[tuple[Labels, bool, Frames, list[Line]]]:
        """Yield the lines through each series' windows within a span, and whether it stays."""
        for series in self._store.select(selector):
            low, high, steady = _rows(series.block, span, range_ms)
            window = series.window(low, high) if low < high and _within(series, low, high) else None
            if window is None or len(window[0]) < 2:
                continue
            whole = len(window[0]) == high - low
            frames = self._framed(series.block, window[0], span, range_ms, shared=whole)
            if frames.each:
                sure = steady and self._stays(series, low, high, range_ms // 3)
                yield series.labels, sure, frames, self._lines(series, frames, window[1], span, range_ms)

    def ages(self, selector: Selector, span: Span) -> Iterator[Prospect]:
        """Yield by how much the time is ahead of each series' value, in seconds."""
        for series in self._store.select(selector):
            low, high, steady = _rows(series.block, span, LOOKBACK_MS)
            window = series.window(low, high) if low < high else None
            if window is None:
                continue
            times, values = window
            # A value counts from its own sample up to the next one, or for as long as one is looked back.
            nexts = [*times[1:], min(span.last_ms, times[-1] + LOOKBACK_MS)]
            ages = [
                (at_ms / 1000 - value)
                for first_ms, last_ms, value in zip(times, nexts, values, strict=True)
                if last_ms >= span.first_ms
                for at_ms in (max(first_ms, span.first_ms), last_ms)
            ]
            sure = steady and self._stays(series, low, high, LOOKBACK_MS)
            yield Prospect(series.labels, of_values(ages), sure)

    def _framed(
        self, block: Block, times: Sequence[int], span: Span, range_ms: int, *, shared: bool
    ) -> Frames:
        """Return the windows over some times; series with a value in every row share them."""
        known = self._frames.get((block, span, range_ms)) if shared else None
        if known is None:
            known = Frames.of(times, span, range_ms)
            if shared:
                self._frames[block, span, range_ms] = known
        return known

    def _lines(
        self, series: Series, frames: Frames, values: Sequence[float], span: Span, range_ms: int
    ) -> list[Line]:
        known = self._trends.get((series, span, range_ms))
        if known is None:
            if len(self._trends) > TRENDS_MAX:
                self._trends.clear()
            known = self._trends[series, span, range_ms] = lines(frames, values)
        return known

    def _bounds(self, series: Series, low: int, high: int) -> Bounds:
        if series.column is None:
            return only(series.constant)
        known = self._values.get((series, low, high))
        if known is None:
            if len(self._values) > KEPT_MAX:
                self._values.clear()
            window = series.window(low, high)
            known = self._values[series, low, high] = of_values(window[1]) if window else ANYTHING
        return known

    def _stepped(self, series: Series, low: int, high: int) -> _Steps:
        if series.column is None:
            return _STILL if series.constant >= 0 else _Steps(_ZERO, _ZERO, ANYTHING)
        known = self._steps.get((series, low, high))
        if known is None:
            window = series.window(low, high)
            known = _STILL
            if window is not None and len(window[0]) > 1:
                whole = len(window[0]) == high - low
                gaps = self._distances(series.block, low, high) if whole else None
                known = _steps(*window, gaps)
            self._steps[series, low, high] = known
        return known

    def _stays(self, series: Series, low: int, high: int, gap_max_ms: int) -> bool:
        """Tell whether the series has a value in every row, and no row comes too late."""
        edges = series.edges
        index = bisect_right(edges, low)
        if not index % 2 or (index < len(edges) and edges[index] < high):
            return False
        return self._distances(series.block, low, high)[1] < gap_max_ms

    def _distances(self, block: Block, low: int, high: int) -> tuple[int, int]:
        """Return the shortest and the longest time between neighbouring rows."""
        known = self._gaps.get((block, low, high))
        if known is None:
            times = block.times[low - block.first : high - block.first]
            gaps = list(map(sub, times[1:], times[:-1]))
            known = self._gaps[block, low, high] = (min(gaps), max(gaps)) if gaps else (1, 0)
        return known


def _rows(block: Block, span: Span, back_ms: int) -> tuple[int, int, bool]:
    """Return the rows that can count within a span, and whether each moment of it has one in reach."""
    low, high = block.row_after(span.first_ms - back_ms), block.row_after(span.last_ms)
    if low >= high:
        return low, high, False
    newest = block.row_at(span.first_ms - back_ms, span.first_ms)
    last_ms = block.times[high - 1 - block.first]
    return low, high, newest >= 0 and span.last_ms - last_ms < back_ms


def _within(series: Series, low: int, high: int) -> bool:
    """Tell whether the series has any value in these rows."""
    edges = series.edges
    index = bisect_right(edges, low)
    return bool(index % 2) or (index < len(edges) and edges[index] < high)


def _steps(times: array[int], values: Sequence[float], gaps: tuple[int, int] | None) -> _Steps:
    """Return the bounds of the steps between neighbouring samples; ``gaps`` are the least and most time."""
    steps = list(map(sub, values[1:], values))
    low, high = min(steps), max(steps)
    if math.isnan(sum(steps)) or high - low == math.inf:
        return _UNKNOWN
    slopes = rises = _slopes(steps, times, gaps)
    if low < 0:
        # After a reset a counter has risen from zero.
        risen = [step if step >= 0 else after for step, after in zip(steps, values[1:], strict=True)]
        rises = _slopes(risen, times, gaps)
    if values[0] < 0 or (low < 0 and min(values) < 0):
        rises = ANYTHING
    return _Steps(Bounds(low, high), slopes, rises)


def _slopes(steps: list[float], times: array[int], gaps: tuple[int, int] | None) -> Bounds:
    if gaps is None or 2 * gaps[0] < gaps[1]:
        lengths = map(sub, times[1:], times)
        each = [1000 * step / gap for step, gap in zip(steps, lengths, strict=True)]
        return Bounds(min(each), max(each)).widened()
    shortest, longest = gaps
    low, high = min(steps), max(steps)
    return Bounds(
        1000 * low / (shortest if low < 0 else longest), 1000 * high / (longest if high < 0 else shortest)
    ).widened()
