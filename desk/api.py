"""What programs ask of the desk over HTTP: Alertmanager's API v2, our own v1, and whether it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib import metadata
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from desk import records, schema
from desk.account import INCIDENTS_MAX, accounts, posted_form, rfc3339
from desk.counter import Counter, answer, body
from desk.episode import receive
from desk.intake import Refused, read_alerts, said
from desk.lease_api import lease_routes
from model.matcher import Matchers
from model.misfit import Misfit

ALERTS_SHOWN_MAX: Final = 20_000
FILTERS_MAX: Final = 20


def staff_api(counter: Counter) -> list[Route]:
    """Return the routes of the programs' side, for staff and agents alone."""
    return [
        Route("/api/v2/alerts", _post_alerts(counter), methods=["POST"]),
        Route("/api/v2/alerts", _get_alerts(counter), methods=["GET"]),
        Route("/api/v2/status", _status(counter), methods=["GET"]),
        Route("/api/v1/incidents", _incidents(counter), methods=["GET"]),
        Route("/api/v1/incidents/{id}", _incident(counter), methods=["GET"]),
        *lease_routes(counter),
        Route("/-/healthy", _healthy(counter), methods=["GET"]),
        Route("/-/ready", _healthy(counter), methods=["GET"]),
    ]


def _post_alerts(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def post_alerts(request: Request) -> Response:
        """Answer 200 only when every sound alert is durable, and with all that follows from it."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return answer("the content type must be application/json", 415)
        now_ms = counter.clock()
        try:
            taken = read_alerts(await body(request), now_ms)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        if taken.signals:
            write = partial(receive, house=counter.house, signals=taken.signals, now_ms=now_ms)
            outcome = await asyncio.wrap_future(counter.store.write(write))
            counter.woken(outcome)
        if taken.problems:
            return answer(said(taken.problems), 400)
        return Response(status_code=200)

    return post_alerts


def _get_alerts(counter: Counter) -> Callable[[Request], Response]:
    def get_alerts(request: Request) -> Response:
        texts = request.query_params.getlist("filter")
        if len(texts) > FILTERS_MAX:
            return answer(f"at most {FILTERS_MAX} filters are taken", 400)
        try:
            wanted = [Matchers.parse(text) for text in texts]
        except Misfit as wrong:
            return answer(f"bad filter: {wrong.sentence}", 400)
        if request.query_params.get("active", "true") == "false":
            return answer([])
        return answer(_active(counter, wanted))

    return get_alerts


def _active(counter: Counter, wanted: Sequence[Matchers]) -> list[object]:
    table = schema.alert
    query = sa.select(table).where(table.c.ends_ms > counter.clock()).order_by(table.c.key)
    with counter.store.reading() as conn:
        found = [records.signal_of(row) for row in conn.execute(query.limit(ALERTS_SHOWN_MAX))]
    return [posted_form(one) for one in found if all(matchers.matches(one.labels) for matchers in wanted)]


def _status(counter: Counter) -> Callable[[Request], Response]:
    def status(_: Request) -> Response:
        version = metadata.version("beforehand") if _installed() else "unknown"
        return answer(
            {
                "cluster": {"status": "disabled", "peers": []},
                "config": {"original": ""},
                "uptime": rfc3339(counter.house.started_ms),
                "versionInfo": {"version": version, "branch": "", "buildDate": "", "buildUser": ""}
                | {"goVersion": "", "revision": ""},
            }
        )

    return status


def _installed() -> bool:
    return any(metadata.distributions(name="beforehand"))


def _incidents(counter: Counter) -> Callable[[Request], Response]:
    def incidents(request: Request) -> Response:
        text = request.query_params.get("limit", "50")
        limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
        if not 1 <= limit <= INCIDENTS_MAX:
            return answer(f"limit must be a number from 1 to {INCIDENTS_MAX}", 400)
        with counter.store.reading() as conn:
            return answer(accounts(conn, counter.house.catalogue, limit=limit))

    return incidents


def _incident(counter: Counter) -> Callable[[Request], Response]:
    def incident(request: Request) -> Response:
        ref = str(request.path_params["id"])
        with counter.store.reading() as conn:
            found = accounts(conn, counter.house.catalogue, ref=ref) if len(ref) < 65 else []
        if not found:
            raise HTTPException(404)
        return answer(found[0])

    return incident


def _healthy(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def healthy(_: Request) -> Response:
        """Answer 200 while the writer writes and every loop steps."""
        await asyncio.wrap_future(counter.store.write(_nothing))
        return PlainTextResponse("OK") if counter.healthy() else PlainTextResponse("a loop ended", 503)

    return healthy


def _nothing(_: Connection) -> None:
    """Write nothing, to see that the writer's turn comes."""
