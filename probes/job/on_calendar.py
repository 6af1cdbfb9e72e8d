"""Calendar events of systemd, as ``OnCalendar=`` of a timer has them (systemd.time(7))."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from model.misfit import Misfit
from model.moments import YEAR_MAX, YEAR_MIN, Moments, comes
from model.zone import Zone

_NICKNAMES: Final = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: Final = {name: number for number, day in enumerate(_WEEKDAYS) for name in (day, day[:3])}
_WORD: Final = r"[0-9*][0-9*,./]*"
_DATE: Final = re.compile(rf"(?:(?P<year>{_WORD})-)?(?P<month>{_WORD})(?P<sign>[-~])(?P<day>{_WORD})")
_TIME: Final = re.compile(rf"(?P<hour>{_WORD}):(?P<minute>{_WORD})(?::(?P<second>{_WORD}))?")
_PART: Final = re.compile(r"(?P<first>[0-9]{1,4})(?:\.\.(?P<last>[0-9]{1,4}))?(?:/(?P<step>[0-9]{1,4}))?")
_CURE: Final = "write it like Mon..Fri *-*-* 03:00:00, as systemd-analyze calendar takes it"


def parse_on_calendar(text: str) -> tuple[Moments, Zone | None]:
    """Return the moments of an event, and the zone that it names, or raise ``Misfit``.

    Fractions of seconds and ``@`` times are not among them. Where the clock jumps over a time it does not
    come, as with systemd; with ``*`` as hour it follows a clock that goes back, any other comes once.
    """
    words = text.split()
    zone = _zone(words)
    if len(words) == 1 and words[0].lower() in _NICKNAMES:
        words = _NICKNAMES[words[0].lower()].split()
    weekdays = _weekdays(words.pop(0)) if words and words[0][0].isalpha() else frozenset(range(7))
    day = _DATE.fullmatch(words[0]) if words else None
    clock = _TIME.fullmatch(words[-1]) if words else None
    read = (day is not None) + (clock is not None)
    if read != len(words) or not text.strip():
        raise Misfit(f"{text[:60]!r} is not a calendar event", _CURE)
    dates = day.groupdict() if day else {}
    times = clock.groupdict() if clock else {"hour": "0", "minute": "0", "second": "0"}
    from_end = dates.get("sign") == "~"
    days = _set(dates.get("day") or "*", "day", 1, 31, backwards=from_end)
    moments = Moments(
        minutes=tuple(sorted(_set(times["minute"], "minute", 0, 59))),
        hours=tuple(sorted(_set(times["hour"], "hour", 0, 23))),
        seconds=tuple(sorted(_set(times["second"] or "0", "second", 0, 59))),
        days=frozenset(range(1, 32)) if from_end else days,
        days_left=days if from_end else None,
        months=_set(dates.get("month") or "*", "month", 1, 12),
        years=_years(dates.get("year") or "*"),
        weekdays=weekdays,
        rolling=times["hour"] == "*",
    )
    if not comes(moments):
        raise Misfit(f"{text[:60]!r} never comes", "name a day that exists")
    return moments, zone


def _zone(words: list[str]) -> Zone | None:
    """Take the time zone off the end, if there is one."""
    last = words[-1] if len(words) > 1 else ""
    if not any(letter.isalpha() for letter in last) or last.lower() in _DAYS:
        return None
    return Zone.parse(words.pop())


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.replace("-", "..").partition("..")
        begin, end = _weekday(first), _weekday(last if dots else first)
        if end < begin:
            raise Misfit(f"{part[:30]!r} ends before it begins", "a week begins with Monday; write two parts")
        found.update(range(begin, end + 1))
    return frozenset(found)


def _weekday(text: str) -> int:
    if text.lower() not in _DAYS:
        raise Misfit(f"{text[:30]!r} is not a weekday", "write Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    return _DAYS[text.lower()]


def _years(text: str) -> frozenset[int] | None:
    return None if text == "*" else _set(text, "year", YEAR_MIN, YEAR_MAX)


def _set(text: str, what: str, least: int, most: int, *, backwards: bool = False) -> frozenset[int]:
    if text == "*":
        return frozenset(range(least, most + 1))
    parts = (_numbers(part, what, least, most, backwards) for part in text.split(","))
    return frozenset(number for numbers in parts for number in numbers)


def _numbers(text: str, what: str, least: int, most: int, backwards: bool) -> Iterable[int]:
    """Return the numbers of ``a``, ``a..b``, each perhaps with a step; ``a/n`` goes on to the end.

    ``backwards`` they count days that are left: the end is then that of the month.
    """
    part = _PART.fullmatch(text)
    if part is None:
        raise Misfit(f"{text[:30]!r} is not a {what}", _CURE)
    begin = int(part["first"])
    end = int(part["last"]) if part["last"] else (most if part["step"] else begin)
    step = int(part["step"] or 1)
    if not (least <= begin <= end <= most and step):
        raise Misfit(f"{text[:30]!r} is not a {what}", f"write {least} to {most}, the smaller number first")
    if backwards and part["step"] and not part["last"]:
        return range(begin, least - 1, -step)
    return range(begin, end + 1, step)
