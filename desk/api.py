"""What programs ask of the desk over HTTP: Alertmanager's API v2, our own v1, and whether it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from desk.account import INCIDENTS_MAX, accounts, rfc3339
from desk.alertmanager.alert_api import alert_routes
from desk.alertmanager.silence_api import silence_routes
from desk.alertmanager.webhook import webhook_routes
from desk.amend_api import amend_routes
from desk.bounce_api import bounce_routes
from desk.counter import Counter, answer, body
from desk.evidence_api import evidence_routes
from desk.gathering import Gathering
from desk.grant_api import grant_routes
from desk.intake import Refused, read_alerts, said
from desk.lease_api import lease_routes
from desk.ledger.routes import ledger_routes
from desk.maintenance_api import maintenance_routes
from desk.metrics import metrics_routes
from desk.notice_api import notice_routes
from desk.report_intake import report_routes

ALERTS_PATH: Final = "/api/v2/alerts"

Take = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Express:
    """Hands posts of alerts straight to who takes them: looking for their route would take as long again."""

    take: Take
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a post of alerts, or pass the request on."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == ALERTS_PATH:
            answered = await self.take(Request(scope, receive))
            await answered(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def staff_api(counter: Counter) -> list[Route]:
    """Return the routes of the programs' side, for staff and agents alone; posts of alerts go by express."""
    return [
        *alert_routes(counter),
        *silence_routes(counter),
        *webhook_routes(counter),
        Route("/api/v2/status", _status(counter), methods=["GET"]),
        Route("/api/v1/incidents", _incidents(counter), methods=["GET"]),
        Route("/api/v1/incidents/{id}", _incident(counter), methods=["GET"]),
        *amend_routes(counter),
        *lease_routes(counter),
        *bounce_routes(counter),
        *maintenance_routes(counter),
        *notice_routes(counter),
        *grant_routes(counter),
        *evidence_routes(counter),
        *report_routes(counter),
        *ledger_routes(counter),
        *metrics_routes(counter),
        Route("/-/healthy", _healthy(counter), methods=["GET"]),
        Route("/-/ready", _healthy(counter), methods=["GET"]),
    ]


def alert_taker(counter: Counter) -> Take:
    """Return what takes a post of alerts."""
    gathering = Gathering(counter)

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
            await gathering.take(taken.signals, now_ms)
        if taken.problems:
            return answer(said(taken.problems), 400)
        return Response(status_code=200)

    return post_alerts


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
