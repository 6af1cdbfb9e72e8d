"""What a template is made of once it is read: frozen nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf

from rules.template.value import Function, Value


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a truth written in the template."""

    value: Value


@dataclass(frozen=True, slots=True)
class Root:
    """``$``: all that the template was given, which at the top is what it sees of the alert."""


@dataclass(frozen=True, slots=True)
class Dot:
    """``.``: what the block around it looks at."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name``: what was given this name in the template."""

    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """``.name`` after an operand; with arguments where the name is a method."""

    of: Operand
    name: str
    arguments: tuple[Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; in a pipe the value from the left is the last of them."""

    name: str
    function: Function
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """``and`` or ``or``: the first argument that decides, or the last."""

    name: OneOf["and", "or"]
    arguments: tuple[Operand, ...]


Operand = Literal | Root | Dot | Variable | Part | Call | Choice


@dataclass(frozen=True, slots=True)
class Pipe:
    """A value and the names that it is given; ``declares`` makes the names new in their block."""

    operand: Operand
    names: tuple[str, ...] = ()
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside the braces."""

    text: str


@dataclass(frozen=True, slots=True)
class Show:
    """``{{ operand }}``: print it."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Give:
    """``{{ $name := operand }}``: print nothing, remember the value."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Block:
    """``{{ if }}``, ``{{ with }}`` or ``{{ range }}`` up to its end."""

    word: OneOf["if", "with", "range"]
    pipe: Pipe
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """``{{ break }}`` or ``{{ continue }}``."""

    word: OneOf["break", "continue"]


@dataclass(frozen=True, slots=True)
class Insert:
    """``{{ template "name" operand }}``: print a template that was defined beside this one."""

    name: str
    operand: Operand | None


Node = Text | Show | Give | Block | Leave | Insert


@dataclass(frozen=True, slots=True)
class Body:
    """A whole template: its nodes, and those of the templates that it defines."""

    nodes: tuple[Node, ...]
    named: dict[str, tuple[Node, ...]] = field(default_factory=dict)

    def operands(self) -> Iterator[Operand]:
        """Yield every operand, those inside others included."""
        left: list[Node | Operand] = [*self.nodes, *(node for nodes in self.named.values() for node in nodes)]
        while left:
            item = left.pop()
            left += _inside(item)
            if not isinstance(item, Text | Show | Give | Block | Leave | Insert):
                yield item


def _inside(item: Node | Operand) -> tuple[Node | Operand, ...]:
    match item:
        case Show(operand) | Insert(_, operand):
            return () if operand is None else (operand,)
        case Give(pipe):
            return (pipe.operand,)
        case Block(_, pipe, then, otherwise):
            return (pipe.operand, *then, *otherwise)
        case Part(of, _, arguments):
            return (of, *arguments)
        case Call(_, _, arguments) | Choice(_, arguments):
            return arguments
        case _:
            return ()
