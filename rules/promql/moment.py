"""What an evaluation works with: the moment it looks from, and the shapes of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from model.labels import Labels
from rules.promql.limits import Budget, QueryError
from rules.promql.samples import Samples
from rules.promql.syntax import Shift
from rules.store.store import Row, Store

Key = TypeVar("Key")

UNNAMED: Final = "__unnamed__"
"""A label that no series has: with delayed names, its name is to be dropped from the result."""
UNNAMED_MARK: Final = {UNNAMED: "1"}


@dataclass(frozen=True, slots=True)
class Frame:
    """What stays the same throughout one query.

    ``first_ms`` and ``last_ms`` are its ends, which ``@ start()`` and ``@ end()`` mean. ``plain`` leaves out
    all short cuts, so that a test can compare.
    """

    store: Store
    first_ms: int
    last_ms: int
    budget: Budget
    names_delayed: bool = False
    plain: bool = False


class Moment:
    """One evaluation: the store, the time, and what may still be read."""

    __slots__ = ("_frame", "at_ms", "budget", "names_delayed", "plain", "store")

    def __init__(self, frame: Frame, at_ms: int) -> None:
        self._frame = frame
        self.store = frame.store
        self.budget = frame.budget
        self.plain = frame.plain
        self.names_delayed = frame.names_delayed
        self.at_ms = at_ms

    def at(self, at_ms: int) -> Moment:
        """Return the same evaluation at another time."""
        return Moment(self._frame, at_ms)

    def shifted_ms(self, shift: Shift) -> int:
        """Return the time that a selector with this offset and ``@`` looks from."""
        anchor = shift.anchor
        if anchor is None:
            return self.at_ms - shift.offset_ms
        if anchor == "start":
            anchor = self._frame.first_ms
        elif anchor == "end":
            anchor = self._frame.last_ms
        return anchor - shift.offset_ms

    def unnamed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows without their metric names, which tell nothing of what was computed from them."""
        if self.names_delayed:
            return [(labels.having(UNNAMED_MARK), value) for labels, value in rows]
        return distinct([(labels.nameless(), value) for labels, value in rows])


VectorOf = Callable[[Moment], list[Row]]
ScalarOf = Callable[[Moment], float]
MatrixOf = Callable[[Moment], Iterator[tuple[Labels, Samples]]]


class Matrix:
    """A range vector to be: where the samples of its series come from, and how they lie in time."""

    __slots__ = ("range_ms", "samples", "shift")

    def __init__(self, samples: MatrixOf, range_ms: int, shift: Shift) -> None:
        self.samples = samples
        self.range_ms = range_ms
        self.shift = shift


def distinct(rows: list[Row]) -> list[Row]:
    """Return the rows, or raise ``QueryError`` where two carry the same labels."""
    if len(rows) > 1 and len({labels for labels, _ in rows}) != len(rows):
        raise QueryError("vector cannot contain metrics with the same labelset")
    return rows


def names_dropped(rows: list[Row]) -> list[Row]:
    """Return the rows without the names that were marked as no longer theirs."""
    return [
        (labels.nameless().without((UNNAMED,)) if UNNAMED in labels else labels, value)
        for labels, value in rows
    ]


def forget_surplus(known: dict[Key, Labels], wanted: int) -> None:
    """Empty a memory of label sets once most of it belongs to series that are gone."""
    if len(known) > 2 * wanted + 64:
        known.clear()
