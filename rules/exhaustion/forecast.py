"""When a bounded thing runs out, judged by how much of it was used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from rules.exhaustion.saw_tooth import peaks, resets
from rules.exhaustion.slope import Point, Slope, slope

POINTS_MIN: Final = 20
"""Fewer points are no ground for a forecast."""

PEAKS_MIN: Final = 10
"""Fewer teeth do not tell whether a saw grows."""

POINTS_MAX: Final = 72
"""More points are thinned out to these."""

YEARS_S: Final = 10 * 365 * 86_400
"""What lasts longer does not run out."""

_FULL: Final = 0.999
_AGREE: Final = 3.0
_NOISE: Final = 0.02
_BEYOND: Final = 0.02
_MARGIN: Final = 0.01
_HOUR_S: Final = 3600.0
_AHEAD: Final = 4.0  # so many times what was looked at may lie ahead


class State(Enum):
    """Whether it can be told when something runs out, and why not."""

    ENOUGH = "enough"
    TOO_FEW = "too_few"
    NOISY = "noisy"
    NOT_GROWING = "not_growing"
    SAW_TOOTH = "saw_tooth"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When something runs out, in seconds from the last point: the estimate, the soonest, the latest.

    All three stand only where the state is ``ENOUGH``.
    """

    state: State
    seconds: float | None = None
    lower: float | None = None
    upper: float | None = None


def until(at_s: float, now_s: float) -> Forecast:
    """Return the forecast for what ends at a known time, such as a certificate."""
    left_s = max(0.0, at_s - now_s)
    return Forecast(State.ENOUGH, left_s, left_s, left_s)


def forecast(hours: Sequence[Point], days: Sequence[Point], limit: float) -> Forecast:
    """Return when what was used in the last hours, and in the last days, reaches its limit.

    Points rise in time. Both windows must tell of the same pace, unless there are too few days to ask, or
    more is used now than at any time before the growth: then that is a new story. Of a saw-tooth its peaks
    are asked, or what came since its last reset where that has risen beyond all of them.
    """
    if not hours:
        return Forecast(State.TOO_FEW)
    if hours[-1][1] >= _FULL * limit:
        return Forecast(State.ENOUGH, 0.0, 0.0, 0.0)
    near, far = _pace(hours, limit), _pace(days, limit)
    if isinstance(far, Slope) and far.sure and _agree(near, far):
        if isinstance(near, Slope):
            return _of((near, far) if near.sure else (far,), limit, YEARS_S)
        # The teeth reach the limit before the line through them does.
        return _of((replace(far, level=max(used for _, used in hours)),), limit, YEARS_S)
    for window in (hours, [point for point in hours if point[0] > hours[-1][0] - _HOUR_S]):
        pace = _pace(window, limit)
        if not isinstance(pace, Slope) or not pace.sure:
            continue
        if far is State.TOO_FEW or _is_new(pace, window[0][0], (*days, *hours), limit):
            return _of((pace,), limit, _AHEAD * (window[-1][0] - window[0][0]))
    return Forecast(_reason(near, far, limit))


def _agree(near: Slope | State, far: Slope) -> bool:
    """Tell whether the last hours tell of the same pace as the last days, or say nothing against it."""
    if isinstance(near, Slope):
        if near.sure:
            return max(near.each_s, far.each_s) <= _AGREE * min(near.each_s, far.each_s)
        return near.least <= far.each_s <= near.greatest
    return near is State.SAW_TOOTH


def _is_new(pace: Slope, since_s: float, points: Sequence[Point], limit: float) -> bool:
    """Tell whether more is used now than at any time before a window began."""
    highest = max((used for at_s, used in points if at_s < since_s), default=limit)
    return pace.level > highest + max(_BEYOND * limit, 3.0 * pace.spread)


def _reason(near: Slope | State, far: Slope | State, limit: float) -> State:
    """Return why nothing can be told."""
    for state in (State.SAW_TOOTH, State.TOO_FEW):
        if near is state or (far is state and state is State.SAW_TOOTH):
            return state
    if isinstance(near, Slope) and (near.sure or near.swing > _NOISE * limit):
        return State.NOISY
    return State.NOT_GROWING


def _pace(points: Sequence[Point], limit: float) -> Slope | State:
    """Return the line through what was used, or why there is none."""
    if len(points) < POINTS_MIN:
        return State.TOO_FEW
    starts = resets(points, limit)
    if starts:
        tops = peaks(points, starts)
        since = points[starts[-1] :]
        risen = since[-1][1] > max(used for _, used in tops) + _BEYOND * limit
        if len(starts) > 1 and not risen:
            return _pace_of_peaks(tops, limit)
        points = since
    return slope(thinned(points)) if len(points) >= POINTS_MIN else State.TOO_FEW


def _pace_of_peaks(tops: Sequence[Point], limit: float) -> Slope | State:
    """Return how fast the teeth of a saw grow, if they surely do."""
    if len(tops) < PEAKS_MIN:
        return State.SAW_TOOTH
    line = slope(thinned(tops))
    grown = line.each_s * (tops[-1][0] - tops[0][0])
    return line if line.sure and grown > _BEYOND * limit else State.SAW_TOOTH


def _of(lines: Sequence[Slope], limit: float, ahead_s: float) -> Forecast:
    """Return when these lines reach the limit; nothing is told of what is further ahead than they allow."""
    left, spread = max(0.0, limit - lines[0].level), lines[0].spread
    seconds = left * len(lines) / sum(line.each_s for line in lines)
    if seconds > ahead_s:
        return Forecast(State.NOT_GROWING if ahead_s == YEARS_S else State.TOO_FEW)
    lower = max(0.0, left - spread) / max(line.greatest for line in lines) * (1.0 - _MARGIN)
    upper = (left + spread) / min(line.least for line in lines) * (1.0 + _MARGIN)
    return Forecast(State.ENOUGH, seconds, lower, upper)


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most ``POINTS_MAX`` points: of each stretch the one in the middle, and the last of all."""
    step = -(-len(points) // (POINTS_MAX - 1))
    if step <= 1:
        return list(points)
    return [*points[step // 2 : len(points) - 1 : step], points[-1]]
