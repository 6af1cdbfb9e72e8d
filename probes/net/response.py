"""Responses of HTTP/1.x (RFC 9112), read with a limit on everything.

``http.client`` is not used: it costs 5 MB, has no total deadline, and takes half a head for a whole one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from probes.net.connect import Connection, Unhealthy

HEAD_BYTES_MAX: Final = 65536
INTERIM_MAX: Final = 5
_CHUNK_LINE_BYTES_MAX: Final = 256
_PIECE_BYTES: Final = 65536
_GZIP_OR_ZLIB: Final = 47  # zlib's code for "look at the header"

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")  # a long line continued, as old servers do
_LINE_END: Final = re.compile(rb"\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r?\n")


@dataclass(frozen=True, slots=True)
class Head:
    """A status line and the header fields, their names in lower case."""

    version: str
    status: int
    fields: tuple[tuple[str, str], ...]

    @property
    def content_length(self) -> int:
        """The announced length, or -1."""
        length = self.get("content-length")
        return int(length) if length and "transfer-encoding" not in dict(self.fields) else -1

    def get(self, name: str) -> str:
        """Return the first field of this name, or the empty string."""
        return next((value for known, value in self.fields if known == name), "")


def parse_head(data: bytes) -> Head:
    """Return the head that these bytes are, without the empty line, or raise ``Unhealthy``."""
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
    lengths = {value for name, value in fields if name == "content-length"}
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise Unhealthy("the Content-Length is not one number")
    return Head(status[1].decode(), int(status[2]), tuple(fields))


def read_head(connection: Connection) -> Head:
    """Return the head of the final response; interim ones (1xx) are passed over."""
    for _ in range(INTERIM_MAX + 1):
        data = connection.take_until(_HEAD_END, HEAD_BYTES_MAX)
        if data is None:
            raise Unhealthy("the connection ended before the headers did")
        head = parse_head(data.rstrip(b"\r\n"))
        if head.status >= 200:
            return head
    raise Unhealthy("one interim response follows another")


def read_body(connection: Connection, head: Head, method: str, size_max: int) -> bytes:
    """Return the body, unpacked where it came as gzip or deflate; reading stops at ``size_max`` bytes."""
    if method == "HEAD" or head.status in (204, 304):
        return b""
    if head.get("transfer-encoding").lower().endswith("chunked"):
        pieces = _chunked(connection)
    elif head.content_length >= 0:
        pieces = _exactly(connection, head.content_length)
    else:
        pieces = iter(lambda: connection.take(_PIECE_BYTES), b"")
    if head.get("content-encoding").lower() in ("gzip", "x-gzip", "deflate"):
        pieces = _unpacked(pieces, size_max)
    body = bytearray()
    for piece in pieces:
        body += piece[: size_max - len(body)]
        if len(body) >= size_max:
            break
    return bytes(body)


def _unpacked(pieces: Iterable[bytes], size_max: int) -> Iterator[bytes]:
    """Unpack, never more than ``size_max`` bytes at a time: a small body can hold gigabytes."""
    packer = zlib.decompressobj(_GZIP_OR_ZLIB)
    begun = False
    for piece in pieces:
        begun = True
        try:
            yield packer.decompress(piece, size_max)
        except zlib.error:
            raise Unhealthy("the body is not packed as its Content-Encoding says") from None
    if begun and not packer.eof:
        raise Unhealthy("the packed body is cut short")


def _exactly(connection: Connection, size: int) -> Iterator[bytes]:
    while size:
        piece = connection.take(min(size, _PIECE_BYTES))
        if not piece:
            raise Unhealthy("the body is cut short")
        size -= len(piece)
        yield piece


def _chunked(connection: Connection) -> Iterator[bytes]:
    """Yield the pieces of a chunked body (RFC 9112, 7.1); trailers are left unread."""
    while True:
        start = connection.take_until(_LINE_END, _CHUNK_LINE_BYTES_MAX)
        chunk = _CHUNK.fullmatch(start or b"")
        if chunk is None:
            raise Unhealthy("the chunked body is malformed or cut short")
        size = int(chunk[1], 16)
        if not size:
            return
        yield from _exactly(connection, size)
        if (connection.take_until(_LINE_END, 2) or b"").strip():
            raise Unhealthy("a chunk is longer than announced")
