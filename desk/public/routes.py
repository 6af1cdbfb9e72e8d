"""Where programs of anybody read the status: every form of it over HTTP, and nothing that writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.page.view import IncidentView, PageView, honest
from desk.public import badge, calendar, feed, statuspage
from desk.state import MaintenanceState

JSON: Final = "application/json; charset=utf-8"
OPEN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=10",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_UNDER_WAY: Final = (MaintenanceState.IN_PROGRESS, MaintenanceState.VERIFYING)

FORMS: Final[Mapping[str, Callable[[PageView], dict[str, Any]]]] = {
    "summary.json": statuspage.summary,
    "status.json": statuspage.status,
    "components.json": statuspage.components,
    "incidents.json": statuspage.incidents,
    "incidents/unresolved.json": lambda page: statuspage.incidents(page, unresolved=True),
    "scheduled-maintenances.json": statuspage.maintenances,
    "scheduled-maintenances/upcoming.json": lambda page: statuspage.maintenances(
        page, MaintenanceState.SCHEDULED
    ),
    "scheduled-maintenances/active.json": lambda page: statuspage.maintenances(page, *_UNDER_WAY),
}
_FILES: Final[Mapping[str, tuple[str, Callable[[PageView], bytes]]]] = {
    "/history.atom": (feed.ATOM, feed.atom),
    "/history.rss": (feed.RSS, feed.rss),
    "/maintenance.ics": (calendar.ICS, calendar.calendar),
}


def program_routes(
    read: Callable[[], PageView], incident: Callable[[str], IncidentView | None]
) -> list[Route]:
    """Return the routes for programs; ``read`` and ``incident`` may block, they run on a worker thread."""

    def form(make: Callable[[PageView], dict[str, Any]]) -> Callable[[Request], Response]:
        return lambda request: _json(request, make(honest(read())))

    def file(kind: str, make: Callable[[PageView], bytes]) -> Callable[[Request], Response]:
        return lambda request: _answer(request, make(honest(read())), kind)

    def one_incident(request: Request) -> Response:
        found = incident(str(request.path_params["id"])[:64])
        if found is None:
            return _json(request, {"error": "not found"}, 404)
        return _json(request, statuspage.one_incident(honest(read()), found))

    def one_badge(request: Request) -> Response:
        service, label = request.path_params.get("service"), request.query_params.get("label", "")
        found = badge.badge_of(honest(read()), service, label)
        if found is None:
            return _json(request, {"error": "not found"}, 404)
        if request.url.path.endswith(".json"):
            return _json(request, badge.shield(found))
        return _answer(request, badge.drawn(found).encode(), badge.SVG)

    # The more exact path stands first: a badge's service would take "x.svg" whole.
    return [
        *(Route(f"/api/v2/{path}", form(make), methods=["GET"]) for path, make in FORMS.items()),
        *(Route(path, file(kind, make), methods=["GET"]) for path, (kind, make) in _FILES.items()),
        Route("/api/v2/subscribers.json", _no_subscribing, methods=["GET", "POST"]),
        Route("/incidents/{id}.json", one_incident, methods=["GET"]),
        Route("/badge.svg", one_badge, methods=["GET"]),
        Route("/badge.json", one_badge, methods=["GET"]),
        Route("/badge/{service}.svg", one_badge, methods=["GET"]),
        Route("/badge/{service}.json", one_badge, methods=["GET"]),
    ]


def _no_subscribing(request: Request) -> Response:
    """Refuse: a reader of Statuspage's subscribes with a GET, and nothing may act on one."""
    return _json(request, {"error": "who is told stands in the catalogue"}, 405)


def _json(request: Request, content: dict[str, Any], status: int = 200) -> Response:
    return _answer(request, json.dumps(content, ensure_ascii=False).encode(), JSON, status)


def _answer(request: Request, body: bytes, kind: str, status: int = 200) -> Response:
    """Return the body, or 304 where the reader has it already (RFC 9110, 13.1.2)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {**OPEN, "ETag": tag}
    held = request.headers.get("If-None-Match", "")
    if status == 200 and tag in (one.strip().removeprefix("W/") for one in held.split(",")):
        return Response(status_code=304, headers=headers)
    # The kind is a header of its own, so that nothing is added to it.
    return Response(body, status, {**headers, "Content-Type": kind})
