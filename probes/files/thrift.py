"""How much of a core reading logs may take, and which part of a flood is looked at then."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SAVED_S_MAX: Final = 2.0
"""How much time may be saved up for a burst."""


@dataclass(slots=True)
class Thrift:
    """Gives out a share of the time that goes by, and what was not used of it before, up to a limit.

    A fresh one has saved all it may. ``spend`` notes both the time that a piece of work took and the bytes
    it was about, so that the next pieces can be chosen.
    """

    share: float
    left_s: float = SAVED_S_MAX
    _at_s: float | None = None
    _spent_s: float = 0.0
    _done_bytes: int = 0

    def begin(self, now_s: float, most_s: float) -> None:
        """Begin a run, which may take at most so long whatever was saved up."""
        if self._at_s is not None:
            self.left_s += self.share * max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self.left_s = min(self.left_s, SAVED_S_MAX, most_s)
        self._spent_s, self._done_bytes = 0.0, 0

    def spend(self, spent_s: float, done_bytes: int = 0) -> None:
        """Note what was used; bytes that were only passed over do not count as done."""
        self.left_s -= spent_s
        if done_bytes:
            self._spent_s += spent_s
            self._done_bytes += done_bytes

    def skip_bytes(self, waiting_bytes: int, block_bytes: int) -> int:
        """Return how much to pass over before the next block, so that what waits is sampled evenly."""
        if self.left_s <= 0:
            return waiting_bytes
        if self._spent_s <= 0:
            return 0
        affordable = self.left_s * self._done_bytes / self._spent_s
        if waiting_bytes <= affordable:
            return 0
        every = math.ceil(waiting_bytes / max(affordable, 1.0))
        return min(waiting_bytes, (every - 1) * block_bytes)
