"""Simulated time: what happens when, and the clock of the loop, or of a worker that runs ahead of it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Agenda:
    """What is to happen, in the order of time and then of being written down."""

    now_ms: int
    _waiting: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def at(self, at_ms: int, what: Callable[[], None]) -> None:
        """Let this happen then, or next where that has passed."""
        self._count += 1
        heapq.heappush(self._waiting, (at_ms, self._count, what))

    @property
    def next_ms(self) -> int | None:
        """When the next thing happens."""
        return self._waiting[0][0] if self._waiting else None

    def go_to(self, at_ms: int) -> None:
        """Let it be that time, with all that happens until then."""
        self.now_ms = max(self.now_ms, at_ms)
        while self._waiting and self._waiting[0][0] <= self.now_ms:
            heapq.heappop(self._waiting)[2]()

    def pass_ms(self, length_ms: int) -> None:
        """Let a worker's own time go on."""
        self.now_ms += length_ms

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let a worker's clock run ahead; the loop's stands still meanwhile."""
        before_ms = self.now_ms
        yield
        self.now_ms = before_ms
