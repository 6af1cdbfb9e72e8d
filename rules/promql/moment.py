"""What an evaluation works with: the moment it looks from, and the shapes of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from model.labels import Labels
from rules.promql.syntax import Shift
from rules.store import Row, Store, Window

Key = TypeVar("Key")

SAMPLES_MAX: Final = 1_000_000
"""How many samples one evaluation may read."""


class QueryError(Exception):
    """An expression that is right in itself has no result on these samples; the sentence says why."""


class Budget:
    """How much one evaluation may still read."""

    __slots__ = ("samples_left",)

    def __init__(self) -> None:
        self.samples_left = SAMPLES_MAX


class Moment:
    """One evaluation: the store, the time, and what may still be read.

    ``first_ms`` and ``last_ms`` are the ends of the whole query, which ``@ start()`` and ``@ end()`` mean.
    """

    __slots__ = ("at_ms", "budget", "first_ms", "last_ms", "store")

    def __init__(self, store: Store, at_ms: int, first_ms: int, last_ms: int, budget: Budget) -> None:
        self.store = store
        self.at_ms = at_ms
        self.first_ms = first_ms
        self.last_ms = last_ms
        self.budget = budget

    def at(self, at_ms: int) -> Moment:
        """Return the same evaluation at another time."""
        return Moment(self.store, at_ms, self.first_ms, self.last_ms, self.budget)

    def shifted_ms(self, shift: Shift) -> int:
        """Return the time that a selector with this offset and ``@`` looks from."""
        anchor = shift.anchor
        if anchor is None:
            return self.at_ms - shift.offset_ms
        if anchor == "start":
            anchor = self.first_ms
        elif anchor == "end":
            anchor = self.last_ms
        return anchor - shift.offset_ms

    def spend(self, samples: int) -> None:
        """Count samples that were read; raise ``QueryError`` when they are too many."""
        self.budget.samples_left -= samples
        if self.budget.samples_left < 0:
            raise QueryError(f"the query reads more than {SAMPLES_MAX} samples")


VectorOf = Callable[[Moment], list[Row]]
ScalarOf = Callable[[Moment], float]
MatrixOf = Callable[[Moment], Iterator[Window]]


class Matrix:
    """A range vector to be: where its windows come from, and how they lie in time."""

    __slots__ = ("range_ms", "shift", "windows")

    def __init__(self, windows: MatrixOf, range_ms: int, shift: Shift) -> None:
        self.windows = windows
        self.range_ms = range_ms
        self.shift = shift


def distinct(rows: list[Row]) -> list[Row]:
    """Return the rows, or raise ``QueryError`` where two carry the same labels."""
    if len(rows) > 1 and len({labels for labels, _ in rows}) != len(rows):
        raise QueryError("vector cannot contain metrics with the same labelset")
    return rows


def unnamed(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without their metric names."""
    return distinct([(labels.nameless(), value) for labels, value in rows])


def forget_surplus(known: dict[Key, Labels], wanted: int) -> None:
    """Empty a memory of label sets once most of it belongs to series that are gone."""
    if len(known) > 2 * wanted + 64:
        known.clear()
