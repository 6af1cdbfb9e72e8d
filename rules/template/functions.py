"""The functions that templates may call, as Prometheus defines them (template/template.go)."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from model.duration import Duration
from model.misfit import Misfit
from model.regex import Regex, compiled
from rules.template import go_format, go_time
from rules.template.argument import number_of, text_of
from rules.template.builtins import BUILTINS
from rules.template.query import QUERYING
from rules.template.value import Function, Value, WrongValue

_SEPARATED: Final = re.compile(r"(?:^|[^\w])\w")

_LARGE: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL: Final = ("", "m", "u", "n", "p", "f", "a", "z", "y")
_BINARY: Final = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def humanize(value: Value) -> str:
    """Print a number with four digits and a metric prefix."""
    return _scaled(number_of(value))


def humanize_1024(value: Value) -> str:
    """Print a number with four digits and a binary prefix; what is below 1 gets none."""
    number = number_of(value)
    if not math.isfinite(number) or abs(number) <= 1:
        return go_format.digits(number)
    return _prefixed(number, 1024, _BINARY)


def humanize_duration(value: Value) -> str:
    """Print seconds as days, hours, minutes and seconds; under a minute with four digits."""
    number = number_of(value)
    if not math.isfinite(number):
        return go_format.digits(number)
    if abs(number) < 60:
        return (_scaled(number) if abs(number) < 1 else go_format.digits(number)) + "s"
    minutes, second = divmod(int(abs(number)), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    words = [f"{day}d", f"{hour}h", f"{minute}m", f"{second}s"]
    largest = 0 if day else 1 if hour else 2
    return ("-" if number < 0 else "") + " ".join(words[largest:])


def humanize_percentage(value: Value) -> str:
    """Print a ratio as a percentage with four digits."""
    return go_format.digits(number_of(value) * 100) + "%"


def humanize_timestamp(value: Value) -> str:
    """Print seconds since 1970 as a time in UTC, as Go prints one."""
    number = number_of(value)
    if not math.isfinite(number):
        return go_format.digits(number)
    return go_time.shown(to_time(value))


def title(value: Value) -> str:
    """Print a text with each word's first letter in upper case."""
    return _SEPARATED.sub(lambda found: found[0].upper(), text_of(value))


def to_upper(value: Value) -> str:
    """Print a text in upper case."""
    return text_of(value).upper()


def to_lower(value: Value) -> str:
    """Print a text in lower case."""
    return text_of(value).lower()


def strip_port(value: Value) -> str:
    """Return the host of ``host:port``; what is not of that form is left as it is."""
    address = text_of(value)
    split = _host_and_port(address)
    return split[0] if split else address


def strip_domain(value: Value) -> str:
    """Return a host name without its domain and with its port; an address is left as it is."""
    address = text_of(value)
    host, port = _host_and_port(address) or (address, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.split(".")[0] + (f":{port}" if port else "")
    return address


def to_time(value: Value) -> datetime:
    """Return seconds since 1970 as a time."""
    number = number_of(value)
    if not math.isfinite(number):
        raise WrongValue("value is NaN or Inf")
    try:
        return go_time.moment(number)
    except OverflowError:
        sentence = f"{go_format.number(number)} is no time in nanoseconds that 64 bits can hold"
        raise WrongValue(sentence) from None


def parse_duration(value: Value) -> float:
    """Return the seconds of a duration such as 1h30m."""
    try:
        return Duration.parse(text_of(value)).s
    except Misfit as wrong:
        raise WrongValue(wrong.sentence) from None


def matches(pattern: Value, value: Value) -> bool:
    """Tell whether a regular expression matches anywhere in a text."""
    return _regex(pattern).search(text_of(value)) is not None


def replace_all(pattern: Value, replacement: Value, value: Value) -> str:
    """Put a text in place of each match; ``$1`` and ``${name}`` in it stand for groups."""
    return _regex(pattern).replaced(text_of(value), text_of(replacement))


def as_it_is(value: Value) -> str:
    """Return a text; in labels and annotations ``safeHtml`` changes nothing."""
    return text_of(value)


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "humanize": Function(humanize),
        "humanize1024": Function(humanize_1024),
        "humanizeDuration": Function(humanize_duration),
        "humanizePercentage": Function(humanize_percentage),
        "humanizeTimestamp": Function(humanize_timestamp),
        "title": Function(title),
        "toUpper": Function(to_upper),
        "toLower": Function(to_lower),
        "stripPort": Function(strip_port),
        "stripDomain": Function(strip_domain),
        "toTime": Function(to_time),
        "parseDuration": Function(parse_duration),
        "match": Function(matches, 2, 2),
        "reReplaceAll": Function(replace_all, 3, 3),
        "safeHtml": Function(as_it_is),
        **QUERYING,
        **BUILTINS,
    }
)


def _regex(pattern: Value) -> Regex:
    try:
        return compiled(text_of(pattern), dot_all=False)
    except Misfit as wrong:
        raise WrongValue(wrong.sentence) from None


def _scaled(number: float) -> str:
    """Print with a metric prefix, up or down."""
    if not math.isfinite(number) or number == 0:
        return go_format.digits(number)
    if abs(number) >= 1:
        return _prefixed(number, 1000, _LARGE)
    steps = 0
    while abs(number) < 1 and steps < len(_SMALL) - 1:
        number, steps = number * 1000, steps + 1
    return go_format.digits(number) + _SMALL[steps]


def _prefixed(number: float, step: int, prefixes: tuple[str, ...]) -> str:
    steps = 0
    while abs(number) >= step and steps < len(prefixes) - 1:
        number, steps = number / step, steps + 1
    return go_format.digits(number) + prefixes[steps]


def _host_and_port(address: str) -> tuple[str, str] | None:
    """Split as Go's ``net.SplitHostPort`` does; None where it would fail."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    return None if {"[", "]"} & {*host, *port} else (host, port)
