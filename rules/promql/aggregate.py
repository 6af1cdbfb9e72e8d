"""Aggregations: one value, or a choice of series, for each group of a vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from model.labels import EMPTY, NAME, Labels
from rules.promql.dialect import Compat
from rules.promql.limits import QueryError
from rules.promql.moment import UNNAMED, Moment, ScalarOf, VectorOf, forget_surplus
from rules.promql.numbers import greatest, least, mean, quantile, total, variance
from rules.promql.of_labels import by_value
from rules.promql.syntax import Grouping
from rules.store.store import Row

_WHOLE_MAX: Final = 1 << 63

FOLDS: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "sum": total,
    "avg": mean,
    "min": least,
    "max": greatest,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stdvar": variance,
    "stddev": lambda values: math.sqrt(variance(values)),
}
"""Aggregations that make one number of a group's values."""


def _variance_of_2(values: Sequence[float]) -> float:
    """Return the variance as 2.x has it, where one value alone varies by 0 even if it is no number."""
    return variance(values) if len(values) > 1 else 0.0


FOLDS_OF_2: Final = {
    **FOLDS,
    "stdvar": _variance_of_2,
    "stddev": lambda values: math.sqrt(_variance_of_2(values)),
}


class Groups:
    """Tells the group of each label set, remembered as long as the vector stays about the same."""

    __slots__ = ("_keep", "_known", "_names")

    def __init__(self, grouping: Grouping) -> None:
        self._keep = not grouping.without
        # With delayed names, a mark tells which names are to be dropped; it goes wherever the name goes.
        goes = not self._keep or NAME in grouping.labels
        self._names = (*grouping.labels, NAME, UNNAMED) if goes else grouping.labels
        self._known: dict[Labels, Labels] = {}

    def label_set(self, labels: Labels) -> Labels:
        """Return the labels of the group that this label set belongs to."""
        group = self._known.get(labels)
        if group is None:
            group = labels.only(self._names) if self._keep else labels.without(self._names)
            self._known[labels] = group
        return group

    def values(self, rows: list[Row]) -> dict[Labels, list[float]]:
        """Return the values of each group, groups in the order of their first row."""
        if self._keep and not self._names:
            return {EMPTY: [value for _, value in rows]} if rows else {}
        found: dict[Labels, list[float]] = {}
        for labels, value in rows:
            found.setdefault(self.label_set(labels), []).append(value)
        forget_surplus(self._known, len(rows))
        return found

    def rows(self, rows: list[Row]) -> dict[Labels, list[Row]]:
        """Return the rows of each group."""
        found: dict[Labels, list[Row]] = {}
        for row in rows:
            found.setdefault(self.label_set(row[0]), []).append(row)
        forget_surplus(self._known, len(rows))
        return found


def folded(operator: str, inner: VectorOf, grouping: Grouping, compat: Compat) -> VectorOf:
    """Make ``sum``, ``avg`` and the others that take no parameter."""
    fold, groups = (FOLDS_OF_2 if compat == "prometheus2" else FOLDS)[operator], Groups(grouping)
    return lambda moment: [(labels, fold(values)) for labels, values in groups.values(inner(moment)).items()]


def by_quantile(share: ScalarOf, inner: VectorOf, grouping: Grouping) -> VectorOf:
    """Make ``quantile``."""
    groups = Groups(grouping)

    def evaluate(moment: Moment) -> list[Row]:
        wanted = share(moment)
        return [(labels, quantile(wanted, values)) for labels, values in groups.values(inner(moment)).items()]

    return evaluate


def extremes(operator: str, count: ScalarOf, inner: VectorOf, grouping: Grouping) -> VectorOf:
    """Make ``topk`` or ``bottomk``: the series themselves, best first within each group."""
    groups, downwards = Groups(grouping), operator == "topk"

    def evaluate(moment: Moment) -> list[Row]:
        wanted = _count(operator, count(moment))
        if wanted < 1:
            return []
        chosen: list[Row] = []
        for rows in groups.rows(inner(moment)).values():
            chosen += by_value(rows, downwards=downwards)[:wanted]
        return chosen

    return evaluate


def _count(operator: str, wanted: float) -> int:
    if math.isnan(wanted) or abs(wanted) >= _WHOLE_MAX:
        raise QueryError(f"the parameter of {operator} is {wanted}, which is no count of series")
    return int(wanted)


def limited(count: ScalarOf, inner: VectorOf, grouping: Grouping) -> VectorOf:
    """Make ``limitk``: the first series of each group."""
    groups = Groups(grouping)

    def evaluate(moment: Moment) -> list[Row]:
        rows, wanted = inner(moment), _count("limitk", count(moment))
        chosen = groups.rows(rows).values() if wanted > 0 else ()
        return [row for rows in chosen for row in rows[:wanted]]

    return evaluate


def limited_share(share: ScalarOf, inner: VectorOf) -> VectorOf:
    """Make ``limit_ratio``: about this share of the series, chosen by a hash of their labels.

    A negative share chooses what the positive rest would not. The hash is ours, as Prometheus' own
    depends on how it was built.
    """

    def evaluate(moment: Moment) -> list[Row]:
        rows, wanted = inner(moment), share(moment)
        if math.isnan(wanted):
            raise QueryError("the parameter of limit_ratio is nan, which is no share of series")
        at = [int(labels.fingerprint(), 16) / 2.0**64 for labels, _ in rows]
        if wanted >= 0:
            return [row for row, place in zip(rows, at, strict=True) if place < wanted]
        return [row for row, place in zip(rows, at, strict=True) if place >= 1 + wanted]

    return evaluate


def counted_values(label: str, inner: VectorOf, grouping: Grouping) -> VectorOf:
    """Make ``count_values``: how often each value occurs, the value written into a label."""
    names = grouping.labels if grouping.without else (*grouping.labels, label)
    groups = Groups(Grouping(names, grouping.without))

    def evaluate(moment: Moment) -> list[Row]:
        found = [(labels.having({label: plain(value)}), value) for labels, value in inner(moment)]
        return [(labels, float(len(values))) for labels, values in groups.values(found).items()]

    return evaluate


def plain(value: float) -> str:
    """Return a number in the fewest digits, without an exponent: Go's ``FormatFloat(v, 'f', -1, 64)``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")
