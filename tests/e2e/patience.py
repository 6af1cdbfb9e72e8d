"""Bounded waiting: what a test waits for, how long, and what to tell when it does not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PAUSE_S: Final = 0.03

_NEVER: Final = threading.Event()


def pause(length_s: float) -> None:
    """Wait so long."""
    _NEVER.wait(length_s)


def until(
    wanted: Callable[[], T | None],
    within_s: float,
    what: str,
    tell: Callable[[], str] = str,
    *,
    pause_s: float = PAUSE_S,
) -> T:
    """Return the first true value of ``wanted``, or fail with what was missing and what ``tell`` says."""
    end_s = time.monotonic() + within_s
    while True:
        value = wanted()
        if value:
            return value
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {within_s:g} s: {what}\n{tell()}")
        pause(pause_s)


def never(unwanted: Callable[[], object], for_s: float, what: str, tell: Callable[[], str] = str) -> None:
    """Fail as soon as ``unwanted`` is true within the time given."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        seen = unwanted()
        if seen:
            raise AssertionError(f"{what}: {seen}\n{tell()}")
        pause(PAUSE_S)
