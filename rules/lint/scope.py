"""Whether an expression speaks of one host or of many: who aggregates ``instance`` away means the fleet."""

from __future__ import annotations

from typing import Final

from rules.promql.syntax import Aggregation, MatrixSelector, Node, VectorSelector, children

INSTANCE: Final = "instance"
_KEEPING: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


def fleet_wide(tree: Node) -> bool:
    """Tell whether a part of the expression aggregates over hosts.

    That is: an aggregation whose groups do not tell instances apart, over series whose instance no matcher
    fixes. What only picks elements, like topk, keeps their labels.
    """
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, Aggregation) and _drops(node) and _reads_any_instance(node.inner):
            return True
        left += children(node)
    return False


def _drops(node: Aggregation) -> bool:
    listed = INSTANCE in node.grouping.labels
    return node.operator not in _KEEPING and listed is node.grouping.without


def _reads_any_instance(tree: Node) -> bool:
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, VectorSelector | MatrixSelector):
            fixed = [
                m for m in node.selector.matchers if m.label == INSTANCE and m.operator == "=" and m.value
            ]
            if not fixed:
                return True
        left += children(node)
    return False
