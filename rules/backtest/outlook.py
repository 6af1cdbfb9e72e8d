"""What an expression can come to at any moment of a span, worked out from bounds instead of moment by moment.

It is a superset: every element that a moment of the span has is in it, with its value within the bounds. So
a rule whose outlook is empty need not be judged there. What cannot be told is ``Unforeseeable``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from model.labels import EMPTY, NAME, Labels
from rules.backtest.bounds import ANYTHING, Bounds, compared, computed, hull, only
from rules.backtest.functions import LABELLED, OF_VALUE, OF_WINDOW, TRENDS, Window, clamped
from rules.backtest.seen import Prospect, Seen, Stretch
from rules.backtest.span import Span
from rules.backtest.trend import prediction_bounds, slope_bounds
from rules.file import RecordingRule
from rules.promql.check import kind_of
from rules.promql.parser import COMPARISONS, SET_OPERATORS
from rules.promql.syntax import (
    NOW,
    Aggregation,
    Binary,
    Call,
    Grouping,
    Matching,
    MatrixSelector,
    Node,
    Number,
    Shift,
    Subquery,
    Unary,
    VectorSelector,
    bare,
)
from rules.reach import ALERTS, ALERTS_FOR_STATE, ANY
from rules.store.store import LOOKBACK_MS, Selector

DEPTH_MAX: Final = 24
PROSPECTS_MAX: Final = 20_000

_RISKY: Final = (ANY, ALERTS, ALERTS_FOR_STATE)
_PLAIN: Final = Matching()


class Unforeseeable(Exception):
    """Bounds cannot tell what this expression comes to; it has to be judged moment by moment."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule as a source of series; ``late_ms`` is how old its newest value can be."""

    rule: RecordingRule
    late_ms: int


