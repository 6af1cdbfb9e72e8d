"""A compiled expression: what it needs to know of the past, and its value at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from model.labels import EMPTY, Labels
from rules.promql.check import KIND_WORDS, check
from rules.promql.compile import Compiler
from rules.promql.moment import Budget, Moment, QueryError, ScalarOf, VectorOf, distinct
from rules.promql.parser import parse
from rules.promql.syntax import (
    Kind,
    MatrixSelector,
    Node,
    Subquery,
    VectorSelector,
    children,
)
from rules.store import LOOKBACK_MS, Store

STEP_MS: Final = 60_000
"""The step of a subquery that names none: Prometheus' default evaluation interval."""


class Point(NamedTuple):
    """One element of a result."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, ready to be evaluated again and again against one store at a time.

    ``metrics`` are the metric names that its selectors read; the empty name stands for any.
    ``lookback_ms`` is how far before the moment of evaluation it reads; a fixed ``@`` time is not counted.
    """

    text: str
    tree: Node
    kind: Kind
    metrics: frozenset[str]
    lookback_ms: int
    _work: VectorOf | ScalarOf | None = field(repr=False, compare=False)

    def at(self, store: Store, at_ms: int) -> tuple[Point, ...]:
        """Return the result at this time; a scalar is one point without labels.

        Raises ``QueryError`` where the samples allow no result, and for a string or a range vector.
        """
        if self._work is None:
            raise QueryError(f"the expression is {KIND_WORDS[self.kind]}, which has no value at one moment")
        result = self._work(Moment(store, at_ms, at_ms, Budget()))
        if isinstance(result, float):
            return (Point(EMPTY, result),)
        return tuple(map(Point._make, distinct(result)))


def compile_query(text: str, step_ms: int = STEP_MS) -> Query:
    """Return an expression ready for use; raise ``Misfit`` with the offset of its first mistake."""
    tree = parse(text)
    kind = check(tree)
    compiler = Compiler(step_ms)
    work: VectorOf | ScalarOf | None = None
    if kind == "vector":
        work = compiler.vector(tree)
    elif kind == "scalar":
        work = compiler.scalar(tree)
    reads = list(_reads(tree, 0))
    names = frozenset(name for name, _ in reads)
    return Query(text, tree, kind, names, max((0, *(back_ms for _, back_ms in reads))), work)


def _reads(node: Node, outer_ms: int) -> Iterator[tuple[str, int]]:
    """Yield the metric name of each selector and how far back it reads."""
    match node:
        case VectorSelector():
            yield node.selector.name, outer_ms + LOOKBACK_MS + node.shift.offset_ms
        case MatrixSelector():
            yield node.selector.name, outer_ms + node.range_ms + node.shift.offset_ms
        case Subquery():
            yield from _reads(node.inner, outer_ms + node.range_ms + node.shift.offset_ms)
        case _:
            for child in children(node):
                yield from _reads(child, outer_ms)
