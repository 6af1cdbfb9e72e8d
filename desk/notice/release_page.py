"""The page behind one person's link to a held notice: reading it changes nothing, a word acts once."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk.approval import approval
from desk.approval.approval_page import HEADERS
from desk.incident.episode import Outcome
from desk.intake.alerts import Refused
from desk.notice import releases
from desk.notice.holding import NotHeld
from desk.notice.releases import Scene, Word
from desk.page.page import rendered
from desk.staff.counter import Counter, body

FORM_BYTES_MAX: Final = 1024

_log: Final = logging.getLogger("desk.releases")
_RELEASE: Final = re.compile(rb"count=([0-9]{1,9})&word=release")
_CANCEL: Final = b"word=cancel"
_HEADLINES: Final = {
    "held": "Your word is taken.",
    "released": "The notice is let go.",
    "cancelled": "The notice is called back.",
}


def release_routes(counter: Counter) -> list[Route]:
    """Return the routes of the link; whoever holds it is the person it was sent to."""
    return [
        Route("/release/{token}", _show(counter), methods=["GET"]),
        Route("/release/{token}", _say(counter), methods=["POST"]),
    ]


def _show(counter: Counter) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        """Show what would be sent, or why nothing is asked any more."""
        written = str(request.path_params["token"])
        if not approval.TOKEN.fullmatch(written):
            return _page(counter, None, 404)
        with counter.store.reading() as conn:
            scene = releases.look(conn, counter.house, written, counter.clock())
        return _page(counter, scene, _status(scene))

    return show


def _say(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def say(request: Request) -> Response:
        """Take a word, once; one with another number of people than the notice goes to can be said again."""
        written, now_ms = str(request.path_params["token"]), counter.clock()
        try:
            said = _said(await body(request, FORM_BYTES_MAX))
        except Refused as fact:
            return _plain(counter, "That is no answer.", fact.sentence, fact.status)
        if not approval.TOKEN.fullmatch(written):
            return _page(counter, None, 404)
        write = partial(releases.say, house=counter.house, written=written, said=said, now_ms=now_ms)
        try:
            taken, scene = await asyncio.wrap_future(counter.store.write(write))
        except NotHeld as fact:
            sentence = f"{str(fact)[:1].upper()}{str(fact)[1:]}."
            return _plain(counter, "Nothing was changed.", sentence, 409)
        if not taken:
            _log.warning("a link to a held notice was used that is none any more")
            return _page(counter, scene, _status(scene))
        counter.woken(Outcome(True, now_ms))
        return _page(counter, scene, 200)

    return say


def _said(data: bytes) -> tuple[Word, int]:
    """Return what the form says; its two buttons send nothing else."""
    if data == _CANCEL:
        return "cancel", 0
    found = _RELEASE.fullmatch(data)
    if found is None:
        raise Refused(400, "Type the number of people, and use one of the two buttons.")
    return "release", int(found[1])


def _status(scene: Scene | None) -> int:
    """Return 200 where this person may say a word, 410 where that is past, 403 for who may not, else 404."""
    if scene is None:
        return 404
    if not scene.may:
        return 403
    return 200 if scene.takes_word else 410


def _page(counter: Counter, scene: Scene | None, status: int) -> Response:
    if scene is None:
        return _plain(counter, "There is no such link.", "Open the link from your letter as it stands.", 404)
    if status == 403:
        sentence = "This link belongs to somebody who may not let notices go any more."
        return _plain(counter, "This link is not yours to use.", sentence, 403)
    held = scene.held
    headline = f"May {held.people} people be told of {held.service}?"
    if not scene.takes_word:
        too_late = scene.late and held.state == "held" and not scene.used_ms
        headline = "It is too late to answer here." if too_late else _HEADLINES[held.state]
    html = rendered("release.html", name=counter.house.config.name, scene=scene, headline=headline)
    return HTMLResponse(html, status, HEADERS)


def _plain(counter: Counter, headline: str, sentence: str, status: int) -> Response:
    html = rendered("unlinked.html", name=counter.house.config.name, headline=headline, sentence=sentence)
    return HTMLResponse(html, status, HEADERS)
