"""Whether what is unusual here happens again and again in the same size, as a nightly job does."""

from __future__ import annotations

from typing import Final

EPISODES: Final = 24
"""How many of the last episodes are remembered."""

HABIT: Final = 8
"""So many of one size are a habit."""

_NOTABLE: Final = 0.8
_APART: Final = 30
_SAME: Final = 0.9
_USUAL: Final = 1.0


class Habit:
    """The sizes of the last episodes; evidence of what has become a habit counts for little."""

    __slots__ = ("_left", "_size", "_sizes")

    def __init__(self) -> None:
        self._sizes: list[float] = []
        self._size = 0.0
        self._left = 0

    def weighed(self, size: float, evidence: float) -> float:
        """Return the evidence, or what counts of it where the last episodes often had this size."""
        if evidence > _NOTABLE:
            self._size = max(self._size, size)
            self._left = _APART
            low, high = size * _SAME, size / _SAME
            if size > 0.0 and sum(1 for one in self._sizes if low <= one <= high) >= HABIT:
                return min(evidence, _USUAL)
        elif self._left:
            self._left -= 1
            if not self._left:
                self._sizes.append(self._size)
                del self._sizes[:-EPISODES]
                self._size = 0.0
        return evidence
