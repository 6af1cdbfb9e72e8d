"""The page behind one person's link: reading it changes nothing, posting a word acts once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk.approval import approval, approvals
from desk.approval.approval import Standing
from desk.approval.approvals import Scene
from desk.intake.alerts import Refused
from desk.page.page import rendered
from desk.staff.counter import Counter, body

FORM_BYTES_MAX: Final = 1024
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

_WORDS: Final = {b"word=yes": True, b"word=no": False}
_HEADLINES: Final = {
    Standing.OPEN: "Your word is taken.",
    Standing.APPROVED: "Enough people said yes.",
    Standing.DENIED: "Somebody said no.",
    Standing.LATE: "It is too late to answer.",
    Standing.OVER: "It is not asked any more.",
}


def approval_routes(counter: Counter) -> list[Route]:
    """Return the routes of the link; whoever holds it is the person it was sent to."""
    return [
        Route("/approve/{token}", _show(counter), methods=["GET"]),
        Route("/approve/{token}", _say(counter), methods=["POST"]),
    ]


def _show(counter: Counter) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        """Show the question, or why there is none; only the use of a dead link is written down."""
        written, now_ms = str(request.path_params["token"]), counter.clock()
        with counter.store.reading() as conn:
            scene = approvals.look(conn, written, now_ms) if approval.TOKEN.fullmatch(written) else None
        status = _status(scene)
        if status != 200:
            why = f"{request.method} {status}"
            counter.store.written(partial(approvals.refused, scene=scene, why=why, now_ms=now_ms))
        return _page(counter, scene, status, now_ms)

    return show


def _say(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def say(request: Request) -> Response:
        """Take a word, once; a second one is refused, as is one that is neither yes nor no."""
        written, now_ms = str(request.path_params["token"]), counter.clock()
        try:
            word = _word(await body(request, FORM_BYTES_MAX))
        except Refused as fact:
            return _plain(counter, "That is no answer.", fact.sentence, fact.status)
        if not approval.TOKEN.fullmatch(written):
            return await _refuse(counter, None, now_ms)
        write = partial(approvals.answer, house=counter.house, token=written, yes=word, now_ms=now_ms)
        taken, scene = await asyncio.wrap_future(counter.store.write(write))
        if not taken or scene is None:
            return await _refuse(counter, scene, now_ms)
        return _page(counter, scene, 200, now_ms)

    return say


async def _refuse(counter: Counter, scene: Scene | None, now_ms: int) -> Response:
    status = _status(scene)
    refused = partial(approvals.refused, scene=scene, why=f"POST {status}", now_ms=now_ms)
    await asyncio.wrap_future(counter.store.write(refused))
    return _page(counter, scene, status, now_ms)


def _word(data: bytes) -> bool:
    """Return whether the form says yes; its two buttons send nothing else."""
    if data not in _WORDS:
        raise Refused(400, "Say yes or no with one of the two buttons.")
    return _WORDS[data]


def _status(scene: Scene | None) -> int:
    """Return 200 where this person may answer, 410 where that is past, 403 for who has left, else 404."""
    if scene is None:
        return 404
    if scene.gone:
        return 403
    return 200 if scene.takes_answer else 410


def _page(counter: Counter, scene: Scene | None, status: int, now_ms: int) -> Response:
    if scene is None:
        return _plain(counter, "There is no such link.", "Open the link from your letter as it stands.", 404)
    if status == 403:
        sentence = "This link belongs to somebody who is not in the team any more."
        return _plain(counter, "This link is not yours to use.", sentence, 403)
    headline = f"May {scene.ask.playbook} act on {scene.ask.host}?"
    if not scene.takes_answer:
        said = scene.used_ms and scene.verdict.standing is Standing.OPEN
        headline = _HEADLINES[Standing.OPEN] if said else _HEADLINES[scene.verdict.standing]
    html = rendered(
        "approve.html",
        name=counter.house.config.name,
        scene=scene,
        headline=headline,
        left=approval.lasting(scene.ask.until_ms, now_ms),
    )
    return HTMLResponse(html, status, HEADERS)


def _plain(counter: Counter, headline: str, sentence: str, status: int) -> Response:
    html = rendered("unlinked.html", name=counter.house.config.name, headline=headline, sentence=sentence)
    return HTMLResponse(html, status, HEADERS)
