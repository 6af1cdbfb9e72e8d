"""Moments as RFC 3339 writes them: 2026-03-01T12:00:00.25Z, or with an offset like +01:00."""

from __future__ import annotations

import calendar
import re
from typing import Final

_SHAPE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|([+-])(\d\d):(\d\d))?", re.ASCII
)


def moment_s(text: str) -> float | None:
    """Return a moment in seconds since 1970, or None where this is none; without an offset it is in UTC."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    year, month, day, hour, minute, second = (int(shape[number]) for number in range(1, 7))
    offset_hours, offset_minutes = int(shape[10] or 0), int(shape[11] or 0)
    if not (year and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None
    if hour > 23 or minute > 59 or second > 60 or offset_hours > 23 or offset_minutes > 59:
        return None
    local_s = calendar.timegm((year, month, day, hour, minute, second))
    offset_s = (offset_hours * 60 + offset_minutes) * 60 * (-1 if shape[9] == "-" else 1)
    return local_s - offset_s + float(f"0.{shape[7] or 0}")
