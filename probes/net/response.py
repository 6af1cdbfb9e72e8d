"""Responses of HTTP/1.x (RFC 9112), read with a limit on everything.

``http.client`` is not used: it costs 5 MB, has no total deadline, and takes half a head for a whole one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from model.conversation import Conversation
from probes.net.connect import Connection, Unhealthy

HEAD_BYTES_MAX: Final = 65536
INTERIM_MAX: Final = 5
BODILESS: Final = (204, 304)
_CHUNK_LINE_BYTES_MAX: Final = 256
_PIECE_BYTES: Final = 65536
_GZIP_OR_ZLIB: Final = 47  # zlib's code for "look at the header"
_RAW: Final = -15  # and that for "there is none"
_PACKINGS: Final = ("gzip", "x-gzip", "deflate")

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")  # a long line continued, as old servers do
_LINE_END: Final = re.compile(rb"\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_WHOLE: Final = re.compile(
    r"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [^\r\n]*)?((?:\r?\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\n]*)*)"
)
_FIELD: Final = re.compile(r"\n([^:]+):[ \t]*([^\n]*)")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r?\n")


class _Packer(Protocol):
    """What zlib makes to unpack with; its class has no public name."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Head:
    """A status line and the header fields, their names in lower case."""

    version: str
    status: int
    fields: tuple[tuple[str, str], ...]
    _first: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", dict(reversed(self.fields)))

    @property
    def content_length(self) -> int:
        """The announced length, 0 where the status has no body, or -1."""
        if self.status in BODILESS:
            return 0
        length = self.get("content-length")
        return int(length) if length and "transfer-encoding" not in self else -1

    def __contains__(self, name: str) -> bool:
        return name in self._first

    def get(self, name: str) -> str:
        """Return the first field of this name, or the empty string."""
        return self._first.get(name, "")

    def each(self, name: str) -> tuple[str, ...]:
        """Return every field of this name."""
        return tuple(value for known, value in self.fields if known == name)


def parse_head(data: bytes) -> Head:
    """Return the head that these bytes are, without the empty line, or raise ``Unhealthy``."""
    whole = _WHOLE.fullmatch(data.decode("latin-1"))
    if whole is None:
        return _parse_lines(data)
    found = [(name.lower(), value.rstrip(" \t\r")) for name, value in _FIELD.findall(whole[3])]
    return _head(whole[1], whole[2], found)


def _parse_lines(data: bytes) -> Head:
    """Return a head that is written in an unusual way, or say what is wrong with it."""
    first, *rest = re.split(rb"\r?\n", _FOLD.sub(b" ", data))
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise Unhealthy(f"the answer does not begin as HTTP/1.x: {first[:40]!a}")
    fields: list[tuple[str, str]] = []
    for line in rest:
        field = _HEADER.fullmatch(line)
        if field is None:
            raise Unhealthy(f"a header line is malformed: {line[:40]!a}")
        fields.append((field[1].decode("ascii").lower(), field[2].decode("latin-1")))
    return _head(status[1].decode(), status[2].decode(), fields)


def _head(version: str, status: str, fields: list[tuple[str, str]]) -> Head:
    head = Head(version, int(status), tuple(fields))
    length = head.get("content-length")
    if "content-length" in head and (
        not _LENGTH.fullmatch(length) or len(set(head.each("content-length"))) > 1
    ):
        raise Unhealthy("the Content-Length is not one number")
    return head


