"""The page over HTTP: what anybody may read, what staff may read, and the files beside them.

Nothing here writes, and nothing needs a script in the browser. Every answer carries an ETag and headers
that let the browser load from this page alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.page import page_words, walk
from desk.page.view import IncidentView, LetterView, MailboxView, PageView, honest, months

REFRESH_S: Final = 30
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
PUBLIC: Final = {"Cache-Control": "public, max-age=10"}
STAFF: Final = {"Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
BRIEFLY: Final = {"Cache-Control": "public, max-age=300"}

_ROOM: Final = Path(__file__).parent
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MEDIA: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES: Final = {
    path.name: path.read_bytes() for path in sorted((_ROOM / "static").iterdir()) if path.suffix in _MEDIA
}


def public_routes(
    read: Callable[[], PageView],
    incident: Callable[[str], IncidentView | None],
    embed_from: Sequence[str] = (),
) -> list[Route]:
    """Return the routes that anybody may read: the page, its history, what is one, and the static files.

    ``read`` and ``incident`` may block: they run on a worker thread. ``incident`` returns None for an id
    that it does not know. Pages of ``embed_from`` may hold the small page ``/embed`` within them.
    """
    embedding = _embedding(embed_from)

    def page(request: Request) -> Response:
        view = honest(read())
        # Nothing moves unless the reader asked for it (WCAG 2.2, 2.2.1 and its failure F41).
        renews = bool(view.open_incidents) and request.query_params.get("renew") == "on"
        return _html(request, "page.html", PUBLIC, page=view, renews=renews)

    def history(request: Request) -> Response:
        view = honest(read())
        told = months((*view.open_incidents, *view.past_incidents))
        return _html(request, "history.html", PUBLIC, page=view, months=told)

    def embed(request: Request) -> Response:
        return _html(request, "embed.html", embedding, page=honest(read()))

    def one_incident(request: Request) -> Response:
        found = incident(_id(request))
        if found is None:
            raise HTTPException(404)
        return _html(request, "incident.html", PUBLIC, page=honest(read()), incident=found)

    def one_work(request: Request) -> Response:
        view, key = honest(read()), _id(request)
        found = next((one for one in view.maintenances if one.id == key), None)
        if found is None:
            raise HTTPException(404)
        return _html(request, "maintenance.html", PUBLIC, page=view, work=found)

    return [
        Route("/", page),
        Route("/history", history),
        Route("/embed", embed),
        Route("/incidents/{id}", one_incident),
        Route("/maintenances/{id}", one_work),
        Route("/static/{name}", _static),
    ]


def staff_routes(
    mailbox: Callable[[], MailboxView], letter: Callable[[str], LetterView | None]
) -> list[Route]:
    """Return the routes of the local mailbox; mount them for staff alone, because letters name people."""

    def letters(request: Request) -> Response:
        return _html(request, "mailbox.html", STAFF, mailbox=mailbox())

    def one_letter(request: Request) -> Response:
        found = letter(_id(request))
        if found is None:
            raise HTTPException(404)
        return _html(request, "letter.html", STAFF, letter=found)

    return [Route("/mailbox", letters), Route("/mailbox/{id}", one_letter)]


def not_found(
    name: str, allowed: Callable[[Request], Collection[str]] | None = None
) -> Callable[[Request, Exception], Response]:
    """Return the handler for the statuses 404 and 405: a friendly page under this name.

    ``allowed`` tells by which methods an address can be asked, where several routes share it.
    """

    def lost(request: Request, fact: Exception) -> Response:
        status = fact.status_code if isinstance(fact, HTTPException) else 404
        more = dict(fact.headers or {}) if isinstance(fact, HTTPException) else {}
        if status == 405 and allowed is not None:
            more["Allow"] = ", ".join(sorted(allowed(request)))
        body = _TEMPLATES["lost.html"].render(name=name, refused=status == 405)
        return Response(body, status, {**HEADERS, **BRIEFLY, **more}, "text/html")

    return lost


def _embedding(origins: Sequence[str]) -> dict[str, str]:
    """Return the headers of what the pages of these origins may hold in a frame."""
    parents = " ".join(origins) or "'none'"
    policy = HEADERS["Content-Security-Policy"].replace("ancestors 'none'", f"ancestors {parents}")
    more = {"Cross-Origin-Resource-Policy": "cross-origin"} if origins else {}
    return {**PUBLIC, **more, "Content-Security-Policy": policy}


def _id(request: Request) -> str:
    """Return the id in the path; what no id can be is not found, and never reaches the store."""
    found = str(request.path_params["id"])
    if not _ID.fullmatch(found):
        raise HTTPException(404)
    return found


def _static(request: Request) -> Response:
    """Serve a file of the package from memory; one that is asked for by its content never changes."""
    name = str(request.path_params["name"])
    if name not in FILES:
        raise HTTPException(404)
    caching = FOREVER if request.query_params.get("v") == _mark(FILES[name]) else BRIEFLY
    return _answer(request, FILES[name], _MEDIA[Path(name).suffix], caching)


def rendered(template: str, **context: object) -> str:
    """Return one of the pages as text, for whoever sends it under headers of its own."""
    return _TEMPLATES[template].render(context)


def _html(request: Request, template: str, caching: Mapping[str, str], **context: object) -> Response:
    body = _TEMPLATES[template].render(context)
    return _answer(request, body.encode(), "text/html", caching)


def _answer(request: Request, body: bytes, media: str, caching: Mapping[str, str]) -> Response:
    """Return the body, or 304 where the reader has it already (RFC 9110, 13.1.2)."""
    tag = f'"{_mark(body)}"'
    headers = {**HEADERS, **caching, "ETag": tag}
    held = request.headers.get("If-None-Match", "")
    if held.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in held.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media)


def _mark(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:20]


def _asset(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    return f"/static/{name}?v={_mark(FILES[name])}"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # Links lead where they say, and nothing is a copy, unless whoever renders a copy says otherwise.
    made.globals.update(asset=_asset, words=page_words, walk=walk, refresh_s=REFRESH_S, link=str, copied=None)
    return made


_ENVIRONMENT: Final = _environment()
_TEMPLATES: Final = {name: _ENVIRONMENT.get_template(name) for name in _ENVIRONMENT.list_templates(["html"])}
