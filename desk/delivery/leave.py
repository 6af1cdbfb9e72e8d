"""The page behind the link at the end of each letter: reading it changes nothing, posting it is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import sqlalchemy as sa
from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk import schema
from desk.delivery.unsubscribe import opt_out, read_token
from desk.staff.counter import Counter

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ name }}: messages about {{ service }}</title></head>
<body><main><h1>Messages about {{ service }}</h1>
{% if done %}<p role="status">You get no more messages about {{ service }}.</p>
{% else %}<p>You get a message when {{ service }} does not work for you.</p>
<form method="post"><button type="submit">No more messages about {{ service }}</button></form>
{% endif %}<p><a href="{{ url }}/">The current state</a></p></main></body></html>
"""
_page: Final = Environment(
    loader=DictLoader({"leave.html": _PAGE}), autoescape=True, undefined=StrictUndefined, auto_reload=False
).get_template("leave.html")


def leave_routes(counter: Counter) -> list[Route]:
    """Return the routes of the link; anybody who holds it may use it, as RFC 8058 asks."""
    return [
        Route("/unsubscribe/{token}", _ask(counter), methods=["GET"]),
        Route("/unsubscribe/{token}", _leave(counter), methods=["POST"]),
    ]


def _ask(counter: Counter) -> Callable[[Request], Response]:
    def ask(request: Request) -> Response:
        person, service = _meant(counter, request)
        table = schema.opt_out
        with counter.store.reading() as conn:
            query = sa.select(table.c.person).where(table.c.person == person, table.c.service == service)
            return _answer(counter, service, conn.execute(query).first() is not None)

    return ask


def _leave(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def leave(request: Request) -> Response:
        """Take effect at once, whatever the body says; a second time changes nothing."""
        person, service = _meant(counter, request)
        write = partial(opt_out, person=person, service=service, now_ms=counter.clock())
        await asyncio.wrap_future(counter.store.write(write))
        return _answer(counter, service, done=True)

    return leave


def _meant(counter: Counter, request: Request) -> tuple[int, str]:
    found = read_token(counter.house.secret, str(request.path_params["token"]))
    if found is None or found[0] not in counter.house.people.values():
        raise HTTPException(404)
    return found


def _answer(counter: Counter, service: str, done: bool) -> Response:
    known = counter.house.catalogue.services.get(service)
    body = _page.render(
        name=counter.house.config.name,
        service=known.said_in("en") if known else service,
        done=done,
        url=counter.house.config.url,
    )
    return HTMLResponse(body, headers=HEADERS)
