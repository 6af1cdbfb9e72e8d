"""The one place of the desk that reads a clock; everybody else is given the time."""

from __future__ import annotations

import time
from typing import Final

SET_FROM_MS: Final = 1_767_225_600_000
"""The beginning of 2026: a clock that shows less was never set, and what it dates is off by decades."""


def now_ms() -> int:
    """Return the time in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def is_set(at_ms: int) -> bool:
    """Tell whether a clock that shows this can be believed to have been set."""
    return at_ms >= SET_FROM_MS


def monotonic_s() -> float:
    """Return seconds on a clock that is never set, for deadlines alone."""
    return time.monotonic()
