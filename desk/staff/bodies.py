"""The bodies of many small requests, within limits of size and time, without a timer for each."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.types import Receive

from desk.intake.alerts import BODY_BYTES_MAX, Refused
from desk.staff.counter import BODY_S

LOOK_S: Final = 1.0  # how much longer than its time a body may take


class Bodies:
    """Reads bodies on one event loop; one timer looks after all that have not come whole."""

    def __init__(self, body_s: float = BODY_S, look_s: float = LOOK_S) -> None:
        self._body_s = body_s
        self._look_s = look_s
        self._until_s: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._looking = False

    async def read(self, receive: Receive, bytes_max: int = BODY_BYTES_MAX) -> bytes:
        """Return the body of a request, or raise ``Refused``."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a request is a task"
        self._until_s[task] = loop.time() + self._body_s
        if not self._looking:
            self._looking = True
            loop.call_later(self._look_s, self._look, loop)
        try:
            return await _read(receive, bytes_max)
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel() > 0:
                raise
            raise Refused(408, f"the body did not come within {self._body_s:.0f} s") from None
        finally:
            del self._until_s[task]
            self._late.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up on those whose time is over, and look again while anybody is waited for."""
        now_s = loop.time()
        for task, until_s in self._until_s.items():
            if until_s <= now_s and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._looking = bool(self._until_s)
        if self._looking:
            loop.call_later(self._look_s, self._look, loop)


async def _read(receive: Receive, bytes_max: int) -> bytes:
    pieces: list[bytes] = []
    count, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the body ended early")
        piece: bytes = message.get("body", b"")
        count += len(piece)
        if count > bytes_max:
            raise Refused(413, f"the body has more than {bytes_max} bytes")
        pieces.append(piece)
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
