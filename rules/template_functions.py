"""The functions that templates may call, as Prometheus defines them (template/template.go)."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from model.misfit import Misfit
from rules import go_format
from rules.go_format import Value

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS_MAX: Final = float(1 << 63)
_NUMBER: Final = re.compile(
    r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|infinity)|nan", re.IGNORECASE
)
_SEPARATED: Final = re.compile(r"(?:^|[^\w])\w")

_LARGE: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL: Final = ("", "m", "u", "n", "p", "f", "a", "z", "y")
_BINARY: Final = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


class WrongValue(Exception):
    """A function was given a value that it cannot use."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a template: how it is called and with how many arguments."""

    call: Callable[..., Value]
    arguments_min: int = 1
    arguments_max: int = 1


def humanize(value: Value) -> str:
    """Print a number with four digits and a metric prefix."""
    return _scaled(_number(value))


def humanize_1024(value: Value) -> str:
    """Print a number with four digits and a binary prefix; what is below 1 gets none."""
    number = _number(value)
    if not math.isfinite(number) or abs(number) <= 1:
        return go_format.digits(number)
    return _prefixed(number, 1024, _BINARY)


def humanize_duration(value: Value) -> str:
    """Print seconds as days, hours, minutes and seconds; under a minute with four digits."""
    number = _number(value)
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
    return go_format.digits(_number(value) * 100) + "%"


def humanize_timestamp(value: Value) -> str:
    """Print seconds since 1970 as a time in UTC, as Go prints one."""
    number = _number(value)
    if not math.isfinite(number):
        return go_format.digits(number)
    if not -_NANOSECONDS_MAX <= number * 1e9 < _NANOSECONDS_MAX:
        raise WrongValue(f"{go_format.number(number)} is no time in nanoseconds that 64 bits can hold")
    # Prometheus goes over nanoseconds and cuts them to milliseconds towards zero.
    nanoseconds = int(number * 1e9)
    milliseconds = abs(nanoseconds) // 1_000_000 * (1 if nanoseconds > 0 else -1)
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def title(value: Value) -> str:
    """Print a text with each word's first letter in upper case."""
    return _SEPARATED.sub(lambda found: found[0].upper(), _text(value))


def to_upper(value: Value) -> str:
    """Print a text in upper case."""
    return _text(value).upper()


def to_lower(value: Value) -> str:
    """Print a text in lower case."""
    return _text(value).lower()


def strip_port(value: Value) -> str:
    """Return the host of ``host:port``; what is not of that form is left as it is."""
    address = _text(value)
    split = _host_and_port(address)
    return split[0] if split else address


def strip_domain(value: Value) -> str:
    """Return a host name without its domain and with its port; an address is left as it is."""
    address = _text(value)
    host, port = _host_and_port(address) or (address, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.split(".")[0] + (f":{port}" if port else "")
    return address


def printf(text: Value, *values: Value) -> str:
    """Print values in a format of Go's."""
    try:
        return go_format.printf(_text(text), *values)
    except Misfit as wrong:
        raise WrongValue(wrong.sentence) from None


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
        "printf": Function(printf, arguments_max=100),
    }
)


def _number(value: Value) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise WrongValue(f"expected a number, got {_described(value)}")


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise WrongValue(f"expected a text, got {_described(value)}")
    return value


def _described(value: Value) -> str:
    words = go_format.quoted(value) if isinstance(value, str) else go_format.shown(value)
    return f"the {go_format.type_name(value)} {words[:60]}"


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
