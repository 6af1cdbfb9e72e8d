"""How often something may be done that takes its time: it gets no more than a share of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """Lets what took long wait the longer, so that all of it takes at most a share of the time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._took_s = 0.0
        self._ended_s = monotonic()

    def left_s(self, share: float) -> float:
        """Return how long it should still wait to take no more than this share; 0 when it may be done now."""
        return max(0.0, self._ended_s + self._took_s * (1 / share - 1) - self._monotonic())

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what happens inside, whether or not it waited."""
        began_s = self._monotonic()
        try:
            yield
        finally:
            self._ended_s = self._monotonic()
            self._took_s = self._ended_s - began_s
