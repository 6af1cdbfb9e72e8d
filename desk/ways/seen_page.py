"""The page behind the link "I have seen this": reading it changes nothing, posting it ends the ladder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk.delivery.leave import HEADERS
from desk.notice.words import say, spoken
from desk.staff.counter import Counter
from desk.ways.seen import Reader, acknowledge, reader

_PAGE: Final = """\
<!doctype html>
<html lang="{{ language }}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ name }}: {{ heading }}</title></head>
<body><main><h1>{{ heading }}</h1>
<p{% if done %} role="status"{% endif %}>{{ sentence }}</p>
{% if not done %}<form method="post"><button type="submit">{{ word }}</button></form>
{% endif %}<p><a href="{{ url }}">{{ state_word }}</a></p></main></body></html>
"""
_page: Final = Environment(
    loader=DictLoader({"seen.html": _PAGE}), autoescape=True, undefined=StrictUndefined, auto_reload=False
).get_template("seen.html")


def seen_routes(counter: Counter) -> list[Route]:
    """Return the routes of the link; whoever holds it may use it."""
    return [
        Route("/seen/{token}", _ask(counter), methods=["GET"]),
        Route("/seen/{token}", _take(counter), methods=["POST"]),
    ]


def _ask(counter: Counter) -> Callable[[Request], Response]:
    def ask(request: Request) -> Response:
        with counter.store.reading() as conn:
            found = reader(conn, counter.house.secret, str(request.path_params["token"]))
        return _shown(counter, found)

    return ask


def _take(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        """Take effect at once, whatever the body says."""
        text = str(request.path_params["token"])
        write = partial(acknowledge, secret=counter.house.secret, text=text, now_ms=counter.clock())
        return _shown(counter, await asyncio.wrap_future(counter.store.write(write)))

    return take


def _shown(counter: Counter, found: Reader | None) -> Response:
    if found is None:
        raise HTTPException(404)
    house = counter.house
    tongue = spoken(found.language, house.config.language)
    service = house.catalogue.services.get(found.service)
    name = service.said_in(tongue) if service else found.service
    body = _page.render(
        language=tongue,
        name=house.config.name,
        heading=say(tongue, "seen_heading", service=name),
        sentence=say(tongue, "seen_thanks" if found.seen_ms else "seen_asked"),
        word=say(tongue, "seen_word"),
        done=bool(found.seen_ms),
        url=f"{house.config.url}/incidents/{found.ref}",
        state_word=say(tongue, "state_word"),
    )
    return HTMLResponse(body, headers=HEADERS)
