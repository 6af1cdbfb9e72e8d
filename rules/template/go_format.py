"""Values as Go prints them: ``%v`` and ``printf``, so that templates read here as in Prometheus.

The forms follow Go's packages fmt and strconv. Python's own differ: ``repr`` changes to the exponent
form at 1e16, Go at 1e6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from model.misfit import Misfit
from rules.template import go_time
from rules.template.value import Arguments, Found, Value, View, WrongValue, type_name

WIDTH_MAX: Final = 1000

_VERB: Final = re.compile(
    r"%(?P<flags>[-+ 0]*)(?P<width>[0-9]*)(?P<precision>(?:\.[0-9]*)?)(?P<verb>[a-zA-Z%])"
)
_VERBS: Final = "vsdeEfFgGqtxX%"
_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def shown(value: Value) -> str:
    """Return what ``%v`` prints; raise ``WrongValue`` for samples, of which Go would print the addresses."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    return "<nil>" if value is None else _composed(value)


def _composed(value: datetime | Found | Arguments | View | Mapping[str, str] | tuple[Found, ...]) -> str:
    if isinstance(value, datetime):
        return go_time.shown(value)
    if isinstance(value, Found):
        return f"{{{shown(value.labels)} {number(value.value)}}}"
    if isinstance(value, View):
        setting = value.setting
        outside = f"{shown(setting.external_labels)} {setting.external_url}"
        return f"{{{shown(value.labels)} {outside} {number(value.value)}}}"
    if isinstance(value, tuple):
        raise WrongValue("the result of a query cannot be printed as a whole; use range or first")
    pairs = value.named() if isinstance(value, Arguments) else value
    return f"map[{' '.join(f'{name}:{shown(each)}' for name, each in sorted(pairs.items()))}]"


def sprint(values: tuple[Value, ...], *, spaced: bool = False) -> str:
    """Return Go's ``Sprint``: a space between two values of which none is a text.

    ``spaced`` makes it ``Sprintln``: a space between any two, and the end of the line.
    """
    parts: list[str] = []
    for index, value in enumerate(values):
        before = values[index - 1] if index else ""
        if index and (spaced or not (isinstance(value, str) or isinstance(before, str))):
            parts.append(" ")
        parts.append(shown(value))
    return "".join(parts) + "\n" * spaced


def number(value: float) -> str:
    """Return the shortest digits that read back as this float; from 1e6 and below 1e-4 with an exponent."""
    if not math.isfinite(value):
        return _not_finite(value)
    text = repr(value).removesuffix(".0")
    if abs(value) < 1e6 or "e" in text:
        return text
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text)
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{sign}{mantissa}e+{len(whole) - 1:02d}"


def digits(value: float, significant: int = 4) -> str:
    """Return ``%.4g`` of a float, or of another number of significant digits."""
    return f"{value:.{significant}g}" if math.isfinite(value) else _not_finite(value)


def check_printf(text: str) -> None:
    """Raise ``Misfit`` where a format uses what ``printf`` here does not know."""
    for offset, verb in _verbs(text):
        if verb is None:
            cure = "write % with one of the verbs v s d f e g q t x, or %% for a percent sign"
            raise Misfit("printf does not know this verb", cure, offset=offset)
        if int(verb["width"] or 0) > WIDTH_MAX or int(verb["precision"][1:] or 0) > WIDTH_MAX:
            raise Misfit("printf pads too far", f"keep widths within {WIDTH_MAX}", offset=offset)


def printf(text: str, *values: Value) -> str:
    """Return Go's ``Sprintf``; a value that does not fit its verb prints as Go prints that mistake.

    Raises ``Misfit`` for a format that ``check_printf`` refuses.
    """
    check_printf(text)
    parts, start, used = [], 0, 0
    for offset, verb in _verbs(text):
        assert verb is not None, "the format was checked"
        parts.append(text[start:offset])
        start = verb.end()
        if verb["verb"] == "%":
            parts.append("%")
        elif used == len(values):
            parts.append(f"%!{verb['verb']}(MISSING)")
        else:
            parts.append(_formatted(verb, values[used]))
            used += 1
    parts.append(text[start:])
    if used < len(values):
        extra = ", ".join(f"{type_name(value)}={shown(value)}" for value in values[used:])
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def quoted(text: str) -> str:
    """Return ``%q``: the text in double quotes with Go's escapes."""
    return f'"{"".join(map(_escaped, text))}"'


def _verbs(text: str) -> Iterator[tuple[int, re.Match[str] | None]]:
    """Yield the offset of each verb with its match, or with None where the verb is not known."""
    start = text.find("%")
    while start >= 0:
        verb = _VERB.match(text, start)
        if verb is None or verb["verb"] not in _VERBS:
            yield start, None
            return
        yield start, verb
        start = text.find("%", verb.end())


def _formatted(verb: re.Match[str], value: Value) -> str:
    if isinstance(value, bool):
        return _padded(verb, shown(value)) if verb["verb"] in "vt" else _mismatched(verb, value)
    if isinstance(value, str):
        return _text(verb, value)
    if isinstance(value, int):
        return _whole(verb, value)
    if isinstance(value, float):
        return _float(verb, value)
    return _padded(verb, shown(value)) if verb["verb"] in "vs" else _mismatched(verb, value)


def _text(verb: re.Match[str], value: str) -> str:
    cut = value[: int(verb["precision"][1:] or 0)] if verb["precision"] else value
    if verb["verb"] in "vs":
        return _padded(verb, cut)
    if verb["verb"] == "q":
        return _padded(verb, quoted(cut))
    if verb["verb"] in "xX":
        hexed = value.encode().hex()
        return _padded(verb, hexed if verb["verb"] == "x" else hexed.upper())
    return _mismatched(verb, value)


def _whole(verb: re.Match[str], value: int) -> str:
    if verb["verb"] not in "vdxX":
        return _mismatched(verb, value)
    kind = verb["verb"].replace("v", "d")
    return f"%{verb['flags']}{verb['width']}{verb['precision']}{kind}" % value


def _float(verb: re.Match[str], value: float) -> str:
    if verb["verb"] not in "veEfFgG":
        return _mismatched(verb, value)
    sign = "+" if "+" in verb["flags"] and not value < 0 and value != math.inf else ""
    if not math.isfinite(value) or (verb["verb"] in "vg" and not verb["precision"]):
        return _padded(verb, sign + number(value))
    kind = verb["verb"].replace("v", "g")
    return f"%{verb['flags']}{verb['width']}{verb['precision']}{kind}" % value


def _padded(verb: re.Match[str], text: str) -> str:
    width = int(verb["width"] or 0)
    return text.ljust(width) if "-" in verb["flags"] else text.rjust(width)


def _mismatched(verb: re.Match[str], value: Value) -> str:
    return f"%!{verb['verb']}({type_name(value)}={shown(value)})"


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
