"""Binary operators: between numbers, a vector and a number, and two vectors matched by their labels."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Final, Literal

from model.labels import NAME, Labels
from rules.promql.limits import QueryError
from rules.promql.moment import UNNAMED, UNNAMED_MARK, Moment, ScalarOf, VectorOf, distinct, forget_surplus
from rules.promql.numbers import divided, power, remainder
from rules.promql.syntax import Matching
from rules.store.store import Row

ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divided,
    "%": remainder,
    "^": power,
    "atan2": math.atan2,
}
COMPARISON: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SAME_LABELS: Final = Matching()


def between_numbers(name: str, left: ScalarOf, right: ScalarOf) -> ScalarOf:
    """Make an operator between two scalars; a comparison yields 0 or 1."""
    if name in COMPARISON:
        compare = COMPARISON[name]
        return lambda moment: float(compare(left(moment), right(moment)))
    compute = ARITHMETIC[name]
    return lambda moment: compute(left(moment), right(moment))


def with_number(
    name: str, vector: VectorOf, number: ScalarOf, *, number_left: bool, as_bool: bool, keeps_name: bool
) -> VectorOf:
    """Make an operator between a vector and a scalar; a comparison keeps the vector's rows that pass."""
    if name in ARITHMETIC:
        compute = ARITHMETIC[name]
        if number_left:
            compute = _swapped(compute)
        return _kept(compute, vector, number) if keeps_name else _computed(compute, vector, number)
    compare = COMPARISON[_MIRRORED[name] if number_left else name]
    if as_bool:
        return _judged(compare, vector, number)

    def filtered(moment: Moment) -> list[Row]:
        rows = vector(moment)
        if not rows and not moment.plain:
            return rows
        limit = number(moment)
        return distinct([row for row in rows if compare(row[1], limit)])

    return filtered


_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _swapped(compute: Callable[[float, float], float]) -> Callable[[float, float], float]:
    return lambda left, right: compute(right, left)


def _computed(compute: Callable[[float, float], float], vector: VectorOf, number: ScalarOf) -> VectorOf:
    def evaluate(moment: Moment) -> list[Row]:
        rows = vector(moment)
        if not rows and not moment.plain:
            return rows
        other = number(moment)
        return moment.unnamed([(labels, compute(value, other)) for labels, value in rows])

    return evaluate


def _kept(compute: Callable[[float, float], float], vector: VectorOf, number: ScalarOf) -> VectorOf:
    """Make an operator that leaves the names: ``atan2`` of 2.x."""

    def evaluate(moment: Moment) -> list[Row]:
        other = number(moment)
        return [(labels, compute(value, other)) for labels, value in vector(moment)]

    return evaluate


def _judged(compare: Callable[[float, float], bool], vector: VectorOf, number: ScalarOf) -> VectorOf:
    def evaluate(moment: Moment) -> list[Row]:
        rows = vector(moment)
        limit = number(moment) if rows or moment.plain else 0.0
        return moment.unnamed([(labels, float(compare(value, limit))) for labels, value in rows])

    return evaluate


class _Signatures:
    """Tells which labels of a series must be equal on both sides, remembered while the series stay."""

    __slots__ = ("_known", "_names", "_on")

    def __init__(self, matching: Matching) -> None:
        self._on = matching.on
        self._names = matching.labels if matching.on else (*matching.labels, NAME, UNNAMED)
        self._known: dict[Labels, Labels] = {}

    def of(self, rows: list[Row]) -> list[Labels]:
        """Return the signature of each row."""
        known = self._known
        forget_surplus(known, len(rows))
        found = []
        for labels, _ in rows:
            signature = known.get(labels)
            if signature is None:
                signature = labels.only(self._names) if self._on else labels.without(self._names)
                known[labels] = signature
            found.append(signature)
        return found


def of_sets(name: str, left: VectorOf, right: VectorOf, matching: Matching) -> VectorOf:
    """Make ``and``, ``or`` or ``unless``; an empty left side settles all but ``or`` at once."""
    ours, theirs = _Signatures(matching), _Signatures(matching)
    wanted = name == "and"

    def chosen(moment: Moment) -> list[Row]:
        rows = left(moment)
        if not rows and not moment.plain:
            return rows
        others = right(moment)
        if not others:
            return [] if wanted else rows
        known = set(theirs.of(others))
        return [
            row for row, signature in zip(rows, ours.of(rows), strict=True) if (signature in known) is wanted
        ]

    def united(moment: Moment) -> list[Row]:
        rows, others = left(moment), right(moment)
        if not rows or not others:
            return rows or others
        known = set(ours.of(rows))
        more = zip(others, theirs.of(others), strict=True)
        return rows + [row for row, signature in more if signature not in known]

    return united if name == "or" else chosen


