"""Figures that say how sure they are: shares with their interval, spreads with their number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FEW: Final = 5  # below it a percentage says more than is known
_Z: Final = 1.959963984540054  # 95 % of a normal distribution lie within so many deviations


@dataclass(frozen=True, slots=True)
class Share:
    """``k`` of ``n``; without any ``n`` there is no data, which is neither 0 nor 100 %."""

    k: int = 0
    n: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.k <= self.n:
            raise ValueError(f"{self.k} of {self.n} is not a share")

    @property
    def value(self) -> float | None:
        """The share from 0 to 1, or None without data."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval that holds the true share in 95 of 100 cases (Wilson 1927), or None without data."""
        if not self.n:
            return None
        share, squared = self.k / self.n, _Z * _Z
        middle = (share + squared / (2 * self.n)) / (1 + squared / self.n)
        spread = math.sqrt(share * (1 - share) / self.n + squared / (4 * self.n * self.n))
        half = _Z * spread / (1 + squared / self.n)
        # At either end it is exact; the sum above misses it by a rounding.
        low = 0.0 if self.k == 0 else max(0.0, middle - half)
        return low, 1.0 if self.k == self.n else min(1.0, middle + half)

    def __add__(self, other: Share) -> Share:
        return Share(self.k + other.k, self.n + other.n)

    def __str__(self) -> str:
        if not self.n:
            return "no data"
        if self.n < FEW:
            return f"{self.k} of {self.n}"
        assert self.interval is not None
        low, high = self.interval
        return f"{100 * self.k / self.n:.1f} % ({100 * low:.0f} to {100 * high:.0f} %, {self.k} of {self.n})"


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of ``n`` lengths of time in ms and what nine of ten stay within; None without any."""

    n: int = 0
    p50_ms: int | None = None
    p90_ms: int | None = None
    p99_ms: int | None = None
    mean_ms: float | None = None


def spread(lengths: Sequence[tuple[int, int]]) -> Spread:
    """Return the spread of pairs of a length in ms and how often it occurred.

    A percentile is the smallest length that at least that share does not exceed (nearest rank).
    """
    ordered = sorted((length, count) for length, count in lengths if count)
    n = sum(count for _, count in ordered)
    if not n:
        return Spread()
    mean = sum(length * count for length, count in ordered) / n
    p50_ms, p90_ms, p99_ms = (_rank(ordered, n, percent) for percent in (50, 90, 99))
    return Spread(n, p50_ms, p90_ms, p99_ms, mean)


def _rank(ordered: Sequence[tuple[int, int]], n: int, percent: int) -> int:
    wanted, seen = -(-n * percent // 100), 0
    for length, count in ordered:
        seen += count
        if seen >= wanted:
            return length
    raise AssertionError("a rank is at most the number of lengths")
