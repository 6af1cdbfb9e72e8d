"""The one place where the agent reads a clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_STEP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the three clocks say at one moment: wall, running, and running while the machine sleeps."""

    wall_s: float
    monotonic_s: float
    boottime_s: float


class Clock:
    """Wall time that never goes back: it runs on the monotonic clock and follows forward steps only.

    A wall clock that is set back would tear the timers of alerts and the order of samples; this one
    goes on and tells by ``behind_s`` how far the wall clock has fallen behind it.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,  # noqa: TID251  # this module is where the clock is read
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.monotonic = monotonic
        self._wall = wall
        self._offset_s = wall() - monotonic()
        self._lock = threading.Lock()
        self.steps = 0
        self.behind_s = 0.0

    def now_ms(self) -> int:
        """Return milliseconds since 1970 in UTC."""
        with self._lock:
            offset_s = self._wall() - self.monotonic()
            ahead_s = offset_s - self._offset_s
            if ahead_s > _STEP_S:
                # A suspended machine and a corrected clock look the same: time has passed.
                self._offset_s = offset_s
                self.steps += 1
            self.behind_s = max(0.0, -ahead_s)
            return int((self.monotonic() + self._offset_s) * 1000)

    def pulse(self) -> Pulse:
        """Return what each clock says now."""
        return Pulse(self._wall(), self.monotonic(), since_boot_ms() / 1000)


def since_boot_ms() -> int:
    """Return milliseconds since the machine started, its sleep included; the same for all its processes."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
