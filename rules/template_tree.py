"""What a template is made of once it is read: frozen nodes, and what they may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model.labels import EMPTY
from rules.go_format import Value
from rules.template_functions import Function


@dataclass(frozen=True, slots=True)
class View:
    """What a template sees of one result: its labels, the metric name among them, and its value."""

    labels: Mapping[str, str] = EMPTY
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside the braces."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a truth written in the template."""

    value: Value


@dataclass(frozen=True, slots=True)
class TheLabels:
    """``$labels``: all labels of the result."""


@dataclass(frozen=True, slots=True)
class TheLabel:
    """``$labels.name``: one label of the result; an absent one reads as empty."""

    name: str


@dataclass(frozen=True, slots=True)
class TheValue:
    """``$value``: the value of the result."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; in a pipe the value from the left is the last of them."""

    name: str
    function: Function
    arguments: tuple[Operand, ...]


Operand = Literal | TheLabels | TheLabel | TheValue | Call


@dataclass(frozen=True, slots=True)
class Show:
    """``{{ operand }}``: print it."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class If:
    """``{{ if condition }} ... {{ else }} ... {{ end }}``."""

    condition: Operand
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node = Text | Show | If
