"""Notices over HTTP, for staff: which wait for a human's word, who lets them go, who calls them back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import attention, holding
from desk.counter import Counter, answer, body
from desk.episode import Outcome
from desk.holding import Held, NotHeld
from desk.intake import Refused
from desk.person import Text
from model.misfit import Misfit

BODY_BYTES_MAX: Final = 4 << 10
NAME_CHARS_MAX: Final = 100


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who says it, and the number of people as that one typed it."""

    by: str
    count: int = 0


_decoder: Final = msgspec.json.Decoder(Word)


def notice_routes(counter: Counter) -> list[Route]:
    """Return the routes of notices, for staff alone."""
    return [
        Route("/api/v1/notices", _held(counter), methods=["GET"]),
        Route("/api/v1/notices/{id:int}/release", _said(counter, _release), methods=["POST"]),
        Route("/api/v1/notices/{id:int}/cancel", _said(counter, _cancel), methods=["POST"]),
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


Do = Callable[[Connection, int, str, int, int], Held]


def _said(counter: Counter, do: Do) -> Callable[[Request], Awaitable[Response]]:
    async def said(request: Request) -> Response:
        """Answer with the notice as it stands, once that is durable."""
        now_ms = counter.clock()
        try:
            word = _decoder.decode(await body(request, BODY_BYTES_MAX))
            by = str(Text.parse(word.by))[:NAME_CHARS_MAX]
            number = int(request.path_params["id"])
            write = partial(_done, do=do, notice=number, by=by, count=word.count, now_ms=now_ms)
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

    return said


def _done(conn: Connection, do: Do, notice: int, by: str, count: int, now_ms: int) -> Held:
    return do(conn, notice, by, count, now_ms)


def _release(conn: Connection, notice: int, by: str, count: int, now_ms: int) -> Held:
    return holding.release(conn, notice, by, count, now_ms)


def _cancel(conn: Connection, notice: int, by: str, _count: int, now_ms: int) -> Held:
    return holding.cancel(conn, notice, by, now_ms)
