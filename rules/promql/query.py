"""A compiled expression: what it needs to know of the past, and its value at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from model.labels import EMPTY, Labels
from model.plugin import Deadline
from rules.promql.check import KIND_WORDS, check
from rules.promql.compile import Compiler
from rules.promql.dialect import Compat, Dialect
from rules.promql.limits import LIMITS, Budget, Limits, QueryError
from rules.promql.moment import Frame, Moment, ScalarOf, VectorOf, distinct, names_dropped
from rules.promql.parser import parse
from rules.promql.syntax import (
    Kind,
    MatrixSelector,
    Node,
    Subquery,
    VectorSelector,
    children,
)
from rules.store.store import LOOKBACK_MS, Selector, Store

STEP_MS: Final = 60_000
"""The step of a subquery that names none: Prometheus' default evaluation interval."""


class Read(NamedTuple):
    """A selector, how far before the moment of evaluation it reads, and where it stands in the text.

    A fixed ``@`` time is not counted.
    """

    selector: Selector
    back_ms: int
    at: int


class Point(NamedTuple):
    """One element of a result."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, ready to be evaluated again and again against one store at a time.

    ``reads`` are its selectors in the order written.
    """

    text: str
    tree: Node
    kind: Kind
    dialect: Dialect
    reads: tuple[Read, ...]
    _work: VectorOf | ScalarOf | None = field(repr=False, compare=False)
    limits: Limits = LIMITS
    metrics: frozenset[str] = field(init=False)
    """The metric names that its selectors read; the empty name stands for any."""
    lookback_ms: int = field(init=False)
    """How far before the moment of evaluation it reads."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", frozenset(read.selector.name for read in self.reads))
        object.__setattr__(self, "lookback_ms", max((0, *(read.back_ms for read in self.reads))))

    def beyond(self, retention_ms: int) -> tuple[Read, ...]:
        """Return the selectors that look further back than samples are kept."""
        return tuple(read for read in self.reads if read.back_ms > retention_ms)

    def at(
        self, store: Store, at_ms: int, deadline: Deadline | None = None, *, plain: bool = False
    ) -> tuple[Point, ...]:
        """Return the result at this time; a scalar is one point without labels.

        Raises ``QueryError`` where the samples allow no result, where it would cost more than its limits or
        the deadline allow, and for a string or a range vector. ``plain`` leaves out every short cut.
        """
        budget = Budget(self.limits, deadline)
        frame = Frame(store, at_ms, at_ms, budget, self.dialect.experimental, plain)
        return self._points(Moment(frame, at_ms))

    def between(
        self,
        store: Store,
        first_ms: int,
        last_ms: int,
        step_ms: int,
        deadline: Deadline | None = None,
        *,
        plain: bool = False,
    ) -> dict[Labels, list[tuple[int, float]]]:
        """Return the times and values of each series at every step from the first to the last time.

        A scalar is one series without labels. Raises ``QueryError`` as ``at`` does; the limits hold for all
        steps together.
        """
        if (last_ms - first_ms) // step_ms >= self.limits.steps_max:
            raise QueryError(f"the query takes more than {self.limits.steps_max} steps")
        found: dict[Labels, list[tuple[int, float]]] = {}
        budget = Budget(self.limits, deadline)
        frame = Frame(store, first_ms, last_ms, budget, self.dialect.experimental, plain)
        for at_ms in range(first_ms, last_ms + 1, step_ms):
            for labels, value in self._points(Moment(frame, at_ms)):
                found.setdefault(labels, []).append((at_ms, value))
        return {labels: found[labels] for labels in sorted(found, key=lambda each: each.pairs)}

    def _points(self, moment: Moment) -> tuple[Point, ...]:
        if self._work is None:
            raise QueryError(f"the expression is {KIND_WORDS[self.kind]}, which has no value at one moment")
        result = self._work(moment)
        if isinstance(result, float):
            return (Point(EMPTY, result),)
        if moment.names_delayed:
            result = names_dropped(result)
        return tuple(map(Point._make, distinct(result)))


def compile_query(
    text: str,
    step_ms: int = STEP_MS,
    compat: Compat = "prometheus3",
    *,
    experimental: bool = False,
    limits: Limits = LIMITS,
) -> Query:
    """Return an expression ready for use; raise ``Misfit`` with the offset of its first mistake.

    ``step_ms`` is the step of subqueries that name none. ``compat`` tells which Prometheus' meaning of ranges
    holds; ``experimental`` allows what Prometheus has behind its switch for experimental functions.
    """
    dialect = Dialect(compat, experimental)
    tree = parse(text, dialect)
    kind = check(tree, dialect)
    limits.check(tree, step_ms)
    compiler = Compiler(step_ms, dialect)
    work: VectorOf | ScalarOf | None = None
    if kind == "vector":
        work = compiler.vector(tree)
    elif kind == "scalar":
        work = compiler.scalar(tree)
    return Query(text, tree, kind, dialect, tuple(_reads(tree, 0)), work, limits)


def _reads(node: Node, outer_ms: int) -> Iterator[Read]:
    """Yield each selector and how far back it reads."""
    match node:
        case VectorSelector():
            yield Read(node.selector, outer_ms + LOOKBACK_MS + node.shift.offset_ms, node.at)
        case MatrixSelector():
            yield Read(node.selector, outer_ms + node.range_ms + node.shift.offset_ms, node.at)
        case Subquery():
            yield from _reads(node.inner, outer_ms + node.range_ms + node.shift.offset_ms)
        case _:
            for child in children(node):
                yield from _reads(child, outer_ms)
