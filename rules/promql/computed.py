"""Computed durations, like ``[1h / 2]`` or ``offset (5m + 10s)``, which Prometheus has behind a switch."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import add, mul, sub
from typing import Final

from model.misfit import Misfit
from rules.promql.cursor import Cursor, milliseconds, number
from rules.promql.numbers import power

DEPTH_MAX: Final = 64

_OPERATORS: Final[dict[str, tuple[int, Callable[[float, float], float]]]] = {
    "+": (1, add),
    "-": (1, sub),
    "*": (2, mul),
    "/": (2, lambda left, right: left / right),
    "%": (2, math.fmod),
    "^": (3, power),
}
_SIGN_LEVEL: Final = 2


def computed_ms(cursor: Cursor, *, in_parentheses: bool) -> int:
    """Read arithmetic between durations and numbers of seconds, where asked for in parentheses only."""
    token = cursor.token
    result = _operand(cursor, 0) if in_parentheses else _expression(cursor, 1, 0)
    return milliseconds(result, token)


def _expression(cursor: Cursor, level_min: int, depth: int) -> float:
    left = _operand(cursor, depth)
    while cursor.token.kind == "operator":
        token = cursor.token
        level, compute = _OPERATORS.get(token.text, (0, add))
        if level < level_min:
            break
        cursor.take()
        right = _expression(cursor, level if token.text == "^" else level + 1, depth + 1)
        if token.text in "/%" and not right:
            raise Misfit("the duration divides by zero", "write another divisor", offset=token.at)
        try:
            left = compute(left, right)
        except (OverflowError, ValueError):
            raise Misfit("the duration is too long", "write a duration like 5m", offset=token.at) from None
    return left


def _operand(cursor: Cursor, depth: int) -> float:
    token = cursor.token
    if depth > DEPTH_MAX:
        raise Misfit("the duration nests too deep", f"nest at most {DEPTH_MAX} levels", offset=token.at)
    if cursor.sees("-", "+"):
        cursor.take()
        value = _expression(cursor, _SIGN_LEVEL, depth + 1)
        return -value if token.text == "-" else value
    if cursor.sees("("):
        cursor.take()
        value = _expression(cursor, 1, depth + 1)
        cursor.expect(")")
        return value
    if token.kind not in ("number", "duration"):
        cursor.unexpected("a duration like 5m")
    return number(cursor.take())
