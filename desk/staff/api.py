"""What programs ask of the desk over HTTP: Alertmanager's API v2, our own v1, and whether it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.alertmanager.alert_api import alert_routes
from desk.alertmanager.silence_api import silence_routes
from desk.alertmanager.status_api import status_routes
from desk.alertmanager.webhook import webhook_routes
from desk.approval.grant_api import grant_routes
from desk.approval.lease_api import lease_routes
from desk.delivery.bounce_api import bounce_routes
from desk.feedback.report_intake import report_routes
from desk.forecast.api import forecast_routes
from desk.incident.account import INCIDENTS_MAX, accounts
from desk.incident.amend_api import amend_routes
from desk.incident.evidence_api import evidence_routes
from desk.intake.alerts import Refused, read_alerts, said
from desk.intake.gathering import Gathering
from desk.ledger.routes import ledger_routes
from desk.maintenance.api import maintenance_routes
from desk.notice.notice_api import notice_routes
from desk.staff.bodies import Bodies
from desk.staff.counter import Counter, answer
from desk.staff.metrics import metrics_routes

# Made once: most answers are this one.
_TAKEN: Final[tuple[Message, Message]] = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]},
    {"type": "http.response.body", "body": b""},
)


def staff_api(counter: Counter) -> list[Route]:
    """Return the routes of the programs' side, for staff and agents alone; posts of alerts go by express."""
    return [
        *alert_routes(counter),
        *silence_routes(counter),
        *webhook_routes(counter),
        *status_routes(counter),
        Route("/api/v1/incidents", _incidents(counter), methods=["GET"]),
        Route("/api/v1/incidents/{id}", _incident(counter), methods=["GET"]),
        *amend_routes(counter),
        *lease_routes(counter),
        *bounce_routes(counter),
        *maintenance_routes(counter),
        *notice_routes(counter),
        *forecast_routes(counter),
        *grant_routes(counter),
        *evidence_routes(counter),
        *report_routes(counter),
        *ledger_routes(counter),
        *metrics_routes(counter),
        Route("/-/healthy", _healthy(counter), methods=["GET"]),
        Route("/-/ready", _healthy(counter), methods=["GET"]),
    ]


def alert_taker(counter: Counter) -> ASGIApp:
    """Return what takes a post of alerts."""
    gathering, bodies = Gathering(counter), Bodies()

    async def post_alerts(scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 only when every sound alert is durable, and with all that follows from it."""
        now_ms = counter.clock()
        try:
            _insist_on_json(scope["headers"])
            taken = read_alerts(await bodies.read(receive), now_ms, counter.house.standing)
        except Refused as fact:
            await answer(fact.sentence, fact.status)(scope, receive, send)
            return
        if taken.signals:
            await gathering.take(taken.signals, now_ms)
        if taken.problems:
            await answer(said(taken.problems), 400)(scope, receive, send)
            return
        for message in _TAKEN:
            await send(message)

    return post_alerts


def _insist_on_json(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise ``Refused`` where a body is not said to be JSON."""
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "the content type must be application/json")


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
