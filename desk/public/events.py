"""Live news as server-sent events (the HTML standard, 9.2): one reader of the store for all who listen.

An event is ``incident``, ``component`` or ``maintenance``; its data is that thing as the Statuspage forms
say it, whole, so that the newest of each is the state. Ids grow with the clock, also over a restart. Who
comes, and who was away for longer than is remembered, is first told how everything stands.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from desk.page.view import PageView
from desk.public import statuspage
from desk.public.statuspage import moment

LISTENERS_MAX: Final = 200
EVENTS_MAX: Final = 1_000
EVENT_BYTES_MAX: Final = 4 << 20
RETRY_MS: Final = 5_000
HEARTBEAT_S: Final = 15.0

_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

Thing = tuple[str, str]  # its kind and its id


@dataclass(frozen=True, slots=True)
class Event:
    """One change, as it goes over the wire; ``revision`` is greater than that of every event before."""

    revision: int
    wire: bytes


@dataclass(slots=True)
class _Listener:
    """Somebody who listens, and how to wake them from another thread."""

    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        # The loop of somebody who is just leaving may be closed.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.woken.set)


class Broadcast:
    """What changed lately, for everybody who listens; one thread tells, and any loop may listen."""

    def __init__(self, listeners_max: int = LISTENERS_MAX, events_max: int = EVENTS_MAX) -> None:
        self._lock = threading.Lock()
        self._listeners: list[_Listener] = []
        self._listeners_max = listeners_max
        self._events_max = events_max
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._state: dict[Thing, str] = {}
        self._revision = 0
        self._forgotten = 0  # the newest revision that is no longer remembered
        self._read_ms = 0
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def closed(self) -> bool:
        """Whether everybody is to leave."""
        return self._closed

    def tell(self, page: PageView) -> int:
        """Compare a page with the one before and remember what changed; return how many events that made."""
        state = {thing: _data(content) for thing, content in _things(page)}
        with self._lock:
            first = not self._read_ms
            self._read_ms = page.now_ms
            changed = [(thing, data) for thing, data in state.items() if self._state.get(thing) != data]
            changed += [
                (thing, _data({"id": thing[1], "gone": True}))
                for thing in self._state.keys() - state.keys()
                if thing[0] != "incident"  # which only grew too old for the list
            ]
            self._state = state
            if first:
                self._revision = self._forgotten = page.now_ms
                changed = []
            for (kind, _), data in changed:
                self._revision = max(self._revision + 1, page.now_ms)
                self._remember(Event(self._revision, _wire(kind, data, self._revision)))
            listeners = tuple(self._listeners) if changed or first else ()
        for one in listeners:
            one.wake()
        return len(changed)

    def _remember(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.wire)
        while len(self._events) > self._events_max or self._bytes > EVENT_BYTES_MAX:
            old = self._events.popleft()
            self._bytes -= len(old.wire)
            self._forgotten = old.revision

    def since(self, revision: int) -> list[Event] | None:
        """Return the events after a revision, or None where they are not all remembered."""
        with self._lock:
            if not self._forgotten <= revision <= self._revision:
                return None
            return [one for one in self._events if one.revision > revision]

    def whole(self) -> Event | None:
        """Return how everything stands; None before the first page was read.

        Only the last of its events has an id: who is cut off in the middle is told all of it again.
        """
        with self._lock:
            if not self._read_ms:
                return None
            parts = [_wire(kind, data) for (kind, _), data in self._state.items()]
            mark = f"id: {self._revision}\nevent: whole\ndata: {len(parts)}\n\n".encode()
            return Event(self._revision, b"".join([*parts, mark]))

    def heartbeat(self) -> bytes:
        """Return the sign of life: when the store was last read."""
        read_at = moment(self._read_ms) if self._read_ms else None
        return _wire("heartbeat", _data({"read_at": read_at}))

    @contextmanager
    def listening(self) -> Iterator[_Listener | None]:
        """Give a place, or None where all are taken."""
        found: _Listener | None = None
        with self._lock:
            if len(self._listeners) < self._listeners_max:
                found = _Listener(asyncio.get_running_loop())
                self._listeners.append(found)
        try:
            yield found
        finally:
            if found is not None:
                with self._lock:
                    self._listeners.remove(found)

    def close(self) -> None:
        """Let everybody go; for good."""
        self._closed = True
        with self._lock:
            listeners = tuple(self._listeners)
        for one in listeners:
            one.wake()


@dataclass(frozen=True, slots=True)
class _Stream:
    """The answer to one listener; it ends when they go, lag too far behind, or the desk stops."""

    broadcast: Broadcast
    came: Callable[[], None]
    known: int | None
    heartbeat_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.broadcast.listening() as listener:
            if listener is None:
                refused = JSONResponse({"error": "too many listen; read /api/v2/summary.json"}, 503)
                refused.headers["Retry-After"] = "60"
                await refused(scope, receive, send)
                return
            self.came()
            leaving = asyncio.create_task(_gone(receive))
            telling = asyncio.create_task(self._tell(listener, send))
            try:
                await asyncio.wait([leaving, telling], return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                telling.cancel()
                await asyncio.wait([leaving, telling])
            if not telling.cancelled():
                telling.result()

    async def _tell(self, listener: _Listener, send: Send) -> None:
        """Send what is new as it comes; while a socket is full the server lets this wait."""
        headers = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send(send, f"retry: {RETRY_MS}\n\n".encode())
        news = None if self.known is None else self.broadcast.since(self.known)
        known = self.known or 0
        if news is None:
            whole = await self._whole(listener)
            news, known = [whole] if whole else [], 0
        while news is not None and not self.broadcast.closed:
            listener.woken.clear()
            for one in news:
                await _send(send, one.wire)
                known = one.revision
            # Whoever lags behind all that is remembered is let go, and their browser comes again.
            news = self.broadcast.since(known)
            if not news:
                await self._wait(listener, send)
                news = self.broadcast.since(known)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _whole(self, listener: _Listener) -> Event | None:
        while not self.broadcast.closed:
            listener.woken.clear()
            found = self.broadcast.whole()
            if found is not None:
                return found
            await listener.woken.wait()
        return None

    async def _wait(self, listener: _Listener, send: Send) -> None:
        try:
            await asyncio.wait_for(listener.woken.wait(), self.heartbeat_s)
        except TimeoutError:
            await _send(send, self.broadcast.heartbeat())


async def _send(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Answer(Response):
    """A response of Starlette's that is the stream."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)


