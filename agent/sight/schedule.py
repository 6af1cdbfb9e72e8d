"""When things are due: fixed slots on the monotonic clock, in one heap."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Final, Generic, TypeVar
from zlib import crc32

TICK_S: Final = 0.1
TOGETHER: Final = 64
"""So many probes share a tick, and with it a wake-up, before another tick is taken."""

Key = TypeVar("Key", bound=Hashable)


class Schedule(Generic[Key]):
    """Keys that fall due again and again; a slot that was missed is skipped and counted, never queued."""

    def __init__(self) -> None:
        self.missed = 0
        self._heap: list[tuple[float, int, Key]] = []
        self._slots: dict[Key, tuple[float, float]] = {}
        self._ticket: dict[Key, int] = {}
        self._tickets = 0

    def add(self, key: Key, first_s: float, every_s: float = 0.0, phase_s: float | None = None) -> None:
        """Let the key fall due at ``first_s`` and, unless ``every_s`` is 0, at each later slot.

        Slots lie ``every_s`` apart, one of them at ``phase_s``, or at ``first_s`` where none is given.
        """
        self._slots[key] = (every_s, first_s if phase_s is None else phase_s)
        self._push(key, first_s)

    def drop(self, key: Key) -> None:
        """Forget the key; what is in the heap of it counts no more."""
        self._slots.pop(key, None)
        self._ticket.pop(key, None)

    def due(self, now_s: float) -> list[Key]:
        """Return the keys that are due, and move each to its first slot after now."""
        found: list[Key] = []
        while self._heap and self._heap[0][0] <= now_s:
            at_s, ticket, key = heapq.heappop(self._heap)
            if self._ticket.get(key) != ticket:
                continue
            found.append(key)
            every_s, phase_s = self._slots[key]
            if not every_s:
                self.drop(key)
                continue
            self.missed += int((now_s - at_s) // every_s)
            next_s = phase_s + ((now_s - phase_s) // every_s + 1) * every_s
            # A float may have been rounded down to now itself.
            self._push(key, next_s if next_s > now_s else next_s + every_s)
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


def phase_s(name: str, every_s: float, among: int) -> float:
    """Return where in its slots a probe runs: always the same for its name, and at a tick.

    The more probes there are ``among`` which it runs, the more ticks they are spread over.
    """
    ticks = max(1, int(every_s / TICK_S))
    places = min(ticks, -(-among // TOGETHER))
    return crc32(name.encode()) % places * ticks // places * TICK_S


def first_s(number: int, among: int) -> float:
    """Return how long after the start a probe runs first: at once where they are few, or within 1 s."""
    batches = min(int(1 / TICK_S), among // TOGETHER + 1)
    return number * batches // among * TICK_S
