"""WebSocket frames and the opening handshake (RFC 6455), without a socket."""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
CONTROL_BYTES_MAX: Final = 125
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION: Final = 0x0


class BrokenFrame(ValueError):
    """Bytes are not a frame that a server may send; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``last`` where no continuation follows."""

    kind: int
    data: bytes
    last: bool


def accepted(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def masked(kind: int, data: bytes, mask: bytes) -> bytes:
    """Return one whole frame of a client, masked with four random bytes."""
    size = len(data)
    if size <= CONTROL_BYTES_MAX:
        head = bytes((0x80 | kind, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | kind, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | kind, 0x80 | 127)) + size.to_bytes(8, "big")
    whole = int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + whole.to_bytes(size, "big")


class Frames:
    """Cuts what a server sends into frames, and frames into messages, each of at most ``size_max`` bytes."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._buffer = bytearray()
        self._message = bytearray()
        self._kind = _CONTINUATION

    def feed(self, data: bytes) -> None:
        """Take what the server sent."""
        self._buffer += data

    def next(self) -> Frame | None:
        """Return the next whole message or control frame, None where more bytes are needed."""
        while (frame := self._frame()) is not None:
            if frame.kind >= CLOSE:
                return frame
            if (frame.kind == _CONTINUATION) != (self._kind != _CONTINUATION):
                raise BrokenFrame("a message begins within another, or goes on before it began")
            self._kind = self._kind or frame.kind
            self._message += frame.data
            if len(self._message) > self._size_max:
                raise BrokenFrame(f"a message is longer than {self._size_max} bytes")
            if frame.last:
                whole = Frame(self._kind, bytes(self._message), last=True)
                self._kind, self._message = _CONTINUATION, bytearray()
                return whole
        return None

    def _frame(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] & 0x70 or buffer[1] & 0x80:
            raise BrokenFrame("a frame is masked or uses an extension that was not agreed on")
        kind, last, size, at = buffer[0] & 0x0F, bool(buffer[0] & 0x80), buffer[1], 2
        if kind not in (_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise BrokenFrame(f"a frame has the unknown kind {kind}")
        if kind >= CLOSE and (size > CONTROL_BYTES_MAX or not last):
            raise BrokenFrame("a control frame is too long or cut up")
        if size > CONTROL_BYTES_MAX:
            at += 2 if size == 126 else 8
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at], "big")
        if size > self._size_max:
            raise BrokenFrame(f"a frame is longer than {self._size_max} bytes")
        if len(buffer) < at + size:
            return None
        data = bytes(buffer[at : at + size])
        del buffer[: at + size]
        return Frame(kind, data, last)
