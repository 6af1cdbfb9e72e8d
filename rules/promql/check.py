"""The type check: every part of an expression must be of the kind that its place asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model.decode import nearest
from model.misfit import Misfit
from rules.promql.dialect import PROMETHEUS, Dialect
from rules.promql.function import Function, ScalarFunction
from rules.promql.functions import FUNCTIONS, UNSUPPORTED
from rules.promql.of_labels import label_name
from rules.promql.parser import AGGREGATIONS, COMPARISONS, SET_OPERATORS
from rules.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Kind,
    MatrixSelector,
    Node,
    Number,
    Parenthesis,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    bare,
)

KIND_WORDS: Final[dict[Kind, str]] = {
    "scalar": "a scalar",
    "vector": "an instant vector",
    "matrix": "a range vector",
    "string": "a string",
}


def kind_of(node: Node) -> Kind:  # noqa: PLR0911  # one answer for each kind of node
    """Return the kind of a tree that was checked."""
    match node:
        case Number():
            return "scalar"
        case Text():
            return "string"
        case VectorSelector() | Aggregation():
            return "vector"
        case MatrixSelector() | Subquery():
            return "matrix"
        case Call():
            return "vector" if isinstance(FUNCTIONS[node.function], Function) else "scalar"
        case Unary() | Parenthesis():
            return kind_of(node.inner)
        case Binary():
            return "vector" if "vector" in (kind_of(node.left), kind_of(node.right)) else "scalar"


def check(tree: Node, dialect: Dialect = PROMETHEUS) -> Kind:
    """Return the kind of a tree, or raise ``Misfit`` at the first part that does not fit."""
    return _Check(dialect).kind(tree)


@dataclass(frozen=True, slots=True)
class _Check:
    """The check for one dialect."""

    dialect: Dialect

    def kind(self, node: Node) -> Kind:  # noqa: PLR0911  # one answer for each kind of node
        match node:
            case Call():
                return self._call(node)
            case Aggregation():
                return self._aggregation(node)
            case Binary():
                return self._binary(node)
            case Subquery():
                return self._wanted(node.inner, "vector", of="a subquery") and "matrix"
            case Unary():
                return self._wanted(node.inner, "scalar", "vector", of=f"the sign {node.operator}")
            case Parenthesis():
                return self.kind(node.inner)
            case _:
                return kind_of(node)

    def _wanted(self, node: Node, *kinds: Kind, of: str) -> Kind:
        """Check a part whose place allows only these kinds."""
        kind = self.kind(node)
        if kind not in kinds:
            wanted = " or ".join(KIND_WORDS[each] for each in kinds)
            raise Misfit(f"{of} takes {wanted}, got {KIND_WORDS[kind]}", _cure(kind, kinds), offset=node.at)
        return kind

    def _call(self, node: Call) -> Kind:
        function = _function(node, self.dialect)
        takes, count = function.takes, len(node.arguments)
        repeats = isinstance(function, Function) and function.repeats
        if count < function.required_count or (count > len(takes) and not repeats):
            amount = _amount(function.required_count, len(takes), repeats)
            example = ", ".join(takes) + (", ..." if repeats else "")
            sentence = f"{function.name} takes {amount}, got {count}"
            raise Misfit(sentence, f"write {function.name}({example})", offset=node.at)
        for index, argument in enumerate(node.arguments):
            kind = takes[min(index, len(takes) - 1)]
            self._wanted(argument, kind, of=function.name)
            if kind == "string" and not isinstance(bare(argument), Text):
                sentence = f"{function.name} takes a quoted string here"
                raise Misfit(sentence, "write it out", offset=argument.at)
        return kind_of(node)

    def _aggregation(self, node: Aggregation) -> Kind:
        if node.parameter is not None:
            kind: Kind = "string" if node.operator == "count_values" else "scalar"
            self._wanted(node.parameter, kind, of=node.operator)
            parameter = bare(node.parameter)
            if isinstance(parameter, Text):
                label_name(parameter.value, parameter.at, self.dialect)
        self._wanted(node.inner, "vector", of=node.operator)
        return "vector"

    def _binary(self, node: Binary) -> Kind:
        operator = node.operator
        left = self._wanted(node.left, "scalar", "vector", of=operator)
        right = self._wanted(node.right, "scalar", "vector", of=operator)
        if left == right == "scalar" and operator in COMPARISONS and not node.as_bool:
            sentence = "comparing two scalars filters nothing"
            raise Misfit(sentence, f"write {operator} bool", offset=node.at)
        if "scalar" in (left, right):
            place = (node.left if left == "scalar" else node.right).at
            if operator in SET_OPERATORS:
                sentence = f"{operator} takes two vectors, got a scalar"
                raise Misfit(sentence, "write vector(...)", offset=place)
            if node.matching is not None:
                sentence = "on and ignoring stand between two vectors only"
                raise Misfit(sentence, "leave them out", offset=place)
        return kind_of(node)


def _cure(kind: Kind, wanted: tuple[Kind, ...]) -> str:
    cures: dict[tuple[Kind, Kind], str] = {
        ("vector", "matrix"): "add a range, like x[5m]",
        ("matrix", "vector"): "remove the range, or use a function like rate()",
        ("scalar", "vector"): "write vector(...) around it",
        ("vector", "scalar"): "write scalar(...) around it",
    }
    return cures.get((kind, wanted[0]), f"write {KIND_WORDS[wanted[0]]} here")


def _function(node: Call, dialect: Dialect) -> Function | ScalarFunction:
    """Return the function that a call means, or raise ``Misfit`` where this dialect has none."""
    name = node.function
    function = FUNCTIONS.get(name)
    if function is None:
        if reason := UNSUPPORTED.get(name):
            raise Misfit(f"{name} is not supported: {reason}", "use another function", offset=node.at)
        cure = nearest(name, (*FUNCTIONS, *AGGREGATIONS))
        cure = cure if cure.startswith("did") else "see the functions of PromQL"
        raise Misfit(f"there is no function {name[:40]!r}", cure, offset=node.at)
    only = function.only if isinstance(function, Function) else "any"
    if only == "experimental" and not dialect.experimental:
        sentence = f"{name} is not supported: it is experimental in Prometheus"
        raise Misfit(sentence, "use another function", offset=node.at)
    if only == "prometheus2" and dialect.compat != "prometheus2":
        sentence = f"{name} is not supported: Prometheus 3 renamed it and made it experimental"
        raise Misfit(sentence, "use another function", offset=node.at)
    return function


def _amount(least: int, most: int, repeats: bool) -> str:
    if repeats:
        return f"at least {least} arguments"
    span = str(least) if least == most else f"{least} to {most}"
    return f"{span} argument{'' if span == '1' else 's'}"
