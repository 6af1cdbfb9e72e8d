"""Whether the recent course of a series is like one that was seen before."""

from __future__ import annotations

from array import array
from typing import Final

BEAT: Final = 5
"""Samples that become one point of a course."""

LENGTH: Final = 8
"""Points of a course."""

KNOWN_MAX: Final = 24
_NEAR: Final = 0.075
_SURE: Final = 0.97
_MEMORY: Final = 300
_MEDIAN_STEP: Final = 0.005
_PEAK: Final = 0.1


class Courses:
    """Courses that were seen, each kept as the box that holds all that are like it (fuzzy ART).

    Levels are shares of the range that was seen so far; what is near the median is taken for the median, so
    that noise is no course. The newest point weighs most. A course that no box is like begins a box; where
    there is no room, it takes that of the box that was met longest ago.
    """

    __slots__ = (
        "_beat", "_beats", "_high", "_highs", "_known", "_last", "_low", "_lows", "_mean", "_median", "_met",
        "_smooth", "_window",
    )  # fmt: skip

    def __init__(self) -> None:
        self._beat: list[float] = []
        self._window: list[float] = []
        self._lows = array("f", [0.0]) * (KNOWN_MAX * LENGTH)
        self._highs = array("f", [0.0]) * (KNOWN_MAX * LENGTH)
        self._met = array("L", [0]) * KNOWN_MAX
        self._known = self._beats = 0
        self._low = self._high = self._smooth = self._median = self._mean = self._last = 0.0

    def novelty(self, value: float) -> float:
        """Return how unlike all that is known the newest course is: 0 known, 1 never seen."""
        beat = self._beat
        beat.append(value)
        if len(beat) == BEAT:
            self._last = self._take(self._point(beat))
            beat.clear()
        return self._last

    def _point(self, beat: list[float]) -> float:
        """Return the value that tells most of a beat: its peak if it has one, else its mean."""
        mean, most, least = sum(beat) / len(beat), max(beat), min(beat)
        if not self._beats:
            self._smooth = mean
        self._smooth = smooth = (self._smooth + mean) / 2.0
        peak = least if abs(most - smooth) < abs(least - smooth) else most
        return mean if abs(peak - mean) < _PEAK * abs(mean) else peak

    def _take(self, point: float) -> float:
        self._widen(point)
        self._beats += 1
        self._window.append(point)
        if len(self._window) > LENGTH:
            del self._window[0]
        step = (self._high - self._low) * max(1.0 / self._beats, _MEDIAN_STEP)
        self._median += step if point > self._median else -step if point < self._median else 0.0
        return self._meet(self._levels()) if len(self._window) == LENGTH else 0.0

    def _widen(self, point: float) -> None:
        """Take a point into the range, and bring what is known into the new one."""
        if not self._beats:
            self._low = self._high = self._median = point
            return
        low, high = min(self._low, point), max(self._high, point)
        before, after = self._high - self._low, high - low
        if after > before:
            shrink, shift = before / after, (self._low - low) / after
            for boxes in (self._lows, self._highs):
                for index in range(self._known * LENGTH):
                    boxes[index] = boxes[index] * shrink + shift
            self._low, self._high = low, high

    def _levels(self) -> list[float]:
        low, span = self._low, (self._high - self._low) or 1.0
        middle = (self._median - low) / span
        levels = [(point - low) / span for point in self._window]
        return [middle if abs(level - middle) < _NEAR else level for level in levels]

    def _meet(self, levels: list[float]) -> float:
        """Return how new these levels are, and put them in the box that is like them."""
        if not self._known:
            self._begin(levels)
            return 0.0
        best, likeness = self._nearest(levels)
        self._mean += (likeness - self._mean) / min(self._beats, _MEMORY)
        if likeness < min(_SURE, self._mean):
            self._begin(levels)
            return 1.0 - likeness
        self._met[best] = self._beats
        lows, highs = self._lows, self._highs
        for index, level in enumerate(levels, best * LENGTH):
            if level < lows[index]:
                lows[index] = level
            elif level > highs[index]:
                highs[index] = level
        return 1.0 - likeness

    def _nearest(self, levels: list[float]) -> tuple[int, float]:
        """Return the box that holds the most of these levels, and how like it they are."""
        newest = levels[-1]
        best, likeness = 0, -1.0
        for box in range(self._known):
            end = (box + 1) * LENGTH
            low, high = self._lows[end - 1], self._highs[end - 1]
            outside = low - newest if newest < low else newest - high if newest > high else 0.0
            alike = max(0.0, 1.0 - outside / max(1.0 - high + low, 1e-3)) ** 4
            if alike > likeness:  # otherwise the older points cannot make up for it
                alike *= self._held(box * LENGTH, end, levels)
                if alike > likeness:
                    best, likeness = box, alike
        return best, likeness

    def _held(self, begin: int, end: int, levels: list[float]) -> float:
        """Return how well a box holds a course: 1 less what sticks out, in shares of the room left."""
        outside, room = 0.0, 2.0 * LENGTH
        for level, low, high in zip(levels, self._lows[begin:end], self._highs[begin:end], strict=True):
            room -= high - low
            if level < low:
                outside += low - level
            elif level > high:
                outside += level - high
        return max(0.0, 1.0 - outside / room)

    def _begin(self, levels: list[float]) -> None:
        if self._known < KNOWN_MAX:
            box = self._known
            self._known += 1
        else:
            box = self._met.index(min(self._met))
        begin = box * LENGTH
        self._lows[begin : begin + LENGTH] = self._highs[begin : begin + LENGTH] = array("f", levels)
        self._met[box] = self._beats
