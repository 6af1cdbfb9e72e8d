"""How much of one resource was used in the last hours and in the last days; bounded, whatever comes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final

from rules.exhaustion.slope import Point

MINUTE_S: Final = 60
HOUR_S: Final = 3600
HOURS: Final = 6
DAYS: Final = 7


class Ring:
    """The first value of each step of time, and no more steps than there is room for."""

    __slots__ = ("_room", "_slots", "_step_s", "_used")

    def __init__(self, step_s: int, room: int) -> None:
        self._step_s = step_s
        self._room = room
        self._slots = array("q")
        self._used = array("d")

    def add(self, at_s: float, used: float) -> bool:
        """Take a value, unless its step has one already or is past; tell whether it was taken."""
        slot = int(at_s // self._step_s)
        if self._slots and slot <= self._slots[-1]:
            return False
        self._slots.append(slot)
        self._used.append(used)
        first = slot - self._room
        while self._slots[0] <= first:
            del self._slots[0], self._used[0]
        return True

    def points(self) -> list[Point]:
        """Return the time of each step and its value."""
        return [
            (float(slot * self._step_s), used) for slot, used in zip(self._slots, self._used, strict=True)
        ]

    def known(self) -> list[list[float]]:
        """Return the points as JSON can hold them."""
        return [[at_s, used] for at_s, used in self.points()]

    def recall(self, known: object) -> None:
        """Take up what ``known`` returned; what is no point is left out."""
        for one in known if isinstance(known, list) else ():
            if isinstance(one, list) and len(one) == 2 and all(map(_is_number, one)):
                self.add(*one)


class History:
    """One point a minute for six hours, and one an hour for seven days: about 9 kB."""

    __slots__ = ("days", "hours")

    def __init__(self) -> None:
        self.hours = Ring(MINUTE_S, HOURS * HOUR_S // MINUTE_S)
        self.days = Ring(HOUR_S, DAYS * 24)

    def add(self, at_s: float, used: float) -> bool:
        """Take how much is used now; tell whether that is a new point."""
        self.days.add(at_s, used)
        return self.hours.add(at_s, used)

    def windows(self) -> tuple[Sequence[Point], Sequence[Point]]:
        """Return the points of the last hours and of the last days."""
        return self.hours.points(), self.days.points()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
