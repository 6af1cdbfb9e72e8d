"""What a detector knows, as plain numbers that can be written down and taken up again."""

from __future__ import annotations

import math
from array import array
from typing import Final, TypeAlias, TypeGuard

from rules.unusual.detector import Detector

Known: TypeAlias = "int | float | list[float] | dict[str, Known]"
"""A number, a row of numbers, or what a part knows by its names."""

FORM: Final = 1
"""Changes with the meaning of what is written down; other forms are not taken up."""

_ROW_MAX: Final = 1000


class Lost(Exception):
    """What was written down is not what a detector of this version knows."""


def remembered(detector: Detector) -> Known:
    """Return all that a detector knows: a few hundred numbers."""
    return _told(detector)


def recalled(known: object) -> Detector:
    """Return a detector that knows this, or raise ``Lost``."""
    detector = Detector()
    _teach(detector, known)
    return detector


def _told(part: object) -> Known:
    if isinstance(part, (int, float)):
        return part
    if isinstance(part, (array, list)):
        return list(part)
    return {name: _told(getattr(part, name)) for name in _names(part)}


def _teach(part: object, known: object) -> None:
    if not isinstance(known, dict) or known.keys() != set(_names(part)):
        raise Lost(f"{type(part).__name__} has other parts")
    for name in _names(part):
        present = getattr(part, name)
        if isinstance(present, (int, float, list, array)):
            setattr(part, name, _like(present, known[name]))
        else:
            _teach(present, known[name])


def _like(present: object, value: object) -> object:
    """Return a value in the shape of the present one, or raise ``Lost``."""
    if isinstance(present, float) and _is_number(value):
        return float(value)
    if isinstance(present, int) and isinstance(value, int):
        return value
    if isinstance(value, list) and len(value) <= _ROW_MAX and all(map(_is_number, value)):
        if isinstance(present, list):
            return [float(one) for one in value]
        if isinstance(present, array) and len(value) == len(present):
            return _row(present.typecode, value)
    raise Lost(f"{value!r:.40} is not what belongs there")


def _row(typecode: str, numbers: list[int | float]) -> array[int] | array[float]:
    try:
        return array(typecode, numbers if typecode == "f" else [int(one) for one in numbers])
    except OverflowError as wrong:
        raise Lost(str(wrong)) from None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _names(part: object) -> tuple[str, ...]:
    return tuple(type(part).__slots__)  # type: ignore[attr-defined]  # every part of a detector has slots
