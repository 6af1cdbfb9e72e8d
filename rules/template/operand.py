"""Reads what stands inside braces: pipes, functions, variables and literals."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from typing import Final

from model.decode import nearest
from model.misfit import Misfit
from rules.template import go_format
from rules.template.functions import FUNCTIONS
from rules.template.lex import Token
from rules.template.tree import Call, Choice, Dot, Literal, Operand, Part, Pipe, Root, Variable
from rules.template.value import Value

DEPTH_MAX: Final = 32

# What Prometheus puts before every template: names for the parts of what the template is given.
GIVEN: Final = {
    "$labels": "Labels",
    "$externalLabels": "ExternalLabels",
    "$externalURL": "ExternalURL",
    "$value": "Value",
}
_MAPS: Final = ("Labels", "ExternalLabels")

_ELSEWHERE: Final = {
    "tmpl": "rule files know no tmpl, only console pages do; write {{ template }}",
    "call": "there is nothing here that call could call",
}


class Scope:
    """Which variables can be seen, and whether ``.`` and ``$`` are what the alert gave."""

    def __init__(self) -> None:
        self.names: list[str] = list(GIVEN)
        self.dot_is_root = True
        self.root_is_alert = True

    def given(self, name: str) -> str:
        """Return which part of the alert a name stands for, or the empty text."""
        if name not in GIVEN or not self.root_is_alert:
            return ""
        return GIVEN[name] if self.names.count(name) == 1 else ""


def read_pipe(tokens: Sequence[Token], offset: int, scope: Scope, names_max: int = 1) -> Pipe:
    """Read ``$name := command | command``; names are known to the scope afterwards."""
    names, declares, rest = _names(tokens)
    if len(names) > names_max:
        cure = "write one name, or two in a range"
        raise Misfit("there are too many names here", cure, offset=tokens[0].offset)
    operand = _pipeline(rest, rest[0].offset if rest else offset, scope, 0)
    for name in names:
        if declares:
            scope.names.append(name)
        elif scope.given(name):
            raise Misfit(f"{name} cannot be changed", "choose another name", offset=tokens[0].offset)
        elif name not in scope.names:
            raise _unknown(name, tokens[0].offset)
    return Pipe(operand, names, declares)


def _names(tokens: Sequence[Token]) -> tuple[tuple[str, ...], bool, Sequence[Token]]:
    """Return the names before ``:=`` or ``=``, whether they are new, and what follows."""
    for place in (1, 3):
        if len(tokens) > place and (tokens[place].is_sign(":=") or tokens[place].is_sign("=")):
            names = tokens[0:place:2]
            if all(_is_name(token) for token in names) and (place == 1 or tokens[1].is_sign(",")):
                return tuple(n.text for n in names), tokens[place].text == ":=", tokens[place + 1 :]
    return (), False, tokens


def _is_name(token: Token) -> bool:
    return token.kind == "variable" and "." not in token.text and len(token.text) > 1


def _pipeline(tokens: Sequence[Token], offset: int, scope: Scope, depth: int) -> Operand:
    """Read ``command | command | ...``."""
    if depth > DEPTH_MAX:
        raise Misfit("the nesting is too deep", f"nest at most {DEPTH_MAX} levels", offset=offset)
    value: Operand | None = None
    for number, command in enumerate(_commands(tokens, offset)):
        value = _command(command, value if number else None, scope, depth)
    assert value is not None, "there is at least one command"
    return value


def _commands(tokens: Sequence[Token], offset: int) -> Iterator[Sequence[Token]]:
    """Cut at the bars outside parentheses."""
    start, inside = 0, 0
    end = tokens[-1].end if tokens else offset
    for index, token in enumerate([*tokens, Token("sign", "|", end)]):
        inside += _opens(token)
        if token.is_sign("|") and (inside <= 0 or index == len(tokens)):
            if start == index:
                raise Misfit("a value is missing here", "write one, like $value", offset=token.offset)
            yield tokens[start:index]
            start = index + 1


def _command(tokens: Sequence[Token], piped: Operand | None, scope: Scope, depth: int) -> Operand:
    """Read one function with its arguments, a method with its arguments, or one value alone."""
    first = tokens[0]
    called = first.kind == "word" and first.text not in ("true", "false", "nil")
    arguments = tuple(_operands(tokens[1:] if called else tokens, scope, depth))
    more = () if piped is None else (piped,)
    if called:
        return _call(first, (*arguments, *more))
    if isinstance(arguments[0], Part) and len(arguments) + len(more) > 1:
        return Part(arguments[0].of, arguments[0].name, (*arguments[1:], *more))
    if piped is not None:
        raise Misfit("only a function can follow |", "write a function's name", offset=first.offset)
    if len(arguments) > 1:
        cure = "write the function first, or join them with |"
        raise Misfit(f"{first.text!r} is no function and takes no arguments", cure, offset=first.offset)
    return arguments[0]


def _call(name: Token, arguments: tuple[Operand, ...]) -> Operand:
    if name.text in ("and", "or"):
        if not arguments:
            raise Misfit(f"{name.text} takes 1 or more arguments, got 0", "add one", offset=name.offset)
        return Choice("or" if name.text == "or" else "and", arguments)
    if name.text in _ELSEWHERE:
        raise Misfit(_ELSEWHERE[name.text], "use another function", offset=name.offset)
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


def _operands(tokens: Sequence[Token], scope: Scope, depth: int) -> Iterator[Operand]:
    """Read values until the tokens end; parentheses hold a pipe, a field right after them looks into it."""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.is_sign("("):
            close = _closing(tokens, index)
            operand = _pipeline(tokens[index + 1 : close], token.offset, scope, depth + 1)
            index = close + 1
            after = tokens[index] if index < len(tokens) else None
            if after is not None and after.kind == "field" and after.offset == tokens[close].end:
                operand = _into(operand, after.text[1:].split("."))
                index += 1
            yield operand
        else:
            yield _operand(token, scope)
            index += 1


def _closing(tokens: Sequence[Token], opened: int) -> int:
    inside = 0
    for index in range(opened, len(tokens)):
        inside += _opens(tokens[index])
        if inside == 0:
            return index
    raise Misfit("this parenthesis does not close", "close it with )", offset=tokens[opened].offset)


def _opens(token: Token) -> int:
    return {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0


def _operand(token: Token, scope: Scope) -> Operand:
    """Read one value."""
    if token.kind == "variable":
        return _variable(token, scope)
    if token.kind == "field":
        path = token.text[1:].split(".")
        return _of_alert(path, token) if scope.dot_is_root and scope.root_is_alert else _into(Dot(), path)
    if token.is_sign("."):
        return Dot()
    if token.kind in ("string", "raw", "number", "rune") or token.text in ("true", "false"):
        return Literal(_written(token))
    if token.kind == "word" and token.text != "nil":
        return _call(token, ())
    raise Misfit(f"{token.text!r} may not stand here", "write a value, like $value", offset=token.offset)


def _variable(token: Token, scope: Scope) -> Operand:
    name, *path = token.text.split(".")
    if name == "$":
        return _of_alert(path, token) if path and scope.root_is_alert else _into(Root(), path)
    given = scope.given(name)
    if given:
        return _of_alert([given, *path], token)
    if name not in scope.names:
        raise _unknown(name, token.offset)
    return _into(Variable(name), path)


def _of_alert(path: list[str], token: Token) -> Operand:
    """Return a part of what the alert gave, if it has that part: a mistake here would show in every text."""
    if path[0] not in GIVEN.values():
        cure = "write $labels.name, $value, .Labels.name or .Value"
        raise Misfit(f"an alert has no part {path[0]!r}", cure, offset=token.offset)
    if len(path) > (2 if path[0] in _MAPS else 1):
        cure = "write $labels.name" if path[0] in _MAPS else "leave it out"
        raise Misfit(f"{token.text} has no part {path[-1]!r}", cure, offset=token.offset)
    return _into(Root(), path)


def _into(operand: Operand, path: list[str]) -> Operand:
    for name in path:
        operand = Part(operand, name)
    return operand


def _unknown(name: str, offset: int) -> Misfit:
    cure = "write $labels.name or $value, or give it a value with := before"
    return Misfit(f"there is no variable {name}", cure, offset=offset)


def _written(token: Token) -> Value:
    """Return the value of a literal."""
    if token.kind == "word":
        return token.text == "true"
    if token.kind == "raw":
        return token.text[1:-1]
    if token.kind == "number":
        return _number(token)
    try:
        value: object = ast.literal_eval(token.text)
    except (SyntaxError, ValueError):
        raise Misfit(f"{token.text} cannot be read", "mend its escapes", offset=token.offset) from None
    assert isinstance(value, str), "the pattern allows only texts"
    return ord(value) if token.kind == "rune" else value


def _number(token: Token) -> int | float:
    """Return a number as Go reads one: 010 is eight, and only a point or an exponent makes a float."""
    text = token.text.lower()
    try:
        if "x" not in text and any(mark in text for mark in ".e"):
            value = float(text)
            if math.isfinite(value):
                return value
        else:
            octal = text.lstrip("+-").startswith("0") and text.lstrip("+-").isdecimal()
            whole = int(text, 8) if octal else int(text, 0)
            if -(1 << 63) <= whole < 1 << 63:
                return whole
    except ValueError:
        pass
    raise Misfit(f"{token.text} cannot be read", "mend its digits", offset=token.offset)
