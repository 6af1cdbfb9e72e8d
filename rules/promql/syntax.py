"""The syntax tree of an expression: frozen nodes, each with the offset where it starts.

``at`` counts characters and takes no part in comparing, so that two spellings of one tree are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rules.store.store import Selector

Kind = Literal["scalar", "vector", "matrix", "string"]
Anchor = int | Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number, or a duration in seconds."""

    value: float
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string."""

    value: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Shift:
    """When to look instead of now: ``@`` a moment in ms (or start, end), and then back by an offset."""

    offset_ms: int = 0
    anchor: Anchor | None = None


NOW = Shift()


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """Series by name and matchers, at one moment."""

    selector: Selector
    shift: Shift = NOW
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """Series by name and matchers, over a range of time."""

    selector: Selector
    range_ms: int
    shift: Shift = NOW
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression evaluated at each multiple of a step within a range; None is the default step."""

    inner: Node
    range_ms: int
    step_ms: int | None
    shift: Shift = NOW
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which labels tell groups apart: these, or all without these."""

    labels: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An operator over groups of a vector."""

    operator: str
    inner: Node
    parameter: Node | None = None
    grouping: Grouping = Grouping()
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Matching:
    """How the two sides of a binary operator find each other.

    ``on`` tells whether ``labels`` are those compared or those ignored. ``many`` is the side that may have
    several series for one of the other; ``include`` are labels taken over from the side of one.
    """

    on: bool = False
    labels: tuple[str, ...] = ()
    many: Literal["left", "right"] | None = None
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions; ``as_bool`` makes a comparison yield 0 or 1."""

    operator: str
    left: Node
    right: Node
    as_bool: bool = False
    matching: Matching | None = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign before an expression."""

    operator: Literal["+", "-"]
    inner: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parenthesis:
    """An expression in parentheses."""

    inner: Node
    at: int = field(default=0, compare=False)


Node = (
    Number
    | Text
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregation
    | Binary
    | Unary
    | Parenthesis
)


def bare(node: Node) -> Node:
    """Return the expression without the parentheses around it."""
    while isinstance(node, Parenthesis):
        node = node.inner
    return node


def children(node: Node) -> tuple[Node, ...]:
    """Return the expressions directly inside this one."""
    match node:
        case Call():
            return node.arguments
        case Aggregation():
            return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
        case Binary():
            return (node.left, node.right)
        case Subquery() | Unary() | Parenthesis():
            return (node.inner,)
        case _:
            return ()


def height(node: Node) -> int:
    """Count the levels of a tree, without recursion."""
    levels, level = 0, [node]
    while level:
        levels += 1
        level = [child for parent in level for child in children(parent)]
    return levels