class Pairing:
    """An operator between two vectors whose rows meet by their signatures.

    The many side, which for one-to-one is the left one, gives the result its labels.
    """

    __slots__ = (
        "_as_bool",
        "_keeps_name",
        "_known",
        "_matching",
        "_name",
        "_names_delayed",
        "_one",
        "_side",
    )

    def __init__(
        self, name: str, matching: Matching, *, as_bool: bool, keeps_name: bool, names_delayed: bool
    ) -> None:
        self._name = name
        self._matching = matching
        self._as_bool = as_bool
        self._keeps_name = keeps_name
        self._names_delayed = names_delayed
        self._side, self._one = _Signatures(matching), _Signatures(matching)
        self._known: dict[tuple[Labels, Labels], Labels] = {}

    def rows(self, left: list[Row], right: list[Row]) -> list[Row]:
        """Return the result for each pair, or raise ``QueryError`` where rows pair ambiguously."""
        swapped = self._matching.many == "right"
        many, one = (right, left) if swapped else (left, right)
        partners = self._partners(one, "left" if swapped else "right")
        forget_surplus(self._known, len(many))
        found: list[Row] = []
        taken: dict[Labels, set[Labels]] = {}
        for (labels, value), signature in zip(many, self._side.of(many), strict=True):
            partner = partners.get(signature)
            if partner is None:
                continue
            result = self._value(partner[1], value) if swapped else self._value(value, partner[1])
            if result is None:
                continue
            merged = self._labels(labels, partner[0])
            self._take(taken, signature, merged)
            found.append((merged, result))
        return distinct(found)

    def _partners(self, rows: list[Row], side: Literal["left", "right"]) -> dict[Labels, Row]:
        partners: dict[Labels, Row] = {}
        for row, signature in zip(rows, self._one.of(rows), strict=True):
            known = partners.setdefault(signature, row)
            if known is not row:
                raise QueryError(
                    f"found duplicate series for the match group {_braced(signature)} on the {side} "
                    f"hand-side of the operation: [{_braced(row[0])}, {_braced(known[0])}]; many-to-many "
                    "matching not allowed: matching labels must be unique on one side"
                )
        return partners

    def _value(self, left: float, right: float) -> float | None:
        """Return the result of two values, or None where a comparison drops them."""
        compute = ARITHMETIC.get(self._name)
        if compute is not None:
            return compute(left, right)
        passes = COMPARISON[self._name](left, right)
        if self._as_bool:
            return float(passes)
        return left if passes else None

    def _labels(self, many: Labels, one: Labels) -> Labels:
        known = self._known.get((many, one))
        if known is None:
            known = self._known[many, one] = self._merged(many, one)
        return known

    def _merged(self, many: Labels, one: Labels) -> Labels:
        matching = self._matching
        kept = many
        if not self._keeps_name:
            kept = many.having(UNNAMED_MARK) if self._names_delayed else many.nameless()
        if matching.many is None:
            kept = kept.only(matching.labels) if matching.on else kept.without(matching.labels)
        if matching.include:
            kept = kept.having({label: one.get(label) for label in matching.include})
        return kept

    def _take(self, taken: dict[Labels, set[Labels]], signature: Labels, merged: Labels) -> None:
        """Note a pair; refuse a second one where it would make two rows of one label set."""
        if self._matching.many is None:
            if signature in taken:
                raise QueryError(
                    "multiple matches for labels: many-to-one matching must be explicit "
                    "(group_left/group_right)"
                )
            taken[signature] = set()
            return
        inserted = taken.setdefault(signature, set())
        if merged in inserted:
            raise QueryError("multiple matches for labels: grouping labels must ensure unique matches")
        inserted.add(merged)


def between_vectors(left: VectorOf, right: VectorOf, pairing: Pairing) -> VectorOf:
    """Make an arithmetic or comparing operator between two vectors; an empty side settles it."""

    def evaluate(moment: Moment) -> list[Row]:
        ours = left(moment)
        theirs = right(moment) if ours or moment.plain else []
        return pairing.rows(ours, theirs) if ours and theirs else []

    return evaluate


def _braced(labels: Labels) -> str:
    """Return a label set in braces, its metric name among the labels."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.pairs) + "}"
