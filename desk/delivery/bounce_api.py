"""Where a mail server hands in its reports, and staff see and lift what follows from them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.delivery import bounce, verp
from desk.delivery.bounce import NoReport
from desk.delivery.suppression import left_out, lift, liftings, report
from desk.intake.alerts import Refused
from desk.staff.counter import Counter, answer, body
from desk.staff.door import member_of, name_of


def bounce_routes(counter: Counter) -> list[Route]:
    """Return the routes for the mail server's reports and for staff."""
    return [
        Route("/api/v1/bounces", _take(counter), methods=["POST"]),
        Route("/api/v1/suppressed", _list(counter), methods=["GET"]),
        Route("/api/v1/suppressed/{email}", _lift(counter), methods=["DELETE"]),
    ]


def _take(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        """Answer 200 once each recipient's report is durable; one about strangers is taken and dropped."""
        try:
            data = await body(request)
            found = bounce.read_report(data)
            of = _whose(counter, data)
        except NoReport as wrong:
            return answer(f"the message is no report of a delivery: {wrong}", 400)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        now_ms = counter.clock()

        def write(conn: Connection) -> int:
            return sum(report(conn, one, now_ms, of=of) for one in found)

        return answer({"known": await asyncio.wrap_future(counter.store.write(write))})

    return take


def _whose(counter: Counter, data: bytes) -> int:
    """Return the person whom a report is about, 0 where only its own words say so; or raise ``NoReport``."""
    smtp = counter.house.config.smtp
    if smtp is None or smtp.return_path is None:
        return 0
    person = verp.reported_of(counter.house.secret, smtp.return_path, data)
    if person is None:
        raise NoReport("it came to no address of ours with a genuine token")
    return person


def _list(counter: Counter) -> Callable[[Request], Response]:
    def listed(request: Request) -> Response:
        """Answer who is left out, or with ``lifted=true`` who was and is not any more."""
        wish = request.query_params.get("lifted", "false")
        if wish not in ("true", "false"):
            return answer("lifted must be true or false", 400)
        with counter.store.reading() as conn:
            return answer(liftings(conn) if wish == "true" else left_out(conn))

    return listed


def _lift(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def lifted(request: Request) -> Response:
        email = str(request.path_params["email"]).lower()
        by = name_of(member_of(request))
        work = partial(lift, email=email, by=by, now_ms=counter.clock())
        found = await asyncio.wrap_future(counter.store.write(work))
        return Response(status_code=200 if found else 404)

    return lifted
