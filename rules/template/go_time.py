"""Times as Go prints them, in UTC: the default form, layouts by the reference time, and the parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NANOSECONDS_MAX: Final = float(1 << 63)

# Longer forms come first: 01 is a month and 1 as well, but 15 is the hour.
_LAYOUT: Final = re.compile(
    r"January|Jan|Monday|Mon|2006|-07:00|-0700|-07|Z07:00|Z0700|MST|[.,](?:000000000|000000|000|999999999|999999|999)"
    r"|002|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5"
)

_PARTS: Final[Mapping[str, Callable[[datetime], str]]] = MappingProxyType(
    {
        "January": lambda at: f"{at:%B}",
        "Jan": lambda at: f"{at:%b}",
        "Monday": lambda at: f"{at:%A}",
        "Mon": lambda at: f"{at:%a}",
        "2006": lambda at: f"{at.year:04d}",
        "06": lambda at: f"{at:%y}",
        "01": lambda at: f"{at:%m}",
        "1": lambda at: str(at.month),
        "02": lambda at: f"{at:%d}",
        "_2": lambda at: f"{at.day:2d}",
        "2": lambda at: str(at.day),
        "002": lambda at: f"{at:%j}",
        "15": lambda at: f"{at:%H}",
        "03": lambda at: f"{at:%I}",
        "3": lambda at: str((at.hour + 11) % 12 + 1),
        "04": lambda at: f"{at:%M}",
        "4": lambda at: str(at.minute),
        "05": lambda at: f"{at:%S}",
        "5": lambda at: str(at.second),
        "PM": lambda at: "AM" if at.hour < 12 else "PM",
        "pm": lambda at: "am" if at.hour < 12 else "pm",
        "-07:00": lambda _: "+00:00",
        "-0700": lambda _: "+0000",
        "-07": lambda _: "+00",
        "Z07:00": lambda _: "Z",
        "Z0700": lambda _: "Z",
        "MST": lambda _: "UTC",
    }
)


def moment(number: float) -> datetime:
    """Return seconds since 1970 as a time, cut to milliseconds towards zero as Prometheus does.

    Raises ``OverflowError`` beyond what nanoseconds in 64 bits can hold.
    """
    if not -NANOSECONDS_MAX <= number * 1e9 < NANOSECONDS_MAX:
        raise OverflowError
    nanoseconds = int(number * 1e9)
    milliseconds = abs(nanoseconds) // 1_000_000 * (1 if nanoseconds > 0 else -1)
    return EPOCH + timedelta(milliseconds=milliseconds)


def shown(at: datetime) -> str:
    """Return what Go prints: ``2015-06-23 13:19:44.128 +0000 UTC``."""
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at.year:04d}-{at:%m-%d %H:%M:%S}{fraction} +0000 UTC"


def formatted(at: datetime, layout: str) -> str:
    """Return the time in a layout that shows how Mon Jan 2 15:04:05 MST 2006 would be written."""
    return _LAYOUT.sub(lambda found: _part(at, found[0]), layout)


def _part(at: datetime, word: str) -> str:
    if word in _PARTS:
        return _PARTS[word](at)
    digits = f"{at.microsecond * 1000:09d}"[: len(word) - 1]
    if word[1] == "0":
        return word[0] + digits
    digits = digits.rstrip("0")
    return word[0] + digits if digits else ""


def milliseconds(at: datetime) -> int:
    """Return the milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)


METHODS: Final[Mapping[str, Callable[[datetime], str | int]]] = MappingProxyType(
    {
        "Year": lambda at: at.year,
        "Month": lambda at: f"{at:%B}",
        "Day": lambda at: at.day,
        "Hour": lambda at: at.hour,
        "Minute": lambda at: at.minute,
        "Second": lambda at: at.second,
        "Weekday": lambda at: f"{at:%A}",
        "YearDay": lambda at: int(f"{at:%j}"),
        "Unix": lambda at: milliseconds(at) // 1000,
        "UnixMilli": milliseconds,
        "String": shown,
    }
)
"""What can be asked of a time without an argument; Month and Weekday are printed as their names."""
