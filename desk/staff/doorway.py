"""The door that each connection comes through: who is slow to say what they want, or says too much, goes.

The server itself bounds neither the head of a request nor the time it takes (RFC 9112, 9.5; RFC 6585, 5).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from desk.staff.entrance import Guarded

HEAD_S: Final = 10.0
HEAD_BYTES_MAX: Final = 32 << 10

_EMPTY: Final = b"content-length: 0\r\n\r\n"
_LAST: Final = b"content-length: 0\r\nconnection: close\r\n\r\n"


class TooLong(Exception):
    """The head of a request has more bytes than are taken."""


class Doorway(HttpToolsProtocol):
    """Uvicorn's connection, which ends when no head came whole within the time, or one beyond the size.

    A post of alerts that came whole at once is taken and answered here, if all is well with it: a task and an
    application of its own would cost as much again. Everything else goes uvicorn's way.
    """

    head_s: ClassVar[float] = HEAD_S
    _late: asyncio.TimerHandle | None = None
    _heading = True  # whether no whole head came since the last request began
    _unread = 0  # bytes that came since the last whole head
    _reading = False
    _held: RequestResponseCycle | None = None  # what came with the bytes that are being read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head stays within its size, and begin with what was asked."""
        self._unread += len(data)
        self._reading = True
        super().data_received(data)
        self._reading = False
        cycle, self._held = self._held, None
        if cycle is not None:
            self._begin(cycle)
        if self._heading:
            self._wait()
            if self._unread > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response("The head of the request is too long.")
        else:
            self._unread = 0

    def on_message_begin(self) -> None:
        """Begin to wait for the head of one more request."""
        super().on_message_begin()
        self._heading = True

    def on_headers_complete(self) -> None:
        """Hand the request on, or raise ``TooLong``, which the server answers with 400."""
        self._heard()
        # What came so far holds the head.
        if self._unread > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise TooLong
        super().on_headers_complete()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._reading and app is self.app:
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle) -> None:
        """Take what can be taken at once; call the application for the rest."""
        plain = cycle.keep_alive and not cycle.more_body and not cycle.waiting_for_100_continue
        if plain and isinstance(self.app, Guarded) and not self.flow.write_paused:
            done = partial(self._done, cycle)
            if self.app.at_once(cycle.scope, bytes(cycle.body), done):
                return
        super()._start_asgi_task(cycle, self.app)

    def _done(self, cycle: RequestResponseCycle, wrong: BaseException | None) -> None:
        """Say that a post was taken; where it was not, the application tries and has the last word."""
        if cycle.disconnected:
            return
        if wrong is not None:
            super()._start_asgi_task(cycle, self.app)
            return
        cycle.response_started = cycle.response_complete = True
        pieces = [STATUS_LINE[200]]
        for name, value in self.server_state.default_headers:
            pieces += (name, b": ", value, b"\r\n")
        pieces.append(_EMPTY if cycle.keep_alive else _LAST)
        self.transport.write(b"".join(pieces))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.head_s, self.transport.abort)

    def _heard(self) -> None:
        self._heading = False
        if self._late is not None:
            self._late.cancel()
            self._late = None
