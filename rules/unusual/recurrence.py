"""How often something as large as this happened before."""

from __future__ import annotations

import math
from bisect import insort
from typing import Final

PEAKS_MAX: Final = 12
_AS_LARGE: Final = 0.7
_APART: Final = 30
_NOTABLE: Final = 1.5


class Recurrence:
    """The largest sizes of a stream, one per episode; what recurs surprises less than its tail says."""

    __slots__ = ("_left", "_peak", "_peaks")

    def __init__(self) -> None:
        self._peaks: list[float] = []
        self._peak = 0.0
        self._left = 0

    def discount(self, size: float, surprise: float) -> float:
        """Return the surprise of a size, less the logarithm of how many episodes were as large."""
        if surprise > _NOTABLE:
            as_large = sum(1 for peak in self._peaks if peak >= size * _AS_LARGE)
            self._peak = max(self._peak, size)
            self._left = _APART
            return max(0.0, surprise - math.log10(1 + as_large))
        if self._left:
            self._left -= 1
            if not self._left:
                insort(self._peaks, self._peak)
                if len(self._peaks) > PEAKS_MAX:
                    del self._peaks[0]
                self._peak = 0.0
        return 0.0
