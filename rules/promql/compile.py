"""From a checked tree to closures: what can be settled before the first evaluation is settled here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.labels import EMPTY, Labels
from rules.promql.aggregate import (
    by_quantile,
    counted_values,
    extremes,
    folded,
    limited,
    limited_share,
)
from rules.promql.binary import (
    SAME_LABELS,
    Pairing,
    between_numbers,
    between_vectors,
    of_sets,
    with_number,
)
from rules.promql.check import kind_of
from rules.promql.dialect import PROMETHEUS, Dialect
from rules.promql.function import Arguments, Function, ScalarFunction
from rules.promql.functions import FUNCTIONS
from rules.promql.moment import Matrix, MatrixOf, Moment, ScalarOf, VectorOf
from rules.promql.parser import COMPARISONS, SET_OPERATORS
from rules.promql.samples import Read, Samples, Stored
from rules.promql.subquery import stepped
from rules.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    bare,
)
from rules.store.store import LOOKBACK_MS, Row


@dataclass(frozen=True, slots=True)
class Compiler:
    """Makes closures; ``step_ms`` is the step of subqueries that name none."""

    step_ms: int
    dialect: Dialect = PROMETHEUS

    def vector(self, node: Node) -> VectorOf:
        """Return the work of an instant vector; a scalar becomes one row without labels."""
        node = bare(node)
        if kind_of(node) == "scalar":
            number = self.scalar(node)
            return lambda moment: [(EMPTY, number(moment))]
        match node:
            case VectorSelector():
                return _selected(node, self.dialect.edge_ms)
            case Call():
                function = FUNCTIONS[node.function]
                assert isinstance(function, Function), "the kind was checked"
                return function.make(self._arguments(node))
            case Aggregation():
                return self._aggregation(node)
            case Unary():
                return self.vector(node.inner) if node.operator == "+" else _negated(self.vector(node.inner))
            case _:
                assert isinstance(node, Binary), "the kind was checked"
                return self._binary(node)

    def scalar(self, node: Node) -> ScalarOf:
        """Return the work of a scalar; a constant is computed now."""
        node = bare(node)
        match node:
            case Number():
                return _constant(node.value)
            case Unary():
                inner = self.scalar(node.inner)
                made: ScalarOf = (lambda moment: -inner(moment)) if node.operator == "-" else inner
            case Call():
                function = FUNCTIONS[node.function]
                assert isinstance(function, ScalarFunction), "the kind was checked"
                made = function.make(self._arguments(node))
            case _:
                assert isinstance(node, Binary), "the kind was checked"
                made = between_numbers(node.operator, self.scalar(node.left), self.scalar(node.right))
        return made

    def matrix(self, node: Node) -> Matrix:
        """Return where the samples of a range vector come from."""
        node, edge_ms = bare(node), self.dialect.edge_ms
        if isinstance(node, Subquery):
            step_ms = node.step_ms or self.step_ms
            return Matrix(stepped(self.vector(node.inner), node, step_ms, edge_ms), node.range_ms, node.shift)
        assert isinstance(node, MatrixSelector), "the kind was checked"
        return Matrix(_samples(node, edge_ms), node.range_ms, node.shift)

    def _arguments(self, node: Call) -> Arguments:
        arguments = [(bare(argument), kind_of(argument)) for argument in node.arguments]
        return Arguments(
            node,
            self.dialect,
            tuple(self.scalar(argument) for argument, kind in arguments if kind == "scalar"),
            tuple(argument.value for argument, _ in arguments if isinstance(argument, Text)),
            tuple(self.vector(argument) for argument, kind in arguments if kind == "vector"),
            tuple(self.matrix(argument) for argument, kind in arguments if kind == "matrix"),
        )

    def _aggregation(self, node: Aggregation) -> VectorOf:
        inner = self.vector(node.inner)
        if node.parameter is None:
            return folded(node.operator, inner, node.grouping, self.dialect.compat)
        parameter = bare(node.parameter)
        if isinstance(parameter, Text):
            return counted_values(parameter.value, inner, node.grouping)
        if node.operator == "quantile":
            return by_quantile(self.scalar(parameter), inner, node.grouping)
        if node.operator == "limit_ratio":
            return limited_share(self.scalar(parameter), inner)
        if node.operator == "limitk":
            return limited(self.scalar(parameter), inner, node.grouping)
        return extremes(node.operator, self.scalar(parameter), inner, node.grouping)

    def _binary(self, node: Binary) -> VectorOf:
        matching = node.matching or SAME_LABELS
        left_scalar = kind_of(node.left) == "scalar"
        if left_scalar or kind_of(node.right) == "scalar":
            vector, number = (node.right, node.left) if left_scalar else (node.left, node.right)
            return with_number(
                node.operator,
                self.vector(vector),
                self.scalar(number),
                number_left=left_scalar,
                as_bool=node.as_bool,
                keeps_name=self._keeps_name(node),
            )
        left, right = self.vector(node.left), self.vector(node.right)
        if node.operator in SET_OPERATORS:
            return of_sets(node.operator, left, right, matching)
        pairing = Pairing(
            node.operator,
            matching,
            as_bool=node.as_bool,
            keeps_name=self._keeps_name(node),
            names_delayed=self.dialect.experimental,
        )
        return between_vectors(left, right, pairing)

    def _keeps_name(self, node: Binary) -> bool:
        """Tell whether the result goes by the name of its operand: 2.x forgot to drop it from ``atan2``."""
        if node.operator in COMPARISONS:
            return not node.as_bool
        return node.operator == "atan2" and self.dialect.compat == "prometheus2"


def _constant(value: float) -> ScalarOf:
    return lambda _: value


def _selected(node: VectorSelector, edge_ms: int) -> VectorOf:
    selector, shift, lookback_ms = node.selector, node.shift, LOOKBACK_MS + edge_ms

    def evaluate(moment: Moment) -> list[Row]:
        rows = moment.store.values_at(selector, moment.shifted_ms(shift), lookback_ms)
        moment.budget.admit(len(rows))
        moment.budget.spend(len(rows))
        return rows

    return evaluate


def _samples(node: MatrixSelector, edge_ms: int) -> MatrixOf:
    selector, shift, range_ms = node.selector, node.shift, node.range_ms + edge_ms

    def samples(moment: Moment) -> Iterator[tuple[Labels, Samples]]:
        until_ms, spend = moment.shifted_ms(shift), moment.budget.spend
        moment.budget.admit(len(moment.store.select(selector)))
        for series, low, high in moment.store.spans(selector, until_ms - range_ms, until_ms):
            run = None if moment.plain else series.run(low, high)
            if run is None:
                window = series.window(low, high)
                if window is not None:
                    spend(len(window[0]))
                    yield series.labels, Read(*window)
            elif run[0] < run[1]:
                spend(run[1] - run[0])
                yield series.labels, Stored(series, *run)

    return samples


def _negated(vector: VectorOf) -> VectorOf:
    return lambda moment: moment.unnamed([(labels, -value) for labels, value in vector(moment)])
