"""Dates as Go has them: in UTC, for every second that 64 bits can count, far beyond ``datetime``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_DAY_S: Final = 86_400
_ERA_DAYS: Final = 146_097
"""The days of 400 years, after which the calendar repeats itself."""
_SECONDS_MAX: Final = 1 << 63
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _days_before(year: int) -> int:
    """Return the days from 1 January of the year 1 to that of another year."""
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400


_DAYS_BEFORE_1970: Final = _days_before(1970)
# Go counts seconds without a sign from here on, so times that 64 bits cannot count come round again.
_GO_ZERO_S: Final = (_days_before(-292_277_022_399) - _DAYS_BEFORE_1970) * _DAY_S


@dataclass(frozen=True, slots=True)
class Date:
    """A day and the second within it; ``day_of_year`` counts from 1, the weekday from Sunday 0."""

    year: int
    day_of_year: int
    weekday: int
    second_of_day: int

    @classmethod
    def of(cls, seconds: float) -> Date:
        """Return the date so many seconds after 1970; what 64 bits cannot hold is what amd64 makes of it."""
        inside = -_SECONDS_MAX <= seconds < _SECONDS_MAX
        whole = math.trunc(seconds) if inside else -_SECONDS_MAX
        whole = (whole - _GO_ZERO_S) % (1 << 64) + _GO_ZERO_S
        days, second = divmod(whole, _DAY_S)
        era, day = divmod(days + _DAYS_BEFORE_1970, _ERA_DAYS)
        year = era * 400 + day * 400 // _ERA_DAYS + 1
        if _days_before(year) > days + _DAYS_BEFORE_1970:
            year -= 1
        elif _days_before(year + 1) <= days + _DAYS_BEFORE_1970:
            year += 1
        day_of_year = days + _DAYS_BEFORE_1970 - _days_before(year) + 1
        return cls(year, day_of_year, (days + 4) % 7, second)

    @property
    def month(self) -> int:
        """The month of the year."""
        return self._month_and_day()[0]

    @property
    def day(self) -> int:
        """The day of the month."""
        return self._month_and_day()[1]

    @property
    def days_in_month(self) -> int:
        """How many days the month has."""
        return self._month_days()[self.month - 1]

    def _month_and_day(self) -> tuple[int, int]:
        day = self.day_of_year
        for month, length in enumerate(self._month_days(), 1):
            if day <= length:
                return month, day
            day -= length
        raise AssertionError("a year has no more days than its months")

    def _month_days(self) -> tuple[int, ...]:
        leap = self.year % 4 == 0 and (self.year % 100 != 0 or self.year % 400 == 0)
        return (31, 29, *_MONTH_DAYS[2:]) if leap else _MONTH_DAYS
