"""The one place of the desk that reads a clock; everybody else is given the time."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the time in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Return seconds on a clock that is never set, for deadlines alone."""
    return time.monotonic()
