"""The told-first figures over HTTP: JSON and one page for staff, and what everybody may know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.incident.account import rfc3339
from desk.intake.alerts import Refused
from desk.ledger import page_rows, said
from desk.ledger.window import DAY_MS, Window
from desk.page import page
from desk.staff.counter import Counter, answer

PUBLIC_DAYS: Final = 90
PUBLIC_FOR_MS: Final = 60_000  # anybody may ask, so nobody makes us count more often


def ledger_routes(counter: Counter) -> list[Route]:
    """Return the routes of the figures for staff."""
    return [
        Route("/api/v1/ledger", _ledger(counter), methods=["GET"]),
        Route("/told-first", _page(counter), methods=["GET"]),
    ]


def transparency_routes(counter: Counter) -> list[Route]:
    """Return the route of the figures for everybody: no person, and nothing that few stand behind."""
    return [Route("/api/v1/transparency.json", _transparency(counter), methods=["GET"])]


def _ledger(counter: Counter) -> Callable[[Request], Response]:
    def ledger(request: Request) -> Response:
        try:
            window = _window(counter, request)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        with counter.store.reading() as conn:
            found, claimed = window.figures(conn), window.claimed(conn)
        times = {"from": rfc3339(window.from_ms), "to": rfc3339(window.to_ms), "service": window.service}
        return answer({**times, "claimed_reports": claimed, **said.for_staff(found)})

    return ledger


def _window(counter: Counter, request: Request) -> Window:
    services = counter.house.catalogue.services
    return Window.of(request.query_params, counter.clock(), services)


def _page(counter: Counter) -> Callable[[Request], Response]:
    def told_first(request: Request) -> Response:
        try:
            window = _window(counter, request)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        with counter.store.reading() as conn:
            found, claimed = window.figures(conn), window.claimed(conn)
        body = page.rendered(
            "told_first.html",
            name=counter.house.config.name,
            service=window.service,
            from_ms=window.from_ms,
            to_ms=window.to_ms,
            claimed=claimed,
            groups=page_rows.groups(found),
            minutes=page_rows.minutes(found.experienced),
        )
        return Response(body, headers={**page.HEADERS, **page.STAFF}, media_type="text/html")

    return told_first


def _transparency(counter: Counter) -> Callable[[Request], Response]:
    last = _Last(counter)

    def transparency(_: Request) -> Response:
        headers = {**page.HEADERS, "Cache-Control": "public, max-age=60", "Access-Control-Allow-Origin": "*"}
        return Response(last.body(), headers=headers, media_type="application/json")

    return transparency


class _Last:
    """What was answered last, counted anew once it is a minute old."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._lock = threading.Lock()
        self._at_ms = 0
        self._body = b""

    def body(self) -> bytes:
        """Return the figures of the last 90 days."""
        now_ms = self._counter.clock()
        with self._lock:
            if not self._body or now_ms - self._at_ms >= PUBLIC_FOR_MS:
                self._at_ms, self._body = now_ms, _counted(self._counter, now_ms)
            return self._body


def _counted(counter: Counter, now_ms: int) -> bytes:
    window = Window(now_ms - PUBLIC_DAYS * DAY_MS, now_ms)
    with counter.store.reading() as conn:
        found = said.for_everybody(window.figures(conn))
    times = {"from": rfc3339(window.from_ms), "to": rfc3339(window.to_ms)}
    return msgspec.json.encode({"name": str(counter.house.config.name), **times, **found})
