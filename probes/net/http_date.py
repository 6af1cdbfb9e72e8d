"""Moments as HTTP writes them: its own form, and the two older ones (RFC 9110, 5.6.7)."""

from __future__ import annotations

import calendar
import re
from typing import Final

_MONTHS: Final = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip  # a year on two lines
_TIME: Final = r"(?P<time>\d\d:\d\d:\d\d)"
_MONTH: Final = r"(?P<month>[A-Z][a-z]{2})"
_FORMS: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


def moment_s(text: str) -> float | None:
    """Return a moment in seconds since 1970, or None where this is none."""
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None or found["month"] not in _MONTHS:
        return None
    year, day = int(found["year"]), int(found["day"])
    if len(found["year"]) == 2:
        year += 1900 if year >= 69 else 2000
    hour, minute, second = map(int, found["time"].split(":"))
    if not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60:
        return None
    return float(calendar.timegm((year, _MONTHS[found["month"]], day, hour, minute, second)))
