"""Whether a threshold fits what it is compared with: a ratio goes from 0 to 1, a percentage to 100."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from rules.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Subquery,
    Unary,
    VectorSelector,
    bare,
    children,
)

Unit = Literal["ratio", "percent", ""]

_COMPARISONS: Final = frozenset({"==", "!=", ">", ">=", "<", "<="})
# The result of these has the unit of what they are given.
_FUNCTIONS: Final = frozenset((
    "abs", "avg_over_time", "ceil", "clamp", "clamp_max", "clamp_min", "first_over_time", "floor",
    "last_over_time", "max_over_time", "min_over_time", "quantile_over_time", "round", "scalar",
    "sort", "sort_desc",
))  # fmt: skip
_AGGREGATIONS: Final = frozenset({"avg", "min", "max", "quantile", "topk", "bottomk"})
# Two numbers of one of these units make a ratio, if the metrics are of one family.
_UNITS: Final = ("_bytes", "_seconds", "_total")

# No ratio in use gets as far as this: a queue may be five times as long as it should, a share cannot be.
RATIO_MAX: Final = 5.0
# Below this a threshold is hardly meant in percent; 0.1 % of errors may be.
PERCENT_MIN: Final = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Confusion:
    """A threshold that does not fit."""

    sentence: str
    cure: str


def confused(tree: Node) -> Iterator[Confusion]:
    """Yield each comparison of a ratio with a percentage, or the other way round."""
    left = [tree]
    while left:
        node = left.pop()
        left += children(node)
        if isinstance(node, Binary) and node.operator in _COMPARISONS:
            number, other = _number(node.right), node.left
            if number is None:
                number, other = _number(node.left), node.right
            if number is not None:
                yield from _judged(number, unit(other))


def _judged(number: float, of: Unit) -> Iterator[Confusion]:
    if of == "ratio" and abs(number) >= RATIO_MAX:
        yield Confusion(f"compares a ratio with {number:g}", f"write {number / 100:g}, or multiply it by 100")
    if of == "percent" and PERCENT_MIN[0] <= abs(number) < PERCENT_MIN[1]:
        yield Confusion(f"compares a percentage with {number:g}", f"write {number * 100:g}")


def unit(node: Node) -> Unit:
    """Return what the expression is measured in, as far as its form and its names tell."""
    node = bare(node)
    match node:
        case VectorSelector() | MatrixSelector():
            return _named(node.selector.name)
        case Call():
            vectors = [one for one in node.arguments if _number(one) is None]
            return unit(vectors[0]) if node.function in _FUNCTIONS and vectors else ""
        case Aggregation():
            return unit(node.inner) if node.operator in _AGGREGATIONS else ""
        case Unary() | Subquery():
            return unit(node.inner)
        case Binary():
            return _computed(node)
        case _:
            return ""


def _named(name: str) -> Unit:
    if name.endswith("_ratio"):
        return "ratio"
    return "percent" if name.endswith(("_percent", "_percentage")) else ""


def _computed(node: Binary) -> Unit:
    number = _number(node.left)
    number, other = (number, node.right) if number is not None else (_number(node.right), node.left)
    of = unit(other)
    if node.operator == "/" and number is None:
        if not _of_one_family(node.left, node.right):
            return ""
        factors = {_factor(node.left), _factor(node.right)}
        return "ratio" if factors == {1.0} else "percent" if factors == {100.0, 1.0} else ""
    if node.operator == "*" and number == 100 and of == "ratio":
        return "percent"
    if node.operator == "/" and _number(node.right) == 100 and of == "percent":
        return "ratio"
    if node.operator in ("+", "-") and number is not None:
        return of
    return ""


def _of_one_family(left: Node, right: Node) -> bool:
    """Tell whether both sides count the same thing: metrics of one unit with the same first two words."""
    one, other = _metrics(left), _metrics(right)
    if len(one) != 1 or len(other) != 1:
        return False
    (first,), (second,) = one, other
    of_one_unit = any(first.endswith(word) and second.endswith(word) for word in _UNITS)
    if first.endswith("_total") and second.endswith("_total"):
        return first == second
    return of_one_unit and first.split("_")[:2] == second.split("_")[:2]


def _factor(node: Node) -> float:
    """Return what a side is multiplied by: 1 where nothing is computed in it, 0 where that cannot be told."""
    node = bare(node)
    if isinstance(node, Binary) and node.operator == "*":
        for number, other in ((_number(node.left), node.right), (_number(node.right), node.left)):
            if number is not None:
                return number if _factor(other) == 1.0 else 0.0
    left = [node]
    while left:
        node = left.pop()
        left += children(node)
        if isinstance(node, Binary):
            return 0.0
    return 1.0


def _metrics(tree: Node) -> set[str]:
    found, left = set(), [tree]
    while left:
        node = left.pop()
        left += children(node)
        if isinstance(node, VectorSelector | MatrixSelector):
            found.add(node.selector.name)
    return found


def _number(node: Node) -> float | None:
    node = bare(node)
    if isinstance(node, Unary):
        inner = _number(node.inner)
        return None if inner is None else -inner if node.operator == "-" else inner
    return node.value if isinstance(node, Number) else None
