"""What a series usually is at this time of the day and of the week."""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

_HOUR_MS: Final = 3_600_000
_DAY: Final = 24
_WEEK: Final = 168
_VISITS: Final = 30
_REMEMBERED_MS: Final = 2.5 * _HOUR_MS
_LEARNT_WEEK_MS: Final = 8 * _DAY * _HOUR_MS
_SPREAD_MEMORY: Final = 500
_RECENT: Final = 50
_VISITS_OF_A_WEEK: Final = 6


class Departure(NamedTuple):
    """How far a value is from what was expected, in units of the series.

    ``daily`` is from what this hour of the day brings, with its sign. ``least`` is from the nearest of
    three expectations: this hour of the day, this hour of the week, and the present level with the day's
    course over it. ``relative`` is ``daily`` in units of how far values at this hour usually are.
    """

    daily: float
    least: float
    relative: float


class Season:
    """The daily and weekly course of one series: a mean that forgets for each hour; hours are UTC.

    An hour of the day remembers 30 samples, or two and a half days where those are more.
    """

    __slots__ = (
        "_anchor", "_began_ms", "_course", "_day", "_days", "_level", "_recent", "_seen", "_spread",
        "_spreads", "_week", "_weeks",
    )  # fmt: skip

    def __init__(self) -> None:
        self._day = array("f", [0.0]) * _DAY
        self._days = array("L", [0]) * _DAY
        self._spreads = array("f", [0.0]) * _DAY
        self._course = array("f", [0.0]) * _DAY
        self._week = array("f", [0.0]) * _WEEK
        self._weeks = array("B", [0]) * _WEEK
        self._anchor = self._level = self._recent = self._spread = 0.0
        self._seen = self._began_ms = 0

    def departure(self, at_ms: int, value: float, every_ms: float) -> Departure:
        """Return how far a value is from what was expected, then learn from it."""
        if not self._seen:
            # All means are kept as differences to the first value, so that single precision is enough.
            self._began_ms, self._anchor = at_ms, value
        value -= self._anchor
        self._seen += 1
        hours = at_ms // _HOUR_MS
        hour = hours % _DAY
        visits, usual = self._days[hour], self._spreads[hour] + self._spread
        daily = value - (self._day[hour] if visits else self._recent)
        course = value - self._level - self._course[hour]
        relative = 2.0 * daily / usual if usual > 0.0 and visits > 3 else 0.0
        least = min(abs(daily), abs(self._weekly(at_ms, hours % _WEEK, value, daily)), abs(course))
        self._learn(hour, value, daily, course, every_ms)
        return Departure(daily, least, relative)

    def _weekly(self, at_ms: int, hour: int, value: float, daily: float) -> float:
        """Return how far a value is from its hour of the week, or of the day while too little is known."""
        visits = self._weeks[hour]
        departure = value - self._week[hour]
        self._weeks[hour] = visits = min(visits + 1, _VISITS)
        self._week[hour] += departure / visits
        if visits > _VISITS_OF_A_WEEK or (visits > 1 and at_ms - self._began_ms > _LEARNT_WEEK_MS):
            return departure
        return daily

    def _learn(self, hour: int, value: float, daily: float, course: float, every_ms: float) -> None:
        visits = self._days[hour]
        gain = 1.0 / min(visits + 2, max(_VISITS, _REMEMBERED_MS / every_ms))
        self._day[hour] = (self._day[hour] if visits else value) + daily * gain
        self._days[hour] = visits + 1
        self._spreads[hour] += (abs(daily) - self._spreads[hour]) * gain
        self._course[hour] += course * gain
        self._spread += (abs(daily) - self._spread) / min(self._seen, _SPREAD_MEMORY)
        self._level += (value - self._level) / min(self._seen, max(1.0, _DAY * _HOUR_MS / every_ms))
        self._recent += (value - self._recent) / min(self._seen, _RECENT)
