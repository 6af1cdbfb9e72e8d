"""Bounds: between which numbers a value stays over a span of time, and what operators make of them.

Sums, differences, products and quotients of doubles are rounded monotonically, so that computing with the
corners bounds every result exactly; functions that sum in another order widen what they return.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

INF: Final = math.inf
SLACK: Final = 1e-9


class Bounds(NamedTuple):
    """The least and the greatest number that a value can be; ``nan`` says that it can also be none."""

    low: float
    high: float
    nan: bool = False

    @property
    def exact(self) -> bool:
        """Whether it can be one number only."""
        return self.low == self.high and not self.nan

    @property
    def finite(self) -> bool:
        """Whether no infinity is within them."""
        return self.low > -INF and self.high < INF

    def widened(self, slack: float = SLACK) -> Bounds:
        """Return them with room for rounding, relative to the larger of the two."""
        room = slack * max(abs(self.low), abs(self.high))
        return Bounds(self.low - room, self.high + room, self.nan) if math.isfinite(room) else self


ANYTHING: Final = Bounds(-INF, INF, nan=True)


def only(value: float) -> Bounds:
    """Return the bounds of one number."""
    return ANYTHING if math.isnan(value) else Bounds(value, value)


def of_values(values: Iterable[float]) -> Bounds:
    """Return the bounds of some numbers; without any, or with one that is none, of anything."""
    known = list(values)
    total = math.nan if not known else sum(known)
    # The sum is no number where one of them is none, or where infinities of both signs meet.
    return ANYTHING if math.isnan(total) else Bounds(min(known), max(known))


def hull(many: Iterable[Bounds]) -> Bounds:
    """Return the bounds of a value that may be any of these."""
    each = tuple(many)
    if not each:
        return ANYTHING
    return Bounds(min(b.low for b in each), max(b.high for b in each), any(b.nan for b in each))


def computed(operator: str, left: Bounds, right: Bounds) -> Bounds:
    """Return the bounds of an arithmetic result."""
    make = _ARITHMETIC.get(operator)
    if make is None or (operator == "/" and right.low <= 0 <= right.high):
        return ANYTHING
    corners = [make(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    low, high = min(corners), max(corners)
    if any(map(math.isnan, corners)):
        return ANYTHING
    return Bounds(low, high, left.nan or right.nan or not (left.finite and right.finite))


_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def compared(operator: str, left: Bounds, right: Bounds) -> bool | None:
    """Return what a comparison comes to for all values within the bounds, or None where that differs."""
    if operator in (">", ">="):
        return compared({">": "<", ">=": "<="}[operator], right, left)
    numbers = not (left.nan or right.nan)
    apart = left.high < right.low or right.high < left.low
    equal = left.low == left.high == right.low == right.high
    if operator == "==":
        return False if apart else True if equal and numbers else None
    if operator == "!=":
        return True if apart else False if equal and numbers else None
    below = left.high < right.low if operator == "<" else left.high <= right.low
    above = left.low >= right.high if operator == "<" else left.low > right.high
    # What is no number compares as false, so only a certain yes asks whether all are numbers.
    return False if above else True if below and numbers else None
