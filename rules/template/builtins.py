"""The functions that Go's text/template brings along, besides ``and`` and ``or``, which stop early."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, cast
from urllib.parse import quote_plus

from model.misfit import Misfit
from rules.template import go_format
from rules.template.argument import described, text_of
from rules.template.value import Arguments, Function, Value, WrongValue

MANY: Final = 100

_Basic = str | float | int | bool
_JS: Final = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def true(value: Value) -> bool:
    """Tell what Go calls true: not zero and not empty; NaN, any sample and any time are true."""
    if isinstance(value, Arguments):
        return bool(value.each)
    return bool(value)


def negated(value: Value) -> bool:
    """Tell whether a value is not true."""
    return not true(value)


def equal(first: Value, *others: Value) -> bool:
    """Tell whether the first equals one of the others; kinds must be the same, 1 is not 1.0."""
    if not others:
        raise WrongValue("eq needs something to compare with")
    for other in others:
        left, right = _comparable(first, other)
        if left == right:
            return True
    return False


def unequal(left: Value, right: Value) -> bool:
    """Tell whether two values of one kind differ."""
    return not equal(left, right)


def less(left: Value, right: Value) -> bool:
    """Tell whether the left of two numbers, or of two texts, is the smaller."""
    one, other = _comparable(left, right)
    if isinstance(one, bool):
        raise WrongValue("truths have no order")
    if isinstance(one, str):
        return one.encode() < str(other).encode()
    return one < float(other)


def at_most(left: Value, right: Value) -> bool:
    """Tell whether the left is smaller or the same; as in Go, this is less or equal."""
    return less(left, right) or equal(left, right)


def greater(left: Value, right: Value) -> bool:
    """Tell whether the left is larger; as in Go, this is the opposite of less or equal, so NaN is greater."""
    return not at_most(left, right)


def at_least(left: Value, right: Value) -> bool:
    """Tell whether the left is larger or the same; as in Go, this is the opposite of less."""
    return not less(left, right)


def length(value: Value) -> int:
    """Count the bytes of a text, or the elements of anything else."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Arguments):
        return len(value.each)
    if isinstance(value, Mapping | tuple):
        return len(value)
    raise WrongValue(f"{described(value)} has no length")


def index(value: Value, *keys: Value) -> Value:
    """Return what a map holds under a name, or a result of a query at a number from 0."""
    for key in keys:
        if isinstance(value, Arguments):
            value = value.get(text_of(key))
        elif isinstance(value, Mapping):
            value = value.get(text_of(key), "")
        elif isinstance(value, tuple):
            if not isinstance(key, int) or isinstance(key, bool):
                raise WrongValue(f"cannot index samples with {described(key)}")
            if not 0 <= key < len(value):
                raise WrongValue(f"index out of range: {key}")
            value = value[key]
        else:
            raise WrongValue(f"cannot look into {described(value)} with index")
    return value


def cut(value: Value, *places: Value) -> str:
    """Return the bytes of a text from a place up to, without, another."""
    text = text_of(value).encode()
    for place in places:
        if not isinstance(place, int) or isinstance(place, bool):
            raise WrongValue(f"cannot slice with {described(place)}")
    whole = [place for place in places if isinstance(place, int)]
    first, last = (*whole, *(0, len(text))[len(whole) :])
    if not 0 <= first <= last <= len(text):
        raise WrongValue("slice reaches beyond the text")
    return text[first:last].decode(errors="replace")


def printf(text: Value, *values: Value) -> str:
    """Print values in a format of Go's."""
    try:
        return go_format.printf(text_of(text), *values)
    except Misfit as wrong:
        raise WrongValue(wrong.sentence) from None


def printed(*values: Value) -> str:
    """Print values; two that are no texts get a space between them."""
    return go_format.sprint(values)


def printed_line(*values: Value) -> str:
    """Print values with spaces between them, and end the line."""
    return go_format.sprint(values, spaced=True)


def for_html(*values: Value) -> str:
    """Print values so that HTML shows them as they are."""
    text = html.escape(_joined(values)).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def for_js(*values: Value) -> str:
    """Print values so that a JavaScript text shows them as they are."""
    return "".join(_JS.get(character) or _for_js(character) for character in _joined(values))


def for_url(*values: Value) -> str:
    """Print values so that they can be part of a web address."""
    return quote_plus(_joined(values))


BUILTINS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "not": Function(negated),
        "eq": Function(equal, 1, MANY),
        "ne": Function(unequal, 2, 2),
        "lt": Function(less, 2, 2),
        "le": Function(at_most, 2, 2),
        "gt": Function(greater, 2, 2),
        "ge": Function(at_least, 2, 2),
        "len": Function(length),
        "index": Function(index, 1, MANY),
        "slice": Function(cut, 1, 3),
        "print": Function(printed, 0, MANY),
        "printf": Function(printf, 1, MANY),
        "println": Function(printed_line, 0, MANY),
        "html": Function(for_html, 0, MANY),
        "js": Function(for_js, 0, MANY),
        "urlquery": Function(for_url, 0, MANY),
    }
)


def _comparable(left: Value, right: Value) -> tuple[_Basic, _Basic]:
    """Return two values that Go would compare, or raise ``WrongValue``."""
    kinds: tuple[Callable[[Value], bool], ...] = (_is_text, _is_truth, _is_whole, _is_float)
    for value in (left, right):
        if not isinstance(value, str | bool | int | float):
            raise WrongValue(f"{described(value)} cannot be compared")
    if not any(kind(left) and kind(right) for kind in kinds):
        raise WrongValue(f"incompatible types for comparison: {described(left)} and {described(right)}")
    return cast("_Basic", left), cast("_Basic", right)


def _is_text(value: Value) -> bool:
    return isinstance(value, str)


def _is_truth(value: Value) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: Value) -> bool:
    return isinstance(value, float)


def _joined(values: tuple[Value, ...]) -> str:
    return values[0] if len(values) == 1 and isinstance(values[0], str) else go_format.sprint(values)


def _for_js(character: str) -> str:
    if character == "\x7f" or character < " " or not character.isprintable():
        return f"\\u{ord(character):04X}"
    return character
