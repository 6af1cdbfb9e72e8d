"""Moments that come again in local time, as cron lines and systemd's calendar events name them."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Final
from zoneinfo import ZoneInfo

from model.zone import Zone

YEAR_MIN: Final = 1970
YEAR_MAX: Final = 2199

_DAY: Final = timedelta(days=1)
_SHIFT_MAX: Final = timedelta(hours=3)
_JUMP_MAX: Final = timedelta(hours=25)  # an island that changes sides of the date line loses a day
_SEARCH_YEARS_MAX: Final = 45  # 29 February on one weekday may take 40 years, across 2100


@dataclass(frozen=True, slots=True)
class Moments:
    """The local times whose fields are in all these sets; Monday is weekday 0.

    ``days_left`` counts days from the end of the month, its last being 1, in place of ``days``.
    ``either_day`` lets a date count whose day of the month or weekday is meant. ``rolling`` moments, such as
    each quarter of an hour, follow the clock: they are left out where it jumps forward and come twice where
    it goes back. Others come once: the first time of two, and if ``made_up`` right after a jump over them.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] = frozenset(range(1, 32))
    months: frozenset[int] = frozenset(range(1, 13))
    weekdays: frozenset[int] = frozenset(range(7))
    seconds: tuple[int, ...] = (0,)
    years: frozenset[int] | None = None
    days_left: frozenset[int] | None = None
    either_day: bool = False
    rolling: bool = False
    made_up: bool = False

    def on(self, day: date) -> bool:
        """Tell whether a date is meant."""
        if day.month not in self.months or (self.years is not None and day.year not in self.years):
            return False
        in_days = day.day in self.days
        if self.days_left is not None:
            in_days = monthrange(day.year, day.month)[1] - day.day + 1 in self.days_left
        in_week = day.weekday() in self.weekdays
        return (in_days or in_week) if self.either_day else (in_days and in_week)


def next_ms(moments: Moments, zone: Zone, after_ms: int) -> int | None:
    """Return the first of the moments after this time, in ms since 1970 in UTC; None where none comes."""
    after = datetime.fromtimestamp(after_ms // 1000, UTC)
    place = ZoneInfo(zone)
    found = next((at for at in _each(moments, place, after) if at > after), None)
    if moments.rolling and not _soon(found, after, place):
        until = found or after + _DAY
        found = next((at for at in _twice(moments, place, after, until) if at > after), found)
    return None if found is None else int(found.timestamp()) * 1000


def comes(moments: Moments) -> bool:
    """Tell whether any of the moments ever comes: there is no 31 February."""
    return any(moments.on(day) for day in _dates(moments, date(YEAR_MIN, 1, 1)))


def _soon(found: datetime | None, after: datetime, place: ZoneInfo) -> bool:
    """Tell whether the next moment is near, and the clock was not set back shortly before it."""
    near = found is not None and found - after <= _SHIFT_MAX
    return near and found is not None and _offset(found, place) == _offset(after - _SHIFT_MAX, place)


def _offset(at: datetime, place: ZoneInfo) -> timedelta | None:
    return at.astimezone(place).utcoffset()


def _each(moments: Moments, place: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments in UTC from about this time on, of times that come twice the first."""
    for local in _local(moments, after.astimezone(place).replace(tzinfo=None, fold=0)):
        at = _resolved(moments, local, place)
        if at is not None:
            yield at


def _twice(moments: Moments, place: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the moments in UTC between these times whose local time came an hour before already."""
    end = until.astimezone(place).replace(tzinfo=None, fold=0)
    for local in _local(moments, (after - _SHIFT_MAX).astimezone(place).replace(tzinfo=None, fold=0)):
        if local > end:
            return
        first = local.replace(tzinfo=place).astimezone(UTC)
        second = local.replace(tzinfo=place, fold=1).astimezone(UTC)
        if first < second < until:
            yield second


def _local(moments: Moments, begin: datetime) -> Iterator[datetime]:
    """Yield the local times from this one on."""
    for day in _dates(moments, begin.date()):
        for hour, minute, second in product(moments.hours, moments.minutes, moments.seconds):
            local = datetime.combine(day, time(hour, minute, second))
            if local >= begin:
                yield local


def _resolved(moments: Moments, local: datetime, place: ZoneInfo) -> datetime | None:
    """Return when a local time first is; None where the clock jumps over it."""
    at = local.replace(tzinfo=place).astimezone(UTC)
    if at.astimezone(place).replace(tzinfo=None, fold=0) == local:
        return at
    return _jump(at, place) if moments.made_up and not moments.rolling else None


def _jump(at: datetime, place: ZoneInfo) -> datetime:
    """Return when the clock jumped over a local time: ``at`` is that time as reckoned before the jump."""
    offset = _offset(at, place)
    early, late = at - _JUMP_MAX, at
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        early, late = (early, middle) if _offset(middle, place) == offset else (middle, late)
    return late.replace(microsecond=0)


def _dates(moments: Moments, first: date) -> Iterator[date]:
    last = min(YEAR_MAX, first.year + _SEARCH_YEARS_MAX)
    if moments.years is not None:
        first = max(first, date(max(1, min(moments.years)), 1, 1)) if moments.years else first
        last = max(moments.years, default=first.year)
    day = first
    while day.year <= last:
        if day.month not in moments.months:
            # The first of the next month: years of days would be looked at for one date in them.
            day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
            continue
        if moments.on(day):
            yield day
        day += _DAY
