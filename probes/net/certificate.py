"""Certificates (RFC 5280): what one says of itself, read from its bytes without judging it.

Python tells it only of certificates that it verified, and the dates of the others matter most.
"""

from __future__ import annotations

import binascii
import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NAMES_MAX: Final = 1000

_UTC_TIME: Final = 0x17
_TBS_VERSION: Final = 0xA0
_TBS_EXTENSIONS: Final = 0xA3
_DNS_NAME: Final = 0x82
_ALTERNATIVE_NAMES: Final = bytes((0x55, 0x1D, 0x11))

# In the order in which Go writes a name, which blackbox_exporter's labels have.
_KEYS: Final = {
    5: "SERIALNUMBER", 3: "CN", 17: "POSTALCODE", 9: "STREET", 8: "ST", 7: "L", 11: "OU", 10: "O", 6: "C",
}  # fmt: skip  # one order on one line
_SINGLE: Final = ("SERIALNUMBER", "CN")
_SPECIAL: Final = frozenset(',+"\\<>;')
_ENCODINGS: Final = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}

Element = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says: names as RFC 2253 writes them, times in seconds since 1970, numbers in hex."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    serial: str
    not_before_s: float
    not_after_s: float


def certificate(der: bytes) -> Certificate:
    """Return what these bytes say, or raise ``ValueError``."""
    try:
        _, outer = next(elements(der))
        _, signed = next(elements(outer))
        parts = list(elements(signed))
        fields = [part for part in parts if part[0] != _TBS_VERSION]
        serial, _, issuer, validity, subject = (content for _, content in fields[:5])
        not_before_s, not_after_s = (_moment_s(*moment) for moment in elements(validity))
        names = tuple(_dns_names(parts))
    except (StopIteration, IndexError, ValueError):
        raise ValueError("the certificate cannot be read") from None
    number = serial.lstrip(b"\0").hex()
    return Certificate(_name(subject), _name(issuer), names, number, not_before_s, not_after_s)


def not_after_s(der: bytes) -> float:
    """Return the end of a certificate's validity in seconds since 1970, or raise ``ValueError``."""
    return certificate(der).not_after_s


def elements(data: bytes) -> Iterator[Element]:
    """Yield tag and content of each DER element that stands in these bytes (X.690)."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        if at + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[at : at + length]
        at += length


def _moment_s(tag: int, text: bytes) -> float:
    digits = text.decode("ascii").rstrip("Z")
    if tag == _UTC_TIME:
        digits = ("19" if digits >= "50" else "20") + digits
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, 14, 2)]
    return float(calendar.timegm((year, *rest)))


def _dns_names(parts: list[Element]) -> Iterator[str]:
    """Yield the DNS names among the subject's alternative ones."""
    for tag, content in parts:
        if tag != _TBS_EXTENSIONS:
            continue
        _, extensions = next(elements(content))
        for _, extension in elements(extensions):
            (_, identity), *_, (_, value) = elements(extension)
            if identity == _ALTERNATIVE_NAMES:
                _, names = next(elements(value))
                found = [name.decode("ascii") for kind, name in elements(names) if kind == _DNS_NAME]
                yield from found[:_NAMES_MAX]


def _name(content: bytes) -> str:
    """Return a name as Go writes it: known keys in its own order, others by number in front of the last."""
    known: dict[str, list[str]] = {key: [] for key in _KEYS.values()}
    others: list[str] = []
    try:
        for _, relative in elements(content):
            for _, pair in elements(relative):
                (_, identity), (tag, value) = elements(pair)
                key = _KEYS.get(identity[2]) if len(identity) == 3 and identity[:2] == b"\x55\x04" else None
                if key is None:
                    others.append(f"{_dotted(identity)}=#{_der(tag, value)}")
                elif key in _SINGLE:
                    known[key] = [_escaped(_text(tag, value))]
                else:
                    known[key].append(_escaped(_text(tag, value)))
    except (IndexError, ValueError):
        raise ValueError("the certificate cannot be read") from None
    words = ["+".join(f"{key}={value}" for value in values) for key, values in known.items() if values]
    return ",".join((*words, *reversed(others)))


def _text(tag: int, value: bytes) -> str:
    return value.decode(_ENCODINGS.get(tag, "utf-8"), "replace")


def _der(tag: int, value: bytes) -> str:
    size = len(value)
    length = bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return binascii.hexlify(bytes((tag,)) + length + value).decode()


def _dotted(identity: bytes) -> str:
    """Return an object identifier in dotted form (X.690, 8.19)."""
    numbers, value = [], 0
    for byte in identity:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _escaped(text: str) -> str:
    """Escape what has a meaning in RFC 2253."""

    def one(at: int, character: str) -> str:
        edge = character == " " and at in (0, len(text) - 1)
        return (
            "\\" + character if character in _SPECIAL or edge or (character == "#" and not at) else character
        )

    return "".join(one(at, character) for at, character in enumerate(text))
