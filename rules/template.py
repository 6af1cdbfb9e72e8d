"""Templates of labels and annotations: read once when a rule is loaded, printed without ever failing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from rules import go_format
from rules.go_format import Value
from rules.template_functions import WrongValue
from rules.template_parse import parse
from rules.template_tree import (
    Call,
    If,
    Literal,
    Node,
    Operand,
    Show,
    Text,
    TheLabel,
    TheLabels,
    TheValue,
    View,
)

OUTPUT_BYTES_MAX: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Template:
    """A text with values of the alert in it, in Go's text/template as Prometheus uses it.

    ``fixed`` is the text itself where nothing in it depends on the alert, else None.
    """

    text: str
    nodes: tuple[Node, ...]
    fixed: str | None

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template, or raise ``Misfit`` with the offset of the mistake."""
        nodes = parse(text)
        plain = [node.text for node in nodes if isinstance(node, Text)]
        return cls(text, nodes, "".join(plain) if len(plain) == len(nodes) else None)

    def render(self, view: View) -> str:
        """Return the text for this view; a mistake prints as ``<error expanding template: ...>``."""
        if self.fixed is not None:
            return self.fixed
        try:
            return _bounded(_printed(self.nodes, view))
        except WrongValue as wrong:
            return f"<error expanding template: {wrong}>"

    def __str__(self) -> str:
        return self.text


def _bounded(parts: Iterable[str]) -> str:
    kept, left = [], OUTPUT_BYTES_MAX
    for part in parts:
        left -= len(part.encode(errors="replace"))
        if left < 0:
            raise WrongValue(f"the text has more than {OUTPUT_BYTES_MAX} bytes")
        kept.append(part)
    return "".join(kept)


def _printed(nodes: tuple[Node, ...], view: View) -> Iterator[str]:
    for node in nodes:
        match node:
            case Text(text):
                yield text
            case Show(operand):
                yield go_format.shown(_value(operand, view))
            case If(condition, then, otherwise):
                yield from _printed(then if _true(_value(condition, view)) else otherwise, view)
            case _:
                assert_never(node)


def _value(operand: Operand, view: View) -> Value:
    match operand:
        case TheLabel(name):
            return view.labels.get(name, "")
        case TheValue():
            return view.value
        case TheLabels():
            return view.labels
        case Literal(value):
            return value
        case Call(_, function, arguments):
            return function.call(*(_value(argument, view) for argument in arguments))
        case _:
            assert_never(operand)


def _true(value: Value) -> bool:
    """Tell what Go calls true: not zero and not empty; NaN is true."""
    return bool(value)
