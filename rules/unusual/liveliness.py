"""Whether a series changes more than it did of late."""

from __future__ import annotations

import math
from typing import Final

_QUICK: Final = 10
_SLOW: Final = 200
_LEAST: Final = 1e-12


class Liveliness:
    """The mean change from sample to sample, over a short and over a long while."""

    __slots__ = ("_last", "_quick", "_seen", "_slow")

    def __init__(self) -> None:
        self._seen = 0
        self._last = self._quick = self._slow = 0.0

    def ratio(self, value: float) -> float:
        """Return the logarithm of the short while's change over the long while's; 0 while there was none."""
        change = abs(value - self._last) if self._seen else 0.0
        self._seen += 1
        self._last = value
        self._quick += (change - self._quick) / min(self._seen, _QUICK)
        self._slow += (change - self._slow) / min(self._seen, _SLOW)
        return math.log((self._quick + _LEAST) / (self._slow + _LEAST)) if self._slow > 0.0 else 0.0
