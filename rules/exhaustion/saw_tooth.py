"""Ups that end in sudden downs, as of logs that are rotated and memory that is collected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from rules.exhaustion.slope import Point

_SUDDEN: Final = 0.3
_NOTABLE: Final = 0.005
_UNUSUAL: Final = 6.0


def resets(points: Sequence[Point], limit: float) -> list[int]:
    """Return the index of the first point after each reset.

    A reset is a fall, from one point to the next, by at least 0.3 of the swing that it ends, 0.5 % of the
    limit, and six times what lies between two points as a rule.
    """
    if len(points) < 2:
        return []
    usual = median(abs(after - before) for (_, before), (_, after) in pairwise(points))
    notable = max(_NOTABLE * limit, _UNUSUAL * usual)
    found: list[int] = []
    low = high = before = points[0][1]
    for index, (_, used) in enumerate(points):
        fall = before - used
        if fall > 0.0 and fall >= max(_SUDDEN * (high - low), notable):
            found.append(index)
            low = high = used
        low, high, before = min(low, used), max(high, used), used
    return found


def peaks(points: Sequence[Point], starts: Sequence[int]) -> list[Point]:
    """Return the point of most use before each reset."""
    return [
        max(points[begin:end], key=lambda point: point[1])
        for begin, end in zip((0, *starts), starts, strict=False)
    ]
