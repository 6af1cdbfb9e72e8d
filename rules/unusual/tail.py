"""How far out in its tail a value lies, given all that came before."""

from __future__ import annotations

import math
from typing import Final

BEYOND: Final = 0.05
"""The share of values that count as the tail."""

_MEMORY: Final = 2000
_PEAKS: Final = 100
_BASE: Final = -math.log10(BEYOND)
_LN_10: Final = math.log(10.0)
_LARGE: Final = 8.0
_LARGE_EXCESS: Final = 6.0
_LEAST_GAIN: Final = 1.0 / _MEMORY
_LEAST_STEP: Final = 0.005


class Tail:
    """The upper tail of a stream of sizes: where it begins, and how fast it thins out.

    Where it begins is a quantile, found by stochastic approximation; beyond it sizes are taken to be
    exponential (peaks over threshold). One huge size moves neither by more than a few times what is usual.
    """

    __slots__ = ("_begins", "_beyond", "_excess", "_scale", "_seen")

    def __init__(self) -> None:
        self._seen = 0
        self._begins = 0.0
        self._scale = 0.0
        self._beyond = 0
        self._excess = 0.0

    def surprise(self, size: float) -> float:
        """Return -log10 of the chance of such a size or a larger one, 0 below the tail; then learn."""
        self._seen = seen = self._seen + 1
        if seen == 1:
            self._begins = size
            return 0.0
        past = size - self._begins
        distance, scale = abs(past), self._scale
        if distance > _LARGE * scale > 0.0:
            distance = _LARGE * scale
        gain = _LEAST_GAIN if seen > _MEMORY else 1.0 / seen
        self._scale = scale = scale + (distance - scale) * gain
        step = scale * (3.0 * gain if gain > _LEAST_STEP / 3.0 else _LEAST_STEP)
        if past <= 0.0:
            self._begins -= step * BEYOND
            return 0.0
        self._begins += step * (1.0 - BEYOND)
        return self._surprise(past)

    def _surprise(self, past: float) -> float:
        """Return how rare it is to be so far in the tail, then learn how fast it thins out."""
        excess = self._excess
        surprise = _BASE + past / excess / _LN_10 if excess > 0.0 else 0.0
        if past > _LARGE_EXCESS * excess > 0.0:
            past = _LARGE_EXCESS * excess
        self._beyond += 1
        self._excess = excess + (past - excess) / min(self._beyond, _PEAKS)
        return surprise
