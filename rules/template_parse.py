"""From the text of a template to its nodes: the part of Go's text/template that is read here.

Read are ``{{ }}`` with trim markers and comments, ``if``, ``else if``, ``else`` and ``end``, pipes,
parentheses, texts, numbers, truths, ``$labels``, ``$value``, ``.Labels``, ``.Value`` and the functions of
``template_functions``. Anything else is refused, so that no template means something else than in Prometheus.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn
from typing import Literal as OneOf

from model.decode import nearest
from model.misfit import Misfit
from rules import go_format
from rules.template_functions import FUNCTIONS
from rules.template_tree import Call, If, Literal, Node, Operand, Show, Text, TheLabel, TheLabels, TheValue

DEPTH_MAX: Final = 32

_Kind = OneOf["space", "string", "raw", "number", "variable", "field", "word", "sign", "end"]

_OPEN: Final = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?")
_COMMENT: Final = re.compile(r"[ \t\r\n]*/\*.*?\*/(?P<trim>[ \t\r\n]+-)?\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"""(?P<end>(?:[ \t\r\n]+-)?\}\})
    |(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:[^"\\\n]|\\(?:[abfnrtv\\"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*")
    |(?P<raw>`[^`]*`)
    |(?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?!\w))
    |(?P<variable>\$\w*(?:\.\w+)*)
    |(?P<field>(?:\.\w+)+)
    |(?P<word>\w+)
    |(?P<sign>:=|[|().,=])""",
    re.VERBOSE,
)
_NOT_YET: Final = frozenset({"range", "with", "define", "template", "block", "break", "continue"})
_SPACE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Token:
    """One word inside braces, with its offset in the template."""

    kind: _Kind
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Action:
    """One pair of braces and what it holds."""

    tokens: tuple[Token, ...]
    offset: int


@dataclass(slots=True)
class _Open:
    """An ``if`` whose ``end`` was not yet seen; ``chained`` for one that an ``else if`` opened."""

    condition: Operand
    offset: int
    chained: bool = False
    then: list[Node] = field(default_factory=list)
    otherwise: list[Node] | None = None


def parse(text: str) -> tuple[Node, ...]:
    """Return the nodes of a template, or raise ``Misfit`` with the offset of the mistake."""
    nodes: list[Node] = []
    blocks: list[_Open] = []
    for piece in _pieces(text):
        inner = _current(blocks, nodes)
        if isinstance(piece, Text):
            inner.append(piece)
            continue
        first = piece.tokens[0] if piece.tokens else None
        if first is None or first.kind != "word" or first.text not in ("if", "else", "end"):
            inner.append(Show(_pipe(piece.tokens, piece.offset)))
        elif first.text == "if":
            blocks.append(_Open(_pipe(piece.tokens[1:], first.offset), piece.offset))
            _bounded(len(blocks), piece.offset)
        elif first.text == "else":
            _otherwise(piece, blocks)
            _bounded(len(blocks), piece.offset)
        else:
            _close(piece, blocks, nodes)
    if blocks:
        raise Misfit("this if has no end", "close it with {{ end }}", offset=blocks[-1].offset)
    return tuple(nodes)


def _current(blocks: list[_Open], nodes: list[Node]) -> list[Node]:
    """Return the list that the next node belongs to."""
    if not blocks:
        return nodes
    return blocks[-1].then if blocks[-1].otherwise is None else blocks[-1].otherwise


def _otherwise(action: Action, blocks: list[_Open]) -> None:
    if not blocks or blocks[-1].otherwise is not None:
        raise Misfit("this else belongs to no if", "remove it", offset=action.offset)
    blocks[-1].otherwise = []
    rest = action.tokens[1:]
    if rest and rest[0].text == "if":
        blocks.append(_Open(_pipe(rest[1:], rest[0].offset), action.offset, chained=True))
    elif rest:
        raise Misfit(f"{rest[0].text!r} may not follow else", "write {{ else }}", offset=rest[0].offset)


def _close(action: Action, blocks: list[_Open], nodes: list[Node]) -> None:
    if len(action.tokens) > 1:
        raise Misfit("nothing may follow end", "write {{ end }}", offset=action.tokens[1].offset)
    if not blocks:
        raise Misfit("this end belongs to no if", "remove it", offset=action.offset)
    chained = True
    while chained:
        block = blocks.pop()
        chained = block.chained
        done = If(block.condition, tuple(block.then), tuple(block.otherwise or ()))
        _current(blocks, nodes).append(done)


def _bounded(depth: int, offset: int) -> None:
    if depth > DEPTH_MAX:
        raise Misfit("the nesting is too deep", f"nest at most {DEPTH_MAX} levels", offset=offset)


def _pieces(text: str) -> Iterator[Text | Action]:
    """Cut a template into what stands outside and inside the braces, trimmed as the markers ask."""
    start, trimmed = 0, False
    while True:
        opening = _OPEN.search(text, start)
        outside = text[start : opening.start() if opening else len(text)]
        outside = outside.lstrip(_SPACE) if trimmed else outside
        outside = outside.rstrip(_SPACE) if opening and opening["trim"] else outside
        if outside:
            yield Text(outside)
        if opening is None:
            return
        comment = _COMMENT.match(text, opening.end())
        if comment:
            start, trimmed = comment.end(), comment["trim"] is not None
            continue
        *tokens, end = _tokens(text, opening)
        yield Action(tuple(token for token in tokens if token.kind != "space"), opening.start())
        start, trimmed = end.offset + len(end.text), "-" in end.text


def _tokens(text: str, opening: re.Match[str]) -> Iterator[Token]:
    """Yield the tokens of one pair of braces, the closing one last."""
    start = opening.end()
    while True:
        found = _TOKEN.match(text, start)
        if found is None:
            _refuse_character(text, start, opening.start())
        token = Token(_kind(found), found[0], start)
        yield token
        if token.kind == "end":
            return
        start = found.end()


def _kind(found: re.Match[str]) -> _Kind:
    return found.lastgroup  # type: ignore[return-value]  # the groups of the pattern are the kinds


def _refuse_character(text: str, start: int, opened: int) -> NoReturn:
    if start >= len(text):
        raise Misfit("these braces do not close", "close them with }}", offset=opened)
    if text[start] in "\"`'":
        raise Misfit(
            "this quote does not close or escapes wrongly", 'close it with " on its line', offset=start
        )
    raise Misfit(f"{text[start]!r} may not stand here", "remove it", offset=start)


def _pipe(tokens: Sequence[Token], offset: int, depth: int = 0) -> Operand:
    """Read ``command | command | ...``."""
    _bounded(depth, offset)
    value: Operand | None = None
    for number, command in enumerate(_commands(tokens, offset)):
        value = _command(command, value if number else None, depth)
    assert value is not None, "there is at least one command"
    return value


def _commands(tokens: Sequence[Token], offset: int) -> Iterator[Sequence[Token]]:
    """Cut at the bars outside parentheses."""
    start, inside = 0, 0
    for index, token in enumerate([*tokens, Token("sign", "|", offset)]):
        inside += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
        if token.text == "|" and token.kind == "sign" and (inside <= 0 or index == len(tokens)):
            if start == index:
                raise Misfit("a value is missing here", "write one, like $value", offset=token.offset)
            yield tokens[start:index]
            start = index + 1


def _command(tokens: Sequence[Token], piped: Operand | None, depth: int) -> Operand:
    """Read one function with its arguments, or one value alone."""
    first = tokens[0]
    called = first.kind == "word" and first.text not in ("true", "false")
    arguments = tuple(_operands(tokens[1:] if called else tokens, depth))
    if called:
        return _call(first, arguments if piped is None else (*arguments, piped))
    if piped is not None:
        raise Misfit("only a function can follow |", "write a function's name", offset=first.offset)
    if len(arguments) > 1:
        cure = "write the function first, or join them with |"
        raise Misfit(f"{first.text!r} is no function and takes no arguments", cure, offset=first.offset)
    return arguments[0]


def _call(name: Token, arguments: tuple[Operand, ...]) -> Call:
    if name.text in _NOT_YET:
        cure = "use if, a pipe or a function"
        raise Misfit(f"{name.text!r} is not read in templates here", cure, offset=name.offset)
    function = FUNCTIONS.get(name.text)
    if function is None:
        cure = nearest(name.text, FUNCTIONS)
        raise Misfit(f"there is no function {name.text!r}", cure, offset=name.offset)
    if not function.arguments_min <= len(arguments) <= function.arguments_max:
        wanted = str(function.arguments_min) + (
            " or more" * (function.arguments_max > function.arguments_min)
        )
        sentence = f"{name.text} takes {wanted} arguments, got {len(arguments)}"
        raise Misfit(sentence, "mend the arguments", offset=name.offset)
    if name.text == "printf" and isinstance(arguments[0], Literal) and isinstance(arguments[0].value, str):
        _check_format(arguments[0].value, name.offset)
    return Call(name.text, function, arguments)


def _check_format(text: str, offset: int) -> None:
    try:
        go_format.check_printf(text)
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, offset=offset) from None


def _operands(tokens: Sequence[Token], depth: int) -> Iterator[Operand]:
    """Read values until the tokens end; parentheses hold a pipe."""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.text == "(" and token.kind == "sign":
            close = _closing(tokens, index)
            yield _pipe(tokens[index + 1 : close], token.offset, depth + 1)
            index = close + 1
        else:
            yield _operand(token)
            index += 1


def _closing(tokens: Sequence[Token], opened: int) -> int:
    inside = 0
    for index in range(opened, len(tokens)):
        if tokens[index].kind == "sign":
            inside += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if inside == 0:
            return index
    raise Misfit("this parenthesis does not close", "close it with )", offset=tokens[opened].offset)


def _operand(token: Token) -> Operand:
    """Read one value."""
    if token.kind == "variable":
        return _variable(token)
    if token.kind == "field":
        return _variable(replace(token, text=_FIELDS.get(token.text.split(".")[1], "$") + _after(token.text)))
    if token.kind in ("string", "raw", "number") or token.text in ("true", "false"):
        return Literal(_written(token))
    if token.kind == "word":
        return _call(token, ())
    raise Misfit(f"{token.text!r} may not stand here", "write a value, like $value", offset=token.offset)


_FIELDS: Final = {"Labels": "$labels", "Value": "$value"}


def _after(text: str) -> str:
    """Return what follows the first name of ``.Labels.job``."""
    return text[1:].partition(".")[1] + text[1:].partition(".")[2]


def _variable(token: Token) -> Operand:
    name, *path = token.text.split(".")
    if name == "$value" and not path:
        return TheValue()
    if name == "$labels" and len(path) < 2:
        return TheLabel(path[0]) if path else TheLabels()
    if name in ("$labels", "$value"):
        cure = f"write {name}{'.name' * (name == '$labels')}"
        raise Misfit(f"{token.text} has no part {path[-1]!r}", cure, offset=token.offset)
    cure = "write $labels.name, $value, .Labels.name or .Value"
    raise Misfit("only the labels and the value of the alert can be looked at", cure, offset=token.offset)


def _written(token: Token) -> go_format.Value:
    """Return the value of a literal."""
    if token.kind == "word":
        return token.text == "true"
    if token.kind == "raw":
        return token.text[1:-1]
    try:
        value: object = ast.literal_eval(token.text if token.kind == "string" else token.text.lstrip("+"))
    except (SyntaxError, ValueError):
        raise Misfit(
            f"{token.text} cannot be read", "mend its escapes or digits", offset=token.offset
        ) from None
    assert isinstance(value, str | int | float), "the pattern allows only texts and numbers"
    return value
