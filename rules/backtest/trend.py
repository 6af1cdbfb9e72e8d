"""Least-squares lines through every window of a series in one pass, for ``deriv`` and ``predict_linear``.

As a window slides, samples enter and leave; between two such events its line stays. With running sums a line
costs a few operations, whatever the length of the window, and what depends on the times alone is shared.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Final, NamedTuple

from rules.backtest.bounds import ANYTHING, Bounds
from rules.backtest.span import Span

# Sums in another order than the engine's differ by much less than this.
_SLACK: Final = 1e-6


class Frame(NamedTuple):
    """The samples ``low`` to ``high`` (exclusive) as a window, and from when to when it holds just these."""

    low: int
    high: int
    sum_x: float
    spread: float
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Frames:
    """All windows within a span over some times, which are given in seconds since the first."""

    xs: Sequence[float]
    each: tuple[Frame, ...]

    @classmethod
    def of(cls, times: Sequence[int], span: Span, range_ms: int) -> Frames:
        """Return the windows of this length that end within the span and hold two samples at least."""
        origin = times[0]
        xs = [(at_ms - origin) / 1000 for at_ms in times]
        sum_x, sum_xx = _running(xs), _running(map(mul, xs, xs))
        turns = _turns(times, span, range_ms)
        each = []
        for first_ms, last_ms in zip(turns, [*(turn - 1 for turn in turns[1:]), span.last_ms], strict=True):
            low, high = bisect_right(times, first_ms - range_ms), bisect_right(times, first_ms)
            if high - low > 1:
                x = sum_x[high] - sum_x[low]
                spread = sum_xx[high] - sum_xx[low] - x * x / (high - low)
                each.append(
                    Frame(low, high, x, spread, (first_ms - origin) / 1000, (last_ms - origin) / 1000)
                )
        return cls(xs, tuple(each))


class Line(NamedTuple):
    """A line by its slope per second and its height at the first time of its frames."""

    slope: float
    height: float


def lines(frames: Frames, values: Sequence[float]) -> list[Line]:
    """Return the least-squares line of each window."""
    base = values[0]
    ys = [value - base for value in values]
    sum_y, sum_xy = _running(ys), _running(map(mul, frames.xs, ys))
    found = []
    for low, high, x, spread, _, _ in frames.each:
        count = high - low
        y = sum_y[high] - sum_y[low]
        slope = (sum_xy[high] - sum_xy[low] - x * y / count) / spread
        found.append(Line(slope, base + (y - slope * x) / count))
    return found


def slope_bounds(each: Iterable[Line]) -> Bounds:
    """Return the bounds of all slopes."""
    return _bounds([line.slope for line in each], 0.0)


def prediction_bounds(frames: Frames, each: Sequence[Line], ahead: Bounds) -> Bounds:
    """Return the bounds of each line, read so many seconds after each moment of its window."""
    if ahead.nan or not ahead.finite:
        return ANYTHING
    found: list[float] = []
    for (slope, height), frame in zip(each, frames.each, strict=True):
        found += (height + slope * (frame.first_s + ahead.low), height + slope * (frame.last_s + ahead.high))
    return _bounds(found, max((abs(line.height) for line in each), default=0.0))


def _bounds(found: list[float], scale: float) -> Bounds:
    total = sum(found)
    if not found or total - total != 0.0:  # with an infinity, or something that is no number, it is not 0
        return ANYTHING
    low, high = min(found), max(found)
    room = _SLACK * max(scale, abs(low), abs(high))
    return Bounds(low - room, high + room)


def _turns(times: Sequence[int], span: Span, range_ms: int) -> list[int]:
    """Return the moments within a span at which a sample enters or leaves a window."""
    entering = times[bisect_right(times, span.first_ms) : bisect_right(times, span.last_ms)]
    low, high = (bisect_right(times, at_ms - range_ms) for at_ms in span)
    leaving = [at_ms + range_ms for at_ms in times[low:high]]
    return sorted({span.first_ms, *entering, *leaving})


def _running(numbers: Iterable[float]) -> list[float]:
    return list(accumulate(numbers, initial=0.0))
