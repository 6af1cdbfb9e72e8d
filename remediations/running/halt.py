"""What holds workers back: the kill switch, and an agent that wants to stop; asked from their threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remediations.running.carrying import Now, Reins
from remediations.running.crew import Crew

REST_S: Final = 0.1
LEAVING: Final = "the agent is stopping"


@dataclass(frozen=True, slots=True)
class Halt:
    """Tells workers when to stop; ``stopped`` is the kill switch's sentence or ''."""

    stopped: Callable[[], str]
    crew: Crew
    now: Now

    def halted(self) -> str:
        """Return why a step is ended in its middle, or the empty text."""
        return self.stopped() or (LEAVING if self.crew.ending else "")

    def left(self) -> str:
        """Return why no further action is begun, or the empty text."""
        return LEAVING if self.crew.leaving else ""

    def pause(self, wait_s: float) -> None:
        """Let a worker wait, and hear of a reason to end at least every 100 ms."""
        while wait_s > 0 and not self.halted() and not self.left():
            self.crew.rest(min(wait_s, REST_S))
            wait_s -= REST_S

    def reins(self, resolved: threading.Event) -> Reins:
        """Return what holds back the worker of one alert."""
        return Reins(self.halted, self.left, resolved.is_set, self.pause, self.now)
