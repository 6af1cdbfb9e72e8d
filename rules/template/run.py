"""Prints a template for a view: values are worked out as Go does, within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, assert_never

from rules.template import go_format, go_time
from rules.template.argument import described, text_of
from rules.template.builtins import true
from rules.template.tree import (
    Block,
    Body,
    Call,
    Choice,
    Dot,
    Give,
    Insert,
    Leave,
    Literal,
    Node,
    Operand,
    Part,
    Pipe,
    Root,
    Show,
    Text,
    Variable,
)
from rules.template.value import Arguments, Function, Value, View, WrongValue, part

STEPS_MAX: Final = 100_000
INSERTS_MAX: Final = 32


class _Left(Exception):
    """A range was left by ``break`` or ``continue``."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Run:
    """One printing of a template; raises ``WrongValue`` where Go would stop with an error."""

    def __init__(self, body: Body, view: View) -> None:
        self._body = body
        self._view = view
        self._root: Value = view
        self._variables: list[tuple[str, Value]] = []
        self._steps = 0
        self._inserts = 0

    def printed(self) -> Iterator[str]:
        """Yield the text part by part."""
        yield from self._nodes(self._body.nodes, self._view)

    def _nodes(self, nodes: tuple[Node, ...], dot: Value) -> Iterator[str]:
        for node in nodes:
            self._steps += 1
            if self._steps > STEPS_MAX:
                raise WrongValue(f"the template takes more than {STEPS_MAX} steps")
            match node:
                case Text(text):
                    yield text
                case Show(operand):
                    yield _shown(self._value(operand, dot))
                case Give(pipe):
                    self._give(pipe, self._value(pipe.operand, dot))
                case Block():
                    yield from self._block(node, dot)
                case Leave(word):
                    raise _Left(word)
                case Insert():
                    yield from self._inserted(node, dot)
                case _:
                    assert_never(node)

    def _block(self, block: Block, dot: Value) -> Iterator[str]:
        known = len(self._variables)
        value = self._value(block.pipe.operand, dot)
        if block.word == "range":
            yield from self._range(block, value, dot)
        else:
            self._give(block.pipe, value)
            inner = value if block.word == "with" else dot
            yield from self._nodes(block.then, inner) if true(value) else self._nodes(block.otherwise, dot)
        del self._variables[known:]

    def _range(self, block: Block, value: Value, dot: Value) -> Iterator[str]:
        known, any_found = len(self._variables), False
        for key, element in _elements(value):
            any_found = True
            self._name(block.pipe, key, element)
            try:
                yield from self._nodes(block.then, element)
            except _Left as left:
                if left.word == "break":
                    break
            finally:
                del self._variables[known:]
        if not any_found:
            yield from self._nodes(block.otherwise, dot)

    def _inserted(self, insert: Insert, dot: Value) -> Iterator[str]:
        """Print a named template, which sees only what it is handed."""
        self._inserts += 1
        if self._inserts > INSERTS_MAX:
            raise WrongValue(f"templates stand more than {INSERTS_MAX} deep in each other")
        handed = None if insert.operand is None else self._value(insert.operand, dot)
        root, variables = self._root, self._variables
        self._root, self._variables = handed, []
        yield from self._nodes(self._body.named[insert.name], handed)
        self._root, self._variables = root, variables
        self._inserts -= 1

    def _name(self, pipe: Pipe, key: Value, element: Value) -> None:
        """Give an element, and where two names are written its key before it, to the names of a range."""
        values = (key, element)[2 - len(pipe.names) :] if pipe.names else ()
        for name, value in zip(pipe.names, values, strict=True):
            self._set(name, value, declares=pipe.declares)

    def _give(self, pipe: Pipe, value: Value) -> None:
        for name in pipe.names:
            self._set(name, value, declares=pipe.declares)

    def _set(self, name: str, value: Value, *, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    def _value(self, operand: Operand, dot: Value) -> Value:
        match operand:
            case Literal(value):
                return value
            case Root() | Dot():
                return self._root if isinstance(operand, Root) else dot
            case Variable(name):
                return self._known(name)
            case Part():
                return self._part(operand, dot)
            case Call(_, function, arguments):
                return self._called(function, [self._value(argument, dot) for argument in arguments])
            case Choice():
                return self._chosen(operand, dot)
            case _:
                assert_never(operand)

    def _known(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise WrongValue(f"{name} was given no value")

    def _part(self, operand: Part, dot: Value) -> Value:
        value = self._value(operand.of, dot)
        if isinstance(value, datetime):
            return _method(value, operand.name, [self._value(each, dot) for each in operand.arguments])
        if operand.arguments:
            raise WrongValue(f"{operand.name} is no method and takes no arguments")
        return part(value, operand.name)

    def _called(self, function: Function, arguments: list[Value]) -> Value:
        return function.call(self._view, *arguments) if function.viewing else function.call(*arguments)

    def _chosen(self, choice: Choice, dot: Value) -> Value:
        value: Value = None
        for argument in choice.arguments:
            value = self._value(argument, dot)
            if true(value) is (choice.name == "or"):
                return value
        return value


def _shown(value: Value) -> str:
    return "<no value>" if value is None else go_format.shown(value)


def _elements(value: Value) -> Iterable[tuple[Value, Value]]:
    """Return what a range goes over: samples, labels in the order of their names, or so many numbers."""
    if isinstance(value, tuple):
        return list(enumerate(value))
    if isinstance(value, Arguments):
        return list(value.named().items())
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return ((number, number) for number in range(value))
    raise WrongValue(f"range cannot go over {described(value)}")


def _method(at: datetime, name: str, arguments: list[Value]) -> Value:
    if name == "Format" and len(arguments) == 1:
        return go_time.formatted(at, text_of(arguments[0]))
    if name in go_time.METHODS and not arguments:
        return go_time.METHODS[name](at)
    raise WrongValue(f"a time has no method {name} with {len(arguments)} arguments")