class Outlook:
    """Foresees expressions over one store; ``records`` names the rules that write a metric themselves."""

    def __init__(self, seen: Seen, records: Mapping[str, Sequence[Record]]) -> None:
        self._seen = seen
        self._records = records
        self._depth = 0

    def vector(self, node: Node, span: Span) -> list[Prospect]:
        """Return every element that the expression can have within the span, or raise ``Unforeseeable``."""
        self._depth += 1
        try:
            if self._depth > DEPTH_MAX:
                raise Unforeseeable
            found = self._vector(bare(node), span)
        finally:
            self._depth -= 1
        if len(found) > PROSPECTS_MAX:
            raise Unforeseeable
        return found

    def _vector(self, node: Node, span: Span) -> list[Prospect]:
        if kind_of(node) == "scalar":
            return [Prospect(EMPTY, self.scalar(node, span), sure=True)]
        match node:
            case VectorSelector():
                return self._selected(node.selector, _shifted(span, node.shift))
            case Call():
                return self._call(node, span)
            case Aggregation():
                return self._aggregation(node, span)
            case Unary():
                inner = self.vector(node.inner, span)
                return inner if node.operator == "+" else _unnamed(_negated(each) for each in inner)
            case Binary():
                return self._binary(node, span)
            case _:
                raise Unforeseeable

    def scalar(self, node: Node, span: Span) -> Bounds:
        """Return the bounds of a scalar."""
        node = bare(node)
        match node:
            case Number():
                return only(node.value)
            case Unary():
                inner = self.scalar(node.inner, span)
                return inner if node.operator == "+" else Bounds(-inner.high, -inner.low, inner.nan)
            case Call(function="time"):
                return Bounds(span.first_ms / 1000, span.last_ms / 1000)
            case Call(function="scalar"):
                found = self.vector(node.arguments[0], span)
                return found[0].bounds if len(found) == 1 and found[0].sure else ANYTHING
            case Binary() if node.operator in COMPARISONS:
                answer = compared(node.operator, self.scalar(node.left, span), self.scalar(node.right, span))
                return Bounds(0.0, 1.0) if answer is None else only(float(answer))
            case Binary():
                return computed(node.operator, self.scalar(node.left, span), self.scalar(node.right, span))
            case _:
                raise Unforeseeable

    def _selected(self, selector: Selector, span: Span) -> list[Prospect]:
        if selector.name in self._records:
            return self._recorded(selector, span.since(LOOKBACK_MS))
        if selector.name in _RISKY:
            raise Unforeseeable
        return self._seen.values(selector, span)

    def _recorded(self, selector: Selector, span: Span) -> list[Prospect]:
        """Return what a recording rule can have written, instead of reading what it wrote."""
        found: dict[Labels, Prospect] = {}
        for record in self._records[selector.name]:
            own = {**record.rule.labels.texts(), NAME: record.rule.name}
            often = record.late_ms < LOOKBACK_MS
            for labels, bounds, sure in self.vector(record.rule.expr.query.tree, span):
                full = labels.having(own)
                if not all(matcher.matches(full) for matcher in selector.matchers):
                    continue
                if full in found:
                    raise Unforeseeable
                found[full] = Prospect(full, bounds, sure and often)
        return list(found.values())

    def _call(self, node: Call, span: Span) -> list[Prospect]:
        name, arguments = node.function, node.arguments
        if name in OF_WINDOW or name in TRENDS:
            return self._over_range(node, span)
        if name in ("absent", "absent_over_time"):
            return self._absent(arguments[0], span)
        if name == "vector":
            return [Prospect(EMPTY, self.scalar(arguments[0], span), sure=True)]
        if not arguments or not (name in OF_VALUE or name in LABELLED or name.startswith("clamp")):
            raise Unforeseeable
        found = self.vector(arguments[0], span)
        if name in LABELLED:
            return found
        limits = [self.scalar(limit, span) for limit in arguments[1:]]
        of_bounds = OF_VALUE.get(name) or (lambda bounds: clamped(name, bounds, limits))
        return _unnamed(each._replace(bounds=of_bounds(each.bounds)) for each in found)

    def _absent(self, node: Node, span: Span) -> list[Prospect]:
        """Return nothing where the argument is always there; what absence would look like is not foreseen."""
        node = bare(node)
        if kind_of(node) == "matrix":
            there = any(stretch.sure for stretch in self._stretches(node, span)[0])
        else:
            there = any(each.sure for each in self.vector(node, span))
        if not there:
            raise Unforeseeable
        return []

    def _over_range(self, node: Call, span: Span) -> list[Prospect]:
        scalars = [self.scalar(each, span) for each in node.arguments if kind_of(each) == "scalar"]
        matrix = next(bare(each) for each in node.arguments if kind_of(each) == "matrix")
        if node.function in TRENDS:
            return self._trend(matrix, span, scalars)
        function = OF_WINDOW[node.function]
        stretches, range_ms = self._stretches(matrix, span)
        found = []
        for stretch in stretches:
            if stretch.count_max < function.needs:
                continue
            sure = stretch.sure and (function.needs + 1) * stretch.gap_ms < range_ms
            bounds = function.bounds(Window(stretch, range_ms / 1000, tuple(scalars)))
            found.append(Prospect(stretch.labels, bounds, sure))
        return found if node.function == "last_over_time" else _unnamed(found)

    def _trend(self, matrix: Node, span: Span, scalars: Sequence[Bounds]) -> list[Prospect]:
        plain = isinstance(matrix, MatrixSelector) and matrix.shift == NOW
        if not isinstance(matrix, MatrixSelector) or not plain or self._hides(matrix.selector.name):
            raise Unforeseeable
        range_ms = matrix.range_ms
        found = []
        for labels, sure, frames, lines in self._seen.trends(matrix.selector, span, range_ms):
            bounds = prediction_bounds(frames, lines, scalars[0]) if scalars else slope_bounds(lines)
            found.append(Prospect(labels, bounds, sure))
        return _unnamed(found)

    def _hides(self, name: str) -> bool:
        """Tell whether the series of this name are not those of the recording alone."""
        return name in self._records or name in _RISKY

    def _stretches(self, matrix: Node, span: Span) -> tuple[list[Stretch], int]:
        if isinstance(matrix, Subquery):
            inner = self.vector(matrix.inner, _shifted(span, matrix.shift).since(matrix.range_ms))
            return [_unstepped(each) for each in inner], matrix.range_ms
        assert isinstance(matrix, MatrixSelector), "the kind was checked"
        shifted, name = _shifted(span, matrix.shift), matrix.selector.name
        if name in self._records:
            inner = self._recorded(matrix.selector, shifted.since(matrix.range_ms))
            return [_unstepped(each) for each in inner], matrix.range_ms
        if name in _RISKY:
            raise Unforeseeable
        return self._seen.stretches(matrix.selector, shifted, matrix.range_ms), matrix.range_ms

    def _aggregation(self, node: Aggregation, span: Span) -> list[Prospect]:
        found = self.vector(node.inner, span)
        if node.operator in ("topk", "bottomk"):
            return [each._replace(sure=False) for each in found]
        if node.operator in ("quantile", "count_values"):
            raise Unforeseeable
        groups: dict[Labels, list[Prospect]] = {}
        for each in found:
            groups.setdefault(_group(each.labels, node.grouping), []).append(each)
        return [
            Prospect(labels, _folded(node.operator, members), any(each.sure for each in members))
            for labels, members in groups.items()
        ]

    def _binary(self, node: Binary, span: Span) -> list[Prospect]:
        if node.operator in SET_OPERATORS:
            return self._set(node, span)
        left_scalar = kind_of(node.left) == "scalar"
        if not left_scalar and kind_of(node.right) != "scalar":
            left = self.vector(node.left, span)
            right = self.vector(node.right, span) if left else []
            return _matched(node, left, right)
        subtrahend = bare(node.right)
        if _is_age(node) and isinstance(subtrahend, VectorSelector):
            return self._aged(subtrahend, span)
        vector = self.vector(node.right if left_scalar else node.left, span)
        number = self.scalar(node.left if left_scalar else node.right, span)
        found = []
        for each in vector:
            pair = (number, each.bounds) if left_scalar else (each.bounds, number)
            result = _result(node, *pair, kept=each.bounds)
            if result is not None:
                found.append(Prospect(each.labels, result[0], each.sure and result[1]))
        return found if _keeps_name(node) else _unnamed(found)

    def _aged(self, node: VectorSelector, span: Span) -> list[Prospect]:
        """Return ``time() - x``, where the time and a value that follows it stay close together."""
        if node.shift != NOW or self._hides(node.selector.name):
            raise Unforeseeable
        return _unnamed(self._seen.ages(node.selector, span))

    def _set(self, node: Binary, span: Span) -> list[Prospect]:
        left = self.vector(node.left, span)
        if node.operator == "or":
            return left + [each._replace(sure=False) for each in self.vector(node.right, span)]
        if node.operator == "unless" or not left:
            return [each._replace(sure=False) for each in left]
        matching = node.matching or _PLAIN
        known = {_signature(each.labels, matching) for each in self.vector(node.right, span)}
        return [each._replace(sure=False) for each in left if _signature(each.labels, matching) in known]


