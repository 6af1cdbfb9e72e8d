"""What conditions are made of: comparisons, tests and filters, named as in Jinja and Ansible."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

from model.regex import compiled

Value = None | bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"]


class Unsound(Exception):
    """A condition cannot be answered over these values; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is not there, by the words that asked for it."""

    words: str


def known(value: Value | Missing) -> Value:
    """Return the value, or raise ``Unsound`` where there is none."""
    if isinstance(value, Missing):
        raise Unsound(f"{value.words} is not defined")
    return value


def truth(value: Value | Missing) -> bool:
    """Return a value that is true or false by itself; anything else must be compared."""
    found = known(value)
    if isinstance(found, bool):
        return found
    raise Unsound(f"{_shown(found)} is neither true nor false")


def _shown(value: Value) -> str:
    return repr(value if isinstance(value, int | float | None) else str(value)[:40])


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Value, Value], bool]:
    def order(left: Value, right: Value) -> bool:
        if not _is_number(left) or not _is_number(right):
            raise Unsound(f"{_shown(left)} and {_shown(right)} have no order; compare numbers, like x | int")
        return compare(left, right)

    return order


def _equal(left: Value, right: Value) -> bool:
    return left == right and isinstance(left, bool) is isinstance(right, bool)


def _holds(left: Value, right: Value) -> bool:
    if isinstance(right, str):
        if isinstance(left, str):
            return left in right
    elif isinstance(right, Mapping | Sequence):
        return left in right
    raise Unsound(f"nothing can be in {_shown(right)}")


ORDERS: Final[Mapping[str, Callable[[Value, Value], bool]]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _holds,
    "not in": lambda left, right: not _holds(left, right),
}


def _flag(name: str) -> Callable[[Value | Missing, str], bool]:
    """Read a flag of a step's result."""

    def test(value: Value | Missing, _argument: str) -> bool:
        result = known(value)
        if not isinstance(result, Mapping) or not isinstance(result.get(name), bool):
            raise Unsound(f"{_shown(result)} is no result of a step")
        return result[name] is True

    return test


def _well(value: Value | Missing, argument: str) -> bool:
    return not _flag("failed")(value, argument)


def _matches(value: Value | Missing, pattern: str) -> bool:
    """Match at the beginning, as Ansible's test does."""
    return _text(known(value)) and compiled(f"\\A(?:{pattern})").search(str(value)) is not None


def _searches(value: Value | Missing, pattern: str) -> bool:
    return _text(known(value)) and compiled(pattern).search(str(value)) is not None


def _text(value: Value) -> bool:
    if not isinstance(value, str):
        raise Unsound(f"{_shown(value)} is no text")
    return True


TESTS: Final[Mapping[str, Callable[[Value | Missing, str], bool]]] = {
    "defined": lambda value, _: not isinstance(value, Missing),
    "undefined": lambda value, _: isinstance(value, Missing),
    "failed": _flag("failed"),
    "succeeded": _well,
    "success": _well,
    "changed": _flag("changed"),
    "skipped": _flag("skipped"),
    "match": _matches,
    "search": _searches,
}


def _number(value: Value, make: Callable[[str], int | float]) -> int | float:
    if _is_number(value):
        return value
    try:
        return make(value.strip()) if isinstance(value, str) and len(value) <= 64 else make("")
    except ValueError:
        raise Unsound(f"{_shown(value)} is no number") from None


def _whole(value: Value) -> int:
    number = _number(value, int)
    if isinstance(number, float) and not math.isfinite(number):
        raise Unsound(f"{number} is no whole number")
    return int(number)


def _length(value: Value) -> int:
    if isinstance(value, str | Sequence | Mapping):
        return len(value)
    raise Unsound(f"{_shown(value)} has no length")


def _end(value: Value, index: int) -> Value:
    if isinstance(value, Sequence) and value:
        return value[index]
    raise Unsound(f"{_shown(value)} has no first or last")


def _cased(value: Value, change: Callable[[str], str]) -> str:
    _text(value)
    return change(str(value))


FILTERS: Final[Mapping[str, Callable[[Value, object], Value]]] = {
    "default": lambda value, _: value,
    "int": lambda value, _: _whole(value),
    "float": lambda value, _: float(_number(value, float)),
    "length": lambda value, _: _length(value),
    "count": lambda value, _: _length(value),
    "lower": lambda value, _: _cased(value, str.lower),
    "upper": lambda value, _: _cased(value, str.upper),
    "trim": lambda value, _: _cased(value, str.strip),
    "first": lambda value, _: _end(value, 0),
    "last": lambda value, _: _end(value, -1),
}
