"""The door of the staff address: whoever comes shows a token, and is from then on who it belongs to.

Agents, health checks and whatever is on the public address too have no door. Where desk.yaml names no staff
the door stands open, and a name is what somebody says.
"""

from __future__ import annotations

import base64
import binascii
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from desk import schema
from desk.intake.alerts import Refused
from desk.staff import staff
from desk.staff.counter import Counter, answer
from desk.staff.staff import ANY, Lapsed, Member, Role
from desk.staff.staff_tries import Tries
from desk.store.store import upsert

USE_NOTED_S: Final = 60.0

_log: Final = logging.getLogger("desk.staff")
_MEMBER: Final = "beforehand.member"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NOBODY: Final = "send a token as Authorization: Bearer TOKEN"
_STRANGER: Final = "this token is not good here"

_OPEN: Final = frozenset(
    {
        ("POST", "/api/v1/leases"),
        ("POST", "/api/v1/leases/end"),
        ("POST", "/api/v1/evidence"),
        ("GET", "/api/v1/grants"),
        ("POST", "/api/v1/webhook"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        # The catalogue has a door of its own, for which it has a token more.
        ("GET", "/api/v1/catalogue"),
        ("PUT", "/api/v1/catalogue"),
    }
)
"""What agents and other Alertmanagers ask, besides the alerts themselves."""

_NEEDED: Final = {
    ("POST", "/api/v1/notices/{id:int}/release"): frozenset({Role.APPROVER}),
    ("POST", "/api/v1/forecasts/{id:int}/release"): frozenset({Role.APPROVER}),
    ("POST", "/api/v1/notices/{id:int}/cancel"): frozenset({Role.OPERATOR, Role.APPROVER}),
    ("POST", "/api/v1/maintenances"): frozenset({Role.OPERATOR, Role.APPROVER}),
    ("GET", "/api/v1/staff"): frozenset({Role.ADMIN}),
}


def needed(method: str, path: str) -> frozenset[Role] | None:
    """Return the roles of which one is needed for a route, None where nobody is asked.

    What is not named here can be read by every role and changed by operators alone.
    """
    asked = "GET" if method == "HEAD" else method
    if (asked, path) in _OPEN:
        return None
    return _NEEDED.get((asked, path), ANY if method in _READING else frozenset({Role.OPERATOR}))


class Unproven(Refused):
    """Nobody knows who asks."""


class Door:
    """Tells who comes, by the staff of the house as it is at that moment."""

    def __init__(self, counter: Counter, monotonic: Callable[[], float]) -> None:
        self._counter = counter
        self._monotonic = monotonic
        self._tries = Tries()
        self._noted_s: dict[str, float] = {}

    @property
    def is_shut(self) -> bool:
        """Whether tokens are asked for."""
        return self._counter.house.staff is not None

    def over(self, routes: Iterable[Route]) -> list[Route]:
        """Return the same routes behind this door."""
        return [
            Route(route.path, Gate(route.app, self, route.path), methods=sorted(route.methods or ()))
            for route in routes
        ]

    def admit(self, scope: Scope, roles: frozenset[Role]) -> Member | None:
        """Return who asks, None where the door stands open; raises ``Refused`` or ``Unproven``."""
        headers = Headers(scope=scope)
        if scope["method"] not in _READING and self._is_foreign(headers):
            raise Refused(403, "a page from elsewhere cannot change anything here")
        if self._counter.house.staff is None:
            return None
        member = self._bearer(shown(headers))
        if not member.may_one_of(roles):
            names = " or ".join(one.value for one in Role if one in roles)
            raise Refused(403, f"this takes the role {names}, which your token does not have")
        self._note(member)
        return member

    def _is_foreign(self, headers: Headers) -> bool:
        """Tell whether a browser asks for a page of somebody else; it sends a password along unasked."""
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            return True
        origin, host = headers.get("origin"), urlsplit(f"//{headers.get('host', '')}").hostname
        own = {host, self._counter.house.config.url.host}
        return origin is not None and urlsplit(origin).hostname not in own

    def _bearer(self, token: str) -> Member:
        roster = self._counter.house.staff
        assert roster is not None, "asked only where there is staff"
        if not token:
            raise Unproven(401, _NOBODY)
        name, now_s = staff.named(token), self._monotonic()
        wait_s = self._tries.wait_s(name, now_s)
        if wait_s:
            raise Refused(429, f"too many tries failed; try again in {math.ceil(wait_s)} s")
        try:
            member = roster.bearer(token, self._counter.clock())
        except Lapsed:
            raise Unproven(401, "the day of this token is past; have another one made") from None
        if member is None:
            if not self._tries.failed(name, now_s):
                raise Refused(429, "too many tries failed; try again in 60 s")
            _log.warning("a token was refused: %s", name or "it has not the form of one")
            raise Unproven(401, _STRANGER)
        return member

    def _note(self, member: Member) -> None:
        """Write down that a token was used, each minute at most."""
        now_s = self._monotonic()
        last_s = self._noted_s.get(member.token)
        if last_s is None or now_s - last_s >= USE_NOTED_S:
            self._noted_s[member.token] = now_s
            self._counter.store.write(partial(_used, token=member.token, now_ms=self._counter.clock()))


@dataclass(frozen=True, slots=True)
class Gate:
    """One route behind a door: says to it who asks, or lets nobody in."""

    app: ASGIApp
    door: Door
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        roles = needed(scope["method"], self.path)
        if roles is not None:
            try:
                scope[_MEMBER] = self.door.admit(scope, roles)
            except Refused as fact:
                await refusal(fact)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def refusal(fact: Refused) -> Response:
    """Return the answer to whoever is not let in; a browser asks its reader for a password then."""
    said = answer(fact.sentence, fact.status)
    if isinstance(fact, Unproven):
        said.headers["WWW-Authenticate"] = 'Basic realm="staff", charset="UTF-8"'
        said.headers.append("WWW-Authenticate", 'Bearer realm="staff"')
    if fact.status == 429:
        said.headers["Retry-After"] = "60"
    return said


def shown(headers: Headers) -> str:
    """Return the token that a request shows, empty for none: as a bearer's, or as the password of anybody.

    The schemes are those of RFC 6750 and RFC 7617. Several of them are none.
    """
    [written, *more] = headers.getlist("authorization") or [""]
    scheme, _, value = written.partition(" ")
    if more:
        return ""
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return pair.partition(":")[2]


def member_of(request: Request) -> Member | None:
    """Return whose token a request came with, None where nobody was asked for one."""
    found = request.scope.get(_MEMBER)
    return found if isinstance(found, Member) else None


def name_of(member: Member | None) -> str:
    """Return the name of whoever acts, empty where nobody was asked for a token."""
    return str(member.name) if member else ""


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed in, and with whose token, None where nobody was asked for one."""

    data: bytes
    member: Member | None

    def by(self, claimed: str) -> str:
        """Return who does it; raises ``Refused``."""
        return doer(self.member, claimed)


def doer(member: Member | None, claimed: str) -> str:
    """Return who does what is asked: whose token it is, else whoever the body says; raises ``Refused``."""
    if member is None:
        return claimed
    if claimed and claimed.casefold() != member.name.casefold():
        raise Refused(403, "by: it names somebody else than whose token this is; leave it out")
    return str(member.name)


def staff_list(counter: Counter) -> list[Route]:
    """Return the route that tells whose tokens there are, and when each was used last."""

    def listed(_: Request) -> Response:
        roster = counter.house.staff
        with counter.store.reading() as conn:
            used = {row.token: row.used_ms for row in conn.execute(schema.staff_use.select())}
        return answer([_told(one, used) for one in (roster.tokens.values() if roster else ())])

    return [Route("/api/v1/staff", listed, methods=["GET"])]


def _told(one: Member, used: dict[str, int]) -> dict[str, Any]:
    return {
        "name": str(one.name),
        "token": str(one.token),
        "may": list(one.may),
        "until": str(one.until),
        "email": str(one.email or ""),
        "used_ms": used.get(one.token, 0),
    }


def _used(conn: Connection, token: str, now_ms: int) -> None:
    insert = upsert(conn, schema.staff_use).values(token=token, used_ms=now_ms)
    conn.execute(insert.on_conflict_do_update(index_elements=["token"], set_={"used_ms": now_ms}))