def _is_age(node: Binary) -> bool:
    left = bare(node.left)
    return node.operator == "-" and isinstance(left, Call) and left.function == "time"


def _result(node: Binary, left: Bounds, right: Bounds, kept: Bounds) -> tuple[Bounds, bool] | None:
    """Return the bounds of a result and whether it is there for sure; None where it never is."""
    if node.operator not in COMPARISONS:
        return computed(node.operator, left, right), True
    answer = compared(node.operator, left, right)
    if node.as_bool:
        return (Bounds(0.0, 1.0) if answer is None else only(float(answer))), True
    return None if answer is False else (kept, bool(answer))


def _matched(node: Binary, left: list[Prospect], right: list[Prospect]) -> list[Prospect]:
    """Return what two vectors can yield together; where they could pair ambiguously nothing is foreseen."""
    matching = node.matching or _PLAIN
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    partners: dict[Labels, Prospect] = {}
    for each in one:
        if partners.setdefault(_signature(each.labels, matching), each) is not each:
            raise Unforeseeable
    found: dict[Labels, Prospect] = {}
    taken: set[Labels] = set()
    for each in many:
        signature = _signature(each.labels, matching)
        partner = partners.get(signature)
        if partner is None:
            continue
        pair = (partner.bounds, each.bounds) if swapped else (each.bounds, partner.bounds)
        result = _result(node, *pair, kept=pair[0])
        labels = _merged(node, matching, each.labels, partner.labels)
        if labels in found or (matching.many is None and signature in taken):
            raise Unforeseeable
        taken.add(signature)
        if result is not None:
            found[labels] = Prospect(labels, result[0], each.sure and partner.sure and result[1])
    return list(found.values())


def _merged(node: Binary, matching: Matching, many: Labels, one: Labels) -> Labels:
    kept = many if _keeps_name(node) else many.nameless()
    if matching.many is None:
        kept = kept.only(matching.labels) if matching.on else kept.without(matching.labels)
    return kept.having({label: one.get(label) for label in matching.include}) if matching.include else kept


def _keeps_name(node: Binary) -> bool:
    return node.operator in COMPARISONS and not node.as_bool


def _signature(labels: Labels, matching: Matching) -> Labels:
    return labels.only(matching.labels) if matching.on else labels.without((*matching.labels, NAME))


def _group(labels: Labels, grouping: Grouping) -> Labels:
    return labels.without((*grouping.labels, NAME)) if grouping.without else labels.only(grouping.labels)


def _folded(operator: str, members: list[Prospect]) -> Bounds:
    each = [member.bounds for member in members]
    if operator == "sum":
        low = sum(b.low if member.sure else min(0.0, b.low) for member, b in zip(members, each, strict=True))
        high = sum(
            b.high if member.sure else max(0.0, b.high) for member, b in zip(members, each, strict=True)
        )
        whole = Bounds(low, high, any(b.nan or not b.finite for b in each))
        return whole.widened() if low <= high else ANYTHING
    if operator == "count":
        return Bounds(float(max(1, sum(member.sure for member in members))), float(len(members)))
    if operator == "group":
        return only(1.0)
    whole = hull(each)
    if operator in ("min", "max", "avg"):
        return whole.widened() if operator == "avg" else whole
    width = whole.high - whole.low
    return Bounds(0.0, width * max(1.0, width) if operator == "stdvar" else width, whole.nan).widened()


def _negated(each: Prospect) -> Prospect:
    return each._replace(bounds=Bounds(-each.bounds.high, -each.bounds.low, each.bounds.nan))


def _unnamed(found: Iterable[Prospect]) -> list[Prospect]:
    """Return the elements without metric names; two that become one label set could be an error."""
    known: dict[Labels, Prospect] = {}
    for each in found:
        labels = each.labels.nameless()
        if labels in known:
            raise Unforeseeable
        known[labels] = Prospect(labels, each.bounds, each.sure)
    return list(known.values())


def _unstepped(each: Prospect) -> Stretch:
    """Return an element over a range; how it gets from one value to the next is not known."""
    return Stretch(each.labels, each.bounds, ANYTHING, ANYTHING, ANYTHING, 0, sure=False, count_max=1 << 30)


def _shifted(span: Span, shift: Shift) -> Span:
    if isinstance(shift.anchor, int):
        raise Unforeseeable
    return span.earlier(shift.offset_ms)
