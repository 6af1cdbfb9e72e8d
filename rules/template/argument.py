"""Arguments of template functions: taken as numbers and texts, or refused in a sentence."""

from __future__ import annotations

import re
from typing import Final

from rules.template import go_format
from rules.template.value import Found, Value, WrongValue, type_name

_NUMBER: Final = re.compile(
    r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|infinity)|nan", re.IGNORECASE
)


def number_of(value: Value) -> float:
    """Return a number, or a text that is one, as a float."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise WrongValue(f"expected a number, got {described(value)}")


def text_of(value: Value) -> str:
    """Return a text; nothing else is taken for one."""
    if not isinstance(value, str):
        raise WrongValue(f"expected a text, got {described(value)}")
    return value


def sample_of(value: Value) -> Found:
    """Return a sample that ``query`` found."""
    if not isinstance(value, Found):
        raise WrongValue(f"expected a sample, got {described(value)}")
    return value


def samples_of(value: Value) -> tuple[Found, ...]:
    """Return all samples that ``query`` found."""
    if not isinstance(value, tuple):
        raise WrongValue(f"expected the result of query, got {described(value)}")
    return value


def described(value: Value) -> str:
    """Say what a value is, in a sentence about a mistake."""
    if isinstance(value, tuple):
        return "the result of a query"
    words = go_format.quoted(value) if isinstance(value, str) else go_format.shown(value)
    return f"the {type_name(value)} {words[:60]}"
