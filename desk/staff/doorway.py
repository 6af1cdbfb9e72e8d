"""The door that each connection comes through: who is slow to say what they want, or says too much, goes.

The server itself bounds neither the head of a request nor the time it takes (RFC 9112, 9.5; RFC 6585, 5).
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 10.0
HEAD_BYTES_MAX: Final = 32 << 10


class TooLong(Exception):
    """The head of a request has more bytes than are taken."""


class Doorway(HttpToolsProtocol):
    """Uvicorn's connection, which ends when no head came whole within the time, or one beyond the size."""

    head_s: ClassVar[float] = HEAD_S
    _late: asyncio.TimerHandle | None = None
    _unread = 0  # bytes that came since the last whole head, while none is whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head stays within its size."""
        super().data_received(data)
        if self._late is not None:
            self._unread += len(data)
            if self._unread > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """Begin to wait for the head of one more request."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """Hand the request on, or raise ``TooLong``, which the server answers with 400."""
        self._heard()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX:
            raise TooLong
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._late is None:
            self._unread = 0
            self._late = self.loop.call_later(self.head_s, self.transport.abort)

    def _heard(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
