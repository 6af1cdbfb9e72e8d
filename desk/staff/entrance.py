"""What stands before the desk's applications: who may ask at all, and how posts of alerts go by express."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn._types import HTTPScope

from desk.intake.gathering import Done
from desk.staff.taker import Taker

ALERTS_PATH: Final = "/api/v2/alerts"
HOST_BYTES_MAX: Final = 300
HOSTS_KEPT: Final = 64

# uri-host of RFC 3986 without what no name of a desk holds, then perhaps a port: nothing may stand behind it.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{0,5})?")

_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class Guarded:
    """Answers only to the names of this desk.

    A page of somebody else's whose name is made to point here could otherwise read what staff may read.
    """

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _host(scope["headers"]) not in self.hosts:
            await _refuse(send, 421, b"this desk has another name")
        elif "\0" in scope["path"] or b"%00" in scope["query_string"]:
            # No database can be asked for it, and nothing here is named so.
            await _refuse(send, 400, b"an address holds no NUL")
        else:
            await self.app(scope, receive, send)

    def at_once(self, scope: HTTPScope, body: bytes, done: Done) -> bool:
        """Take a request that is here whole, as ``Taker.at_once`` does, or leave it to be called for."""
        app = self.app
        return isinstance(app, Express) and app.at_once(scope, body, done, self.hosts)


@dataclass(frozen=True, slots=True)
class Express:
    """Hands posts of alerts straight to who takes them: looking for their route would take as long again."""

    take: Taker
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a post of alerts, or pass the request on."""
        if scope["type"] == "http" and scope["path"] == ALERTS_PATH and scope["method"] == "POST":
            await self.take(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def at_once(self, scope: HTTPScope, body: bytes, done: Done, hosts: frozenset[str]) -> bool:
        """Take a post of alerts to one of these hosts, if it asks for nothing else; tell whether it did."""
        return (
            scope["method"] == "POST"
            and scope["path"] == ALERTS_PATH
            and not scope["query_string"]
            and _host(scope["headers"]) in hosts
            and self.take.at_once(scope["headers"], body, done)
        )


def allowed(request: Request) -> set[str]:
    """Return by which methods an address can be asked: those of all its routes (RFC 9110, 10.2.1)."""
    routes = [one for one in request.app.routes if isinstance(one, Route)]
    here = [one for one in routes if one.matches(request.scope)[0] is not Match.NONE]
    express = {"POST"} if request.scope["path"] == ALERTS_PATH else set()
    return express.union(*(one.methods or () for one in here))


@dataclass(frozen=True, slots=True)
class Shielded:
    """Adds headers that keep browsers from guessing."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer with these headers, where it has none of its own."""

        async def shielded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = [pair for pair in _SAFE if pair[0] not in known]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self.app(scope, receive, shielded_send)


async def _refuse(send: Send, status: int, sentence: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*_SAFE]})
    await send({"type": "http.response.body", "body": sentence})


def _host(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the host that a request names, without its port; several of them are none."""
    found = [value for name, value in headers if name == b"host"]
    return _hostname(found[0]) if len(found) == 1 and len(found[0]) <= HOST_BYTES_MAX else ""


# A desk has few names, and each request has one.
@lru_cache(HOSTS_KEPT)
def _hostname(value: bytes) -> str:
    found = _HOST.fullmatch(value.decode("latin-1"))
    return (found[1] or found[2]).lower() if found else ""
