"""When things are due: fixed slots on the monotonic clock, in one heap."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Schedule(Generic[Key]):
    """Keys that fall due again and again; a slot that was missed is skipped and counted, never queued."""

    def __init__(self) -> None:
        self.missed = 0
        self._heap: list[tuple[float, int, Key]] = []
        self._every_s: dict[Key, float] = {}
        self._ticket: dict[Key, int] = {}
        self._tickets = 0

    def add(self, key: Key, first_s: float, every_s: float = 0.0) -> None:
        """Let the key fall due at ``first_s`` and, unless ``every_s`` is 0, at each later slot."""
        self._every_s[key] = every_s
        self._push(key, first_s)

    def drop(self, key: Key) -> None:
        """Forget the key; what is in the heap of it counts no more."""
        self._every_s.pop(key, None)
        self._ticket.pop(key, None)

    def due(self, now_s: float) -> list[Key]:
        """Return the keys that are due, and move each to its first slot after now."""
        found: list[Key] = []
        while self._heap and self._heap[0][0] <= now_s:
            at_s, ticket, key = heapq.heappop(self._heap)
            if self._ticket.get(key) != ticket:
                continue
            found.append(key)
            every_s = self._every_s[key]
            if not every_s:
                self.drop(key)
                continue
            late = int((now_s - at_s) // every_s)
            self.missed += late
            self._push(key, at_s + (late + 1) * every_s)
        return found

    def next_s(self) -> float | None:
        """Return when the next key falls due."""
        while self._heap and self._ticket.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def __contains__(self, key: Key) -> bool:
        return key in self._ticket

    def _push(self, key: Key, at_s: float) -> None:
        self._tickets += 1
        self._ticket[key] = self._tickets
        heapq.heappush(self._heap, (at_s, self._tickets, key))