def read_head(connection: Connection) -> Conversation[Head]:
    """Return the head of the final response; interim ones (1xx) are passed over."""
    for _ in range(INTERIM_MAX + 1):
        data = yield from connection.take_until(_HEAD_END, HEAD_BYTES_MAX)
        if data is None:
            raise Unhealthy("the connection ended before the headers did")
        head = parse_head(data.rstrip(b"\r\n"))
        if head.status >= 200:
            return head
    raise Unhealthy("one interim response follows another")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a body is kept and read, in bytes after unpacking.

    ``packing`` is what the body must be packed with, whatever its head says; without it the head says.
    """

    kept_bytes_max: int = 1 << 20
    read_bytes_max: int = 8 << 20
    packing: str = ""


@dataclass(slots=True)
class Body:
    """What comes after a head: its first bytes, and how many there are, unpacked; it grows while it is read.

    ``cut`` says that it was left before its end, because the limit was reached.
    """

    data: bytearray = field(default_factory=bytearray)
    length: int = 0
    cut: bool = False

    def takes(self, piece: bytes, bounds: Bounds) -> bool:
        """Take a piece; False when no more is wanted."""
        self.data += piece[: bounds.kept_bytes_max - len(self.data)]
        self.length = min(self.length + len(piece), bounds.read_bytes_max + 1)
        self.cut = self.length > bounds.read_bytes_max
        self.length -= self.cut
        return not self.cut


def read_body(
    connection: Connection, head: Head, method: str, bounds: Bounds, body: Body
) -> Conversation[None]:
    """Read into the body, unpacking where it came as gzip or deflate; reading stops at the limit."""
    if method == "HEAD" or head.status in BODILESS:
        return
    told = head.get("content-encoding").lower()
    packing = bounds.packing or (told if told in _PACKINGS else "")
    packed = _Packed(body, bounds, packing) if packing not in ("", "identity") else None
    takes = packed.takes if packed else partial(body.takes, bounds=bounds)
    if head.get("transfer-encoding").lower().endswith("chunked"):
        whole = yield from _chunked(connection, takes)
    elif head.content_length >= 0:
        whole = yield from _exactly(connection, head.content_length, takes)
    else:
        whole = yield from _rest(connection, takes)
    if whole and packed:
        packed.check_end()


_Takes = Callable[[bytes], bool]
"""Takes a piece of a body; False when it wants no more."""


class _Packed:
    """A body that came packed; never more than its limit is unpacked, for a small one can hold gigabytes."""

    def __init__(self, body: Body, bounds: Bounds, packing: str) -> None:
        self._body = body
        self._bounds = bounds
        self._packing = packing
        self._packer: _Packer | None = None

    def takes(self, piece: bytes) -> bool:
        try:
            if self._packer is None:
                self._packer = _unpacker(self._packing, piece)
            while piece:
                out = self._packer.decompress(piece, _PIECE_BYTES)
                if not self._body.takes(out, self._bounds):
                    return False
                piece = self._packer.unconsumed_tail
        except zlib.error:
            raise Unhealthy("the body is not packed as it should be") from None
        return True

    def check_end(self) -> None:
        if self._packer is not None and not self._packer.eof:
            raise Unhealthy("the packed body is cut short")


def _unpacker(packing: str, start: bytes) -> _Packer:
    """Return what unpacks; "deflate" came to stand for two forms, of which only zlib's has a head."""
    raw = packing == "deflate" and (
        len(start) < 2 or start[0] & 0xF != 8 or int.from_bytes(start[:2], "big") % 31
    )
    return zlib.decompressobj(_RAW if raw else _GZIP_OR_ZLIB)


def _rest(connection: Connection, takes: _Takes) -> Conversation[bool]:
    """Read a body that ends with its connection; False when it was left before its end."""
    while piece := (yield from connection.take(_PIECE_BYTES)):
        if not takes(piece):
            return False
    return True


def _exactly(connection: Connection, size: int, takes: _Takes) -> Conversation[bool]:
    """Read so many bytes; False when they were left before their end."""
    while size:
        piece = yield from connection.take(min(size, _PIECE_BYTES))
        if not piece:
            raise Unhealthy("the body is cut short")
        size -= len(piece)
        if not takes(piece):
            return False
    return True


def _chunked(connection: Connection, takes: _Takes) -> Conversation[bool]:
    """Read a chunked body (RFC 9112, 7.1), all but its trailers; False when it was left before its end."""
    while True:
        start = yield from connection.take_until(_LINE_END, _CHUNK_LINE_BYTES_MAX)
        chunk = _CHUNK.fullmatch(start or b"")
        if chunk is None:
            raise Unhealthy("the chunked body is malformed or cut short")
        size = int(chunk[1], 16)
        if not size:
            return True
        if not (yield from _exactly(connection, size, takes)):
            return False
        end = yield from connection.take_until(_LINE_END, 2)
        if (end or b"").strip():
            raise Unhealthy("a chunk is longer than announced")
