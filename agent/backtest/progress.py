"""A bar that shows how far a long command is; on a terminal only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

WIDTH: Final = 40
EVERY_S: Final = 0.1


class Progress:
    """Draws one line on ``out`` again and again; ``monotonic`` counts seconds."""

    def __init__(self, out: TextIO, first: int, last: int, monotonic: Callable[[], float]) -> None:
        self._out = out
        self._first, self._last = first, max(first + 1, last)
        self._monotonic = monotonic
        self._shown_s = 0.0
        self._shows = out.isatty()

    def at(self, place: int) -> None:
        """Show how far between first and last the command is."""
        now_s = self._monotonic()
        if not self._shows or now_s - self._shown_s < EVERY_S:
            return
        self._shown_s = now_s
        share = min(1.0, max(0.0, (place - self._first) / (self._last - self._first)))
        full = round(share * WIDTH)
        self._out.write(f"\r{'█' * full}{'░' * (WIDTH - full)} {share:4.0%}")
        self._out.flush()

    def done(self) -> None:
        """Take the bar away."""
        if self._shows:
            self._out.write("\r\x1b[K")
            self._out.flush()