def event_routes(
    broadcast: Broadcast, came: Callable[[], None], heartbeat_s: float = HEARTBEAT_S
) -> list[Route]:
    """Return the route ``/events``; ``came`` is called when somebody begins to listen."""

    async def events(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(headers=_HEADERS)
        known = _revision(request.headers.get("Last-Event-ID", ""))
        return _Answer(_Stream(broadcast, came, known, heartbeat_s))

    return [Route("/events", events, methods=["GET"])]


def _revision(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else None


def _things(page: PageView) -> Iterator[tuple[Thing, Mapping[str, Any]]]:
    """Return everything that the page tells of, as the Statuspage forms say it."""
    for one in statuspage.components(page)["components"]:
        yield ("component", one["id"]), one
    for one in reversed(statuspage.incidents(page)["incidents"]):
        yield ("incident", one["id"]), one
    for one in statuspage.maintenances(page)["scheduled_maintenances"]:
        yield ("maintenance", one["id"]), one


def _data(content: Mapping[str, Any]) -> str:
    """Return JSON in one line: it escapes every line end, so no content can begin a field of its own."""
    return json.dumps(content, separators=(",", ":"))


def _wire(kind: str, data: str, revision: int | None = None) -> bytes:
    mark = "" if revision is None else f"id: {revision}\n"
    return f"{mark}event: {kind}\ndata: {data}\n\n".encode()
