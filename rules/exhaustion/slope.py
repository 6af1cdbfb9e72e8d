"""How fast something grows, robustly: the median of all slopes between two points, and how sure that is.

Theil (1950) and Sen (1968). The interval is Sen's, from Kendall's variance of the number of pairs that
rise. It holds for independent points; where neighbours deviate alike, there are in effect fewer of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

_SURE: Final = 2.576  # of a normal deviate: 99 %
_ALIKE_MAX: Final = 0.9
_NORMAL: Final = 1.4826  # a normal deviation in units of its median

Point = tuple[float, float]
"""A time in seconds, and how much is used then."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A line through points: its slope per second with the least and the greatest that are likely.

    ``level`` is where the line is at the last point, ``spread`` how far points usually are from it,
    and ``swing`` how much lies between the lowest and the highest.
    """

    each_s: float
    least: float
    greatest: float
    level: float
    spread: float
    swing: float

    @property
    def sure(self) -> bool:
        """Whether it is sure that there is growth at all."""
        return self.least > 0.0


def slope(points: Sequence[Point]) -> Slope:
    """Return the line through at least two points; it takes time with the square of their number."""
    pairs = sorted(
        (later - earlier) / (after_s - before_s)
        for index, (before_s, earlier) in enumerate(points)
        for after_s, later in points[index + 1 :]
        if after_s > before_s
    )
    each_s = median(pairs)
    last_s = points[-1][0]
    levels = [used - each_s * (at_s - last_s) for at_s, used in points]
    level = median(levels)
    off = [one - level for one in levels]
    spread = _NORMAL * median(map(abs, off))
    count = len(points)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    alike = _alike(off)
    half = _SURE * deviation * math.sqrt((1.0 + alike) / (1.0 - alike)) / 2
    middle = (len(pairs) - 1) / 2
    least = pairs[max(0, math.floor(middle - half))]
    greatest = pairs[min(len(pairs) - 1, math.ceil(middle + half))]
    swing = max(used for _, used in points) - min(used for _, used in points)
    return Slope(each_s, least, greatest, level, spread, swing)


def _alike(off: Sequence[float]) -> float:
    """Return how alike neighbours deviate: their autocorrelation, at least 0 and at most 0.9."""
    total = math.fsum(one * one for one in off)
    if total <= 0.0:
        return 0.0
    along = math.fsum(one * other for one, other in pairwise(off))
    return min(max(along / total, 0.0), _ALIKE_MAX)
