"""What programs ask of the desk over HTTP: Alertmanager's API v2, our own v1, and whether it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

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
from desk.ledger.routes import ledger_routes
from desk.maintenance.api import maintenance_routes
from desk.notice.notice_api import notice_routes
from desk.staff.counter import Counter, answer
from desk.staff.metrics import metrics_routes


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
