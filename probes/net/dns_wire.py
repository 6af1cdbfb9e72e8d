"""DNS messages (RFC 1035): a query out, an answer in, with a limit on everything.

A record's text is that of a zone file as Go's usual library writes it, because blackbox_exporter's
expressions are matched against that. Types of which only the number is known are written as RFC 3597 says.
"""

from __future__ import annotations

import binascii
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit
from probes.net.dns_names import TYPES, class_name, type_name

MESSAGE_BYTES_MAX: Final = 65535
RECORDS_MAX: Final = 4096
NAME_BYTES_MAX: Final = 255
_LABEL_BYTES_MAX: Final = 63
_STEPS_MAX: Final = 256  # labels and pointers of one name
_HEAD_BYTES: Final = 12
_POINTER: Final = 0xC0
_ANSWER: Final = 0x8000
_TRUNCATED: Final = 0x0200
_RECURSION_DESIRED: Final = 0x0100
_OPCODE: Final = 0x7800
_ESCAPED: Final = frozenset(b".\\\"'@;() ")
_ESCAPED_IN_QUOTES: Final = frozenset(b'\\"')

Labels = tuple[bytes, ...]


class Malformed(ValueError):
    """Bytes are not a DNS message; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """A domain name as it is asked for, from the root; labels are kept as they were written."""

    labels: Labels

    @classmethod
    def parse(cls, text: str) -> Name:
        """Read a name with or without the dot at its end; a lone dot is the root."""
        bare = text.removesuffix(".")
        try:
            parts = (bare.encode("ascii") if bare.isascii() else bare.encode("idna")).split(b".")
        except UnicodeError:
            raise Misfit(f"{text[:80]!r} is not a domain name", "write it in ASCII, as xn--...") from None
        labels = tuple(parts) if bare else ()
        size = sum(len(label) + 1 for label in labels) + 1
        if size > NAME_BYTES_MAX or not all(0 < len(label) <= _LABEL_BYTES_MAX for label in labels):
            cure = f"keep labels within {_LABEL_BYTES_MAX} bytes and leave none empty"
            raise Misfit(f"{text[:80]!r} is not a domain name", cure)
        return cls(labels)

    def encoded(self) -> bytes:
        """Return the name as it goes on the wire, uncompressed."""
        return b"".join(bytes((len(label),)) + label for label in self.labels) + b"\0"

    def __str__(self) -> str:
        return _presented(self.labels)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a name, and the numbers of a type and a class."""

    name: Name
    kind: int
    in_class: int

    def encoded(self, number: int, *, recursion: bool) -> bytes:
        """Return the message that asks this, under a number that the answer repeats."""
        flags = _RECURSION_DESIRED if recursion else 0
        head = b"".join(part.to_bytes(2, "big") for part in (number, flags, 1, 0, 0, 0))
        return head + self.name.encoded() + self.kind.to_bytes(2, "big") + self.in_class.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record; ``data`` is its text."""

    name: str
    kind: int
    in_class: int
    ttl_s: int
    data: str

    def __str__(self) -> str:
        kind, in_class = type_name(self.kind), class_name(self.in_class)
        return f"{self.name}\t{self.ttl_s}\t{in_class}\t{kind}\t{self.data}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; ``serial`` is that of the last SOA record among the answers."""

    rcode: int
    truncated: bool
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]

    @property
    def serial(self) -> int | None:
        """The zone's serial number, where one was told."""
        found = [record.data.split()[2] for record in self.answer if record.kind == TYPES["SOA"]]
        return int(found[-1]) if found else None


def belongs(data: bytes, number: int) -> bool:
    """Tell whether these bytes can be the answer to the query of this number; others are passed over."""
    return len(data) >= 3 and int.from_bytes(data[:2], "big") == number and bool(data[2] & 0x80)


def decoded(data: bytes, question: Question) -> Answer:
    """Return the answer to a question, or raise ``Malformed``."""
    reader = _Reader(data)
    _, flags, *counts = (reader.u16() for _ in range(6))
    if not flags & _ANSWER or flags & _OPCODE:
        raise Malformed("the message is not the answer to a query")
    if sum(counts[1:]) > RECORDS_MAX:
        raise Malformed(f"the answer says that it has more than {RECORDS_MAX} records")
    for _ in range(counts[0]):
        asked = Question(Name(reader.name()), reader.u16(), reader.u16())
        if not _same(asked, question):
            raise Malformed("the answer is to another question")
    sections = [tuple(reader.record() for _ in range(count)) for count in counts[1:]]
    return Answer(flags & 0xF, bool(flags & _TRUNCATED), *sections)


def _same(one: Question, other: Question) -> bool:
    labels = [[label.lower() for label in question.name.labels] for question in (one, other)]
    return labels[0] == labels[1] and (one.kind, one.in_class) == (other.kind, other.in_class)


