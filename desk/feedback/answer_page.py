"""The pages behind the links "affected" and "not affected": reading one changes nothing, posting it counts.

So whatever opens links to look into mails, which it does with a GET, answers for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk.delivery.leave import HEADERS
from desk.feedback.answers import Asked, asked, record
from desk.ledger.story import Answer
from desk.notice.words import say, spoken
from desk.staff.counter import Counter

WAYS: Final = {"affected": Answer.AFFECTED, "not-affected": Answer.NOT_AFFECTED}

_PAGE: Final = """\
<!doctype html>
<html lang="{{ language }}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ name }}: {{ heading }}</title></head>
<body><main><h1>{{ heading }}</h1>
{% for sentence in sentences %}<p{% if loop.first %} role="status"{% endif %}>{{ sentence }}</p>
{% endfor %}{% for action, word in buttons %}<form method="post" action="{{ action }}">\
<button type="submit">{{ word }}</button></form>
{% endfor %}<p><a href="{{ url }}">{{ state_word }}</a></p></main></body></html>
"""
_page: Final = Environment(
    loader=DictLoader({"answer.html": _PAGE}), autoescape=True, undefined=StrictUndefined, auto_reload=False
).get_template("answer.html")


def answer_routes(counter: Counter) -> list[Route]:
    """Return the routes of both links; whoever holds one may use it."""
    return [
        route
        for way, answer in WAYS.items()
        for route in (
            Route(f"/{way}/{{token}}", _ask(counter, way), methods=["GET"]),
            Route(f"/{way}/{{token}}", _take(counter, answer), methods=["POST"]),
        )
    ]


def _ask(counter: Counter, way: str) -> Callable[[Request], Response]:
    def ask(request: Request) -> Response:
        text = str(request.path_params["token"])
        with counter.store.reading() as conn:
            found = asked(conn, counter.house.secret, text, counter.clock())
        return _shown(counter, found, text, way)

    return ask


def _take(counter: Counter, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        """Take effect at once, whatever the body says."""
        text = str(request.path_params["token"])
        write = partial(record, secret=counter.house.secret, text=text, answer=answer, now_ms=counter.clock())
        found = await asyncio.wrap_future(counter.store.write(write))
        late = found is not None and found.answers[-1:] != (answer,)
        return _shown(counter, found, text, "", 409 if late else 200)

    return take


def _shown(counter: Counter, found: Asked | None, text: str, way: str, status: int = 200) -> Response:
    """Return the page; ``way`` is the link that was opened, or nothing after an answer."""
    if found is None:
        raise HTTPException(404)
    house = counter.house
    tongue = spoken(found.language, house.config.language)
    service = house.catalogue.services.get(found.service)
    name = service.said_in(tongue) if service else found.service
    sentences: list[str] = []
    if found.answers:
        sentences.append(say(tongue, f"answered_{found.answers[-1].value}", service=name))
    if found.fixed:
        sentences.append(say(tongue, "answer_stands"))
    elif found.answers:
        sentences.append(say(tongue, "answer_may_change"))
    else:
        sentences.append(say(tongue, "answer_asked", service=name))
    body = _page.render(
        language=tongue,
        name=house.config.name,
        heading=say(tongue, "answer_heading", service=name),
        sentences=sentences,
        buttons=[] if found.fixed else list(_buttons(found, tongue, text, way)),
        url=f"{house.config.url}/incidents/{found.ref}",
        state_word=say(tongue, "state_word"),
    )
    return HTMLResponse(body, status, headers=HEADERS)


def _buttons(found: Asked, tongue: str, text: str, way: str) -> Iterable[tuple[str, str]]:
    """Yield the answers that are open to somebody, the one whose link was opened first."""
    for one, answer in sorted(WAYS.items(), key=lambda pair: pair[0] != way):
        if found.answers[-1:] != (answer,):
            yield f"/{one}/{text}", say(tongue, f"answer_{answer.value}")
