"""What functions make of bounds: of one value's, and of what windows of a series can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rules.backtest.bounds import ANYTHING, Bounds, computed, hull, only
from rules.backtest.seen import Stretch


class Window(NamedTuple):
    """What a function over a range gets: the series, the range in seconds, and its scalar arguments."""

    stretch: Stretch
    range_s: float
    scalars: Sequence[Bounds]

    @property
    def sampled_s(self) -> float:
        """The least time between the first and the last sample of a window."""
        return max(0.0, self.range_s - 2 * self.stretch.gap_ms / 1000) if self.stretch.sure else 0.0


class OverRange(NamedTuple):
    """A function over a range: how many samples it needs, and its bounds."""

    needs: int
    bounds: Callable[[Window], Bounds]


def clamped(name: str, value: Bounds, limits: Sequence[Bounds]) -> Bounds:
    """Return the bounds after ``clamp``, ``clamp_min`` or ``clamp_max``."""
    if value.nan or any(limit.nan for limit in limits):
        return ANYTHING
    low, high = value.low, value.high
    if name != "clamp_max":
        low, high = max(low, limits[0].low), max(high, limits[0].high)
    if name != "clamp_min":
        low, high = min(low, limits[-1].low), min(high, limits[-1].high)
    return Bounds(low, high)


def _growing(function: Callable[[float], float]) -> Callable[[Bounds], Bounds]:
    """Make the bounds of a function that never falls."""

    def of_bounds(value: Bounds) -> Bounds:
        if not value.finite:
            return ANYTHING
        try:
            return Bounds(function(value.low), function(value.high), value.nan).widened()
        except (ValueError, OverflowError):
            return ANYTHING

    return of_bounds


def _abs(value: Bounds) -> Bounds:
    ends = (abs(value.low), abs(value.high))
    return Bounds(0.0 if value.low <= 0 <= value.high else min(ends), max(ends), value.nan)


def _within(low: float, high: float) -> Callable[[Bounds], Bounds]:
    return lambda value: Bounds(low, high, nan=value.nan or not value.finite)


OF_VALUE: Final[dict[str, Callable[[Bounds], Bounds]]] = {
    "abs": _abs,
    "ceil": _growing(lambda value: float(math.ceil(value))),
    "floor": _growing(lambda value: float(math.floor(value))),
    "sqrt": _growing(math.sqrt),
    "exp": _growing(math.exp),
    "ln": _growing(math.log),
    "log2": _growing(math.log2),
    "log10": _growing(math.log10),
    "sgn": _within(-1.0, 1.0),
    "sin": _within(-1.0, 1.0),
    "cos": _within(-1.0, 1.0),
}
LABELLED: Final = ("sort", "sort_desc")
TRENDS: Final = ("deriv", "predict_linear")


def _rate(window: Window) -> Bounds:
    """No window grows faster than the steepest step in it; extrapolation never reaches beyond the range."""
    rises = window.stretch.rises
    share = window.sampled_s / window.range_s
    return Bounds(rises.low * share, rises.high, rises.nan).widened() if rises.low >= 0 else ANYTHING


def _increase(window: Window) -> Bounds:
    return computed("*", _rate(window), only(window.range_s)).widened()


def _delta(window: Window) -> Bounds:
    slopes = window.stretch.slopes
    long, short = window.range_s, window.sampled_s
    low = slopes.low * (long if slopes.low < 0 else short)
    high = slopes.high * (long if slopes.high > 0 else short)
    return Bounds(low, high, slopes.nan).widened()


def _changes(window: Window) -> Bounds:
    stretch = window.stretch
    return only(0.0) if stretch.bounds.exact else Bounds(0.0, float(stretch.count_max))


def _resets(window: Window) -> Bounds:
    steps = window.stretch.steps
    return only(0.0) if steps.low >= 0 and not steps.nan else Bounds(0.0, float(window.stretch.count_max))


def _sum(window: Window) -> Bounds:
    counts = _count(window)
    return hull([computed("*", window.stretch.bounds, counts)]).widened()


def _count(window: Window) -> Bounds:
    stretch = window.stretch
    surely = window.sampled_s * 1000 // stretch.gap_ms if stretch.gap_ms else 1.0
    return Bounds(max(1.0, surely), float(stretch.count_max))


def _spread(window: Window) -> Bounds:
    bounds = window.stretch.bounds
    return Bounds(0.0, bounds.high - bounds.low, bounds.nan or not bounds.finite).widened()


def _values(window: Window) -> Bounds:
    return window.stretch.bounds


def _quantile(window: Window) -> Bounds:
    share = window.scalars[0]
    return window.stretch.bounds.widened() if share.low >= 0 and share.high <= 1 else ANYTHING


OF_WINDOW: Final[dict[str, OverRange]] = {
    "rate": OverRange(2, _rate),
    "increase": OverRange(2, _increase),
    "irate": OverRange(2, lambda window: window.stretch.rises.widened()),
    "delta": OverRange(2, _delta),
    "idelta": OverRange(2, lambda window: window.stretch.steps),
    "avg_over_time": OverRange(1, lambda window: window.stretch.bounds.widened()),
    "min_over_time": OverRange(1, _values),
    "max_over_time": OverRange(1, _values),
    "last_over_time": OverRange(1, _values),
    "quantile_over_time": OverRange(1, _quantile),
    "sum_over_time": OverRange(1, _sum),
    "count_over_time": OverRange(1, _count),
    "present_over_time": OverRange(1, lambda _: only(1.0)),
    "stddev_over_time": OverRange(1, _spread),
    "changes": OverRange(1, _changes),
    "resets": OverRange(1, _resets),
}