class _Reader:
    """Reads a message from front to back; names may point backwards only, so no loop is possible."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)
        self._names: dict[int, Labels] = {}
        self._texts: dict[Labels, str] = {}

    def take(self, size: int) -> bytes:
        if self._at + size > self._end:
            raise Malformed("the message is cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        return self.take(self._end - self._at)

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def word(self) -> bytes:
        """Return a text that its length stands before."""
        return self.take(self.u8())

    @property
    def more(self) -> bool:
        return self._at < self._end

    def name(self) -> Labels:
        """Return the labels of a name; what a pointer leads to stands further in front each time."""
        labels: list[bytes] = []
        start = before = self._at
        after, room = 0, NAME_BYTES_MAX - 1
        for _ in range(_STEPS_MAX):
            size = self.u8()
            if size >= _POINTER:
                target = (size & ~_POINTER) << 8 | self.u8()
                after = after or self._at
                if not _HEAD_BYTES <= target < before:
                    raise Malformed("a name points where no name before it stands")
                before = self._at = target
                # Many records point to one name; it is read once.
                if target not in self._names:
                    continue
                labels += self._names[target]
                room -= sum(len(label) + 1 for label in self._names[target])
                size = 0
            room -= size + 1 if size else 0
            if size > _LABEL_BYTES_MAX or room < 0:
                raise Malformed("a name is too long")
            if not size:
                self._at = after or self._at
                self._names[start] = found = tuple(labels)
                return found
            labels.append(self.take(size))
        raise Malformed("a name points from place to place without end")

    def domain(self) -> str:
        """Return a name as zone files write it."""
        labels = self.name()
        if labels not in self._texts:
            self._texts[labels] = _presented(labels)
        return self._texts[labels]

    def record(self) -> Record:
        """Return the next record."""
        name, kind, in_class = self.domain(), self.u16(), self.u16()
        ttl_s, size = self.u32(), self.u16()
        start, whole = self._at, self._end
        if start + size > whole:
            raise Malformed("a record is cut short")
        self._end = start + size
        data = _TEXTS.get(kind, _generic)(self)
        if self.more:
            raise Malformed(f"a record of type {type_name(kind)} is longer than such a one can be")
        self._end = whole
        return Record(name, kind, in_class, ttl_s, data)


def _presented(labels: Labels) -> str:
    """Return a name as zone files write it, with the dot at its end."""
    return "".join(f"{_escaped(label, _ESCAPED)}." for label in labels) or "."


def _escaped(data: bytes, special: frozenset[int]) -> str:
    def one(byte: int) -> str:
        if byte in special:
            return f"\\{chr(byte)}"
        return chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"

    return "".join(map(one, data))


def _quoted(data: bytes) -> str:
    return f'"{_escaped(data, _ESCAPED_IN_QUOTES)}"'


def _address4(reader: _Reader) -> str:
    return socket.inet_ntop(socket.AF_INET, reader.take(4))


def _address6(reader: _Reader) -> str:
    return socket.inet_ntop(socket.AF_INET6, reader.take(16))


def _preferred_domain(reader: _Reader) -> str:
    return f"{reader.u16()} {reader.domain()}"


def _start_of_authority(reader: _Reader) -> str:
    names = f"{reader.domain()} {reader.domain()}"
    return " ".join((names, *(str(reader.u32()) for _ in range(5))))


def _texts(reader: _Reader) -> str:
    words = []
    while reader.more:
        words.append(_quoted(reader.word()))
    return " ".join(words)


def _service(reader: _Reader) -> str:
    return f"{reader.u16()} {reader.u16()} {reader.u16()} {reader.domain()}"


def _authorization(reader: _Reader) -> str:
    return f"{reader.u8()} {_escaped(reader.word(), _ESCAPED)} {_quoted(reader.rest())}"


def _digest(reader: _Reader) -> str:
    return f"{reader.u16()} {reader.u8()} {reader.u8()} {reader.rest().hex().upper()}"


def _fingerprint(reader: _Reader) -> str:
    return f"{reader.u8()} {reader.u8()} {reader.rest().hex().upper()}"


def _public_key(reader: _Reader) -> str:
    numbers = f"{reader.u16()} {reader.u8()} {reader.u8()}"
    return f"{numbers} {binascii.b2a_base64(reader.rest(), newline=False).decode()}"


def _tls_association(reader: _Reader) -> str:
    return f"{reader.u8()} {reader.u8()} {reader.u8()} {reader.rest().hex()}"


def _generic(reader: _Reader) -> str:
    data = reader.rest()
    return f"\\# {len(data)} {data.hex().upper()}".rstrip()


_TEXTS: Final[dict[int, Callable[[_Reader], str]]] = {
    TYPES["A"]: _address4,
    TYPES["AAAA"]: _address6,
    **{TYPES[name]: _Reader.domain for name in ("NS", "CNAME", "PTR", "DNAME", "MB", "MG", "MR")},
    **{TYPES[name]: _preferred_domain for name in ("MX", "AFSDB", "RT", "KX")},
    TYPES["SOA"]: _start_of_authority,
    **{TYPES[name]: _texts for name in ("TXT", "SPF", "HINFO")},
    TYPES["SRV"]: _service,
    TYPES["CAA"]: _authorization,
    **{TYPES[name]: _digest for name in ("DS", "CDS")},
    TYPES["SSHFP"]: _fingerprint,
    **{TYPES[name]: _public_key for name in ("DNSKEY", "CDNSKEY")},
    **{TYPES[name]: _tls_association for name in ("TLSA", "SMIMEA")},
}
