"""Values as JSON and back, for those who do not trust each other: only what is declared passes.

A value is a frozen dataclass of plain values; its type is the declaration. Texts, whole numbers, numbers,
truth values, choices, tuples and other such dataclasses are known, and nothing is converted.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import math
import types
import typing
from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast

from model.misfit import Misfit

INTEGER_MAX: Final = (1 << 63) - 1

_KIND: Final = "kind"

T = TypeVar("T")


class Garbled(Exception):
    """What came is not what was agreed on; the text is a sentence."""


def pack(value: object) -> bytes:
    """Return a dataclass as JSON in ASCII, its keys sorted: equal values give equal bytes."""
    return json.dumps(_plain(value), allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def unpack(data: bytes, kinds: Iterable[type[T]]) -> T:
    """Return a value of one of these dataclasses, or raise ``Garbled``."""
    try:
        raw = json.loads(data, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        raise Garbled(f"this is not JSON: {str(wrong)[:100]}") from None
    return cast("T", _record(raw, tuple(kinds)))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        inner = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {_KIND: type(value).__name__, **inner}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    assert value is None or isinstance(value, str | int | float), f"{type(value)} is no plain value"
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _record(raw: object, kinds: tuple[Any, ...]) -> object:
    """Read a dataclass with exactly its fields, named by the kind."""
    if not isinstance(raw, dict):
        raise Garbled("expected a mapping")
    name = raw.get(_KIND)
    kind = next((one for one in kinds if one.__name__ == name), None)
    if kind is None:
        raise Garbled(f"{str(name)[:40]!r} is nothing that is known here")
    hints = _hints(kind)
    if raw.keys() != {*hints, _KIND}:
        strange = sorted(map(str, raw.keys() ^ {*hints, _KIND}))
        raise Garbled(f"{name} has not exactly its fields; look at {', '.join(strange)[:100]}")
    values = {field: _value(raw[field], hint) for field, hint in hints.items()}
    try:
        made: object = kind(**values)
    except Misfit as wrong:
        raise Garbled(f"{name}: {wrong.sentence}") from None
    return made


def _value(raw: object, hint: Any) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _choice(raw, arguments)
    if origin is typing.Literal:
        return _same(raw, arguments)
    if origin is tuple:
        return _tuple(raw, arguments)
    if dataclasses.is_dataclass(hint):
        return _record(raw, (hint,))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(_same(raw, tuple(one.value for one in hint)))
    return _scalar(raw, hint)


def _choice(raw: object, arguments: tuple[Any, ...]) -> object:
    if raw is None and types.NoneType in arguments:
        return None
    records = tuple(one for one in arguments if dataclasses.is_dataclass(one))
    if isinstance(raw, dict) and records:
        return _record(raw, records)
    for one in arguments:
        if one is not types.NoneType and one not in records:
            try:
                return _value(raw, one)
            except Garbled:
                continue
    raise Garbled(f"{type(raw).__name__} is not what belongs here")


def _same(raw: object, choices: tuple[object, ...]) -> object:
    for one in choices:
        if type(raw) is type(one) and raw == one:
            return one
    raise Garbled(f"{str(raw)[:40]!r} is none of the choices")


def _tuple(raw: object, arguments: tuple[Any, ...]) -> object:
    if not isinstance(raw, list):
        raise Garbled("expected a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(one, arguments[0]) for one in raw)
    if len(raw) != len(arguments):
        raise Garbled(f"expected a list of {len(arguments)}")
    return tuple(_value(one, hint) for one, hint in zip(raw, arguments, strict=True))


def _scalar(raw: object, hint: Any) -> object:
    """Read one plain value; a whole number may stand for a number, and true never for 1."""
    assert isinstance(hint, type), f"{hint} is no plain type"
    if hint is bool and isinstance(raw, bool):
        return raw
    if hint is int and isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) <= INTEGER_MAX:
        return raw
    if hint is float and isinstance(raw, int | float) and not isinstance(raw, bool):
        # A whole number too large for a float would raise; one that overflowed in the text is infinite.
        if abs(raw) <= INTEGER_MAX if isinstance(raw, int) else math.isfinite(raw):
            return float(raw)
    elif issubclass(hint, str) and isinstance(raw, str):
        return raw
    raise Garbled(f"expected {hint.__name__}, got {type(raw).__name__}")


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
