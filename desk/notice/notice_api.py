"""Notices over HTTP, for staff: which wait for a human's word, who lets them go, who calls them back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.catalogue.person import Text
from desk.incident.episode import Outcome
from desk.intake.alerts import Refused
from desk.notice import attention, holding
from desk.notice.holding import Held, Human, NotHeld
from desk.staff.counter import Counter, answer, body
from desk.staff.door import doer, member_of
from model.misfit import Misfit

BODY_BYTES_MAX: Final = 4 << 10
NAME_CHARS_MAX: Final = 100


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who says it, where no token does, and the number of people as that one typed it."""

    by: str = ""
    count: int = 0


_decoder: Final = msgspec.json.Decoder(Word)


def notice_routes(counter: Counter) -> list[Route]:
    """Return the routes of notices, for staff alone."""
    return [
        Route("/api/v1/notices", _held(counter), methods=["GET"]),
        Route("/api/v1/notices/{id:int}/release", said(counter, _release), methods=["POST"]),
        Route("/api/v1/notices/{id:int}/cancel", said(counter, _cancel), methods=["POST"]),
        Route("/api/v1/attention", _attention(counter), methods=["GET"]),
    ]


def _held(counter: Counter) -> Callable[[Request], Response]:
    def held(_: Request) -> Response:
        with counter.store.reading() as conn:
            return answer([one.shown() for one in holding.waiting(conn)])

    return held


def _attention(counter: Counter) -> Callable[[Request], Response]:
    def charged(_: Request) -> Response:
        with counter.store.reading() as conn:
            return answer(attention.by_rule(conn, counter.clock()))

    return charged


class Showable(Protocol):
    """What JSON can show."""

    def shown(self) -> dict[str, Any]:
        """Return it as JSON shows it."""


Do = Callable[[Connection, int, Human, int, int], Showable]
"""What a human's word does to what waits, by its number: who says it, the count as typed, and the time."""


def said(counter: Counter, do: Do) -> Callable[[Request], Awaitable[Response]]:
    """Return what takes a human's word about something that waits."""

    async def word_of(request: Request) -> Response:
        """Answer with what waits as it stands then, once that is durable."""
        now_ms = counter.clock()
        try:
            word = _decoder.decode(await body(request, BODY_BYTES_MAX))
            human = human_of(request, word.by)
            number = int(request.path_params["id"])
            write = partial(_done, do=do, notice=number, human=human, count=word.count, now_ms=now_ms)
            held = await asyncio.wrap_future(counter.store.write(write))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        except NotHeld as fact:
            return answer(str(fact), 409)
        except Misfit as wrong:
            return answer(f"{wrong.sentence}; {wrong.cure}", 400)
        except msgspec.MsgspecError as wrong:
            return answer(f"the body is not what is asked for: {wrong}", 400)
        counter.woken(Outcome(True, now_ms))
        return answer(held.shown())

    return word_of


def human_of(request: Request, claimed: str) -> Human:
    """Return who says something: whose token it is, else whoever the body says; raises ``Refused``."""
    member = member_of(request)
    if member is not None:
        return Human(doer(member, claimed), member.person)
    return Human(str(Text.parse(claimed))[:NAME_CHARS_MAX])


def _done(conn: Connection, do: Do, notice: int, human: Human, count: int, now_ms: int) -> Showable:
    return do(conn, notice, human, count, now_ms)


def _release(conn: Connection, notice: int, human: Human, count: int, now_ms: int) -> Held:
    return holding.release(conn, notice, human, count, now_ms)


def _cancel(conn: Connection, notice: int, human: Human, _count: int, now_ms: int) -> Held:
    return holding.cancel(conn, notice, human.by, now_ms)
