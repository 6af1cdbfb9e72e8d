"""What agents fetch of people's answers, over HTTP: sealed, so that nobody on the way can make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.approval import approvals
from desk.staff.counter import Counter, answer

HOST_CHARACTERS_MAX: Final = 256


def grant_routes(counter: Counter) -> list[Route]:
    """Return the route of grants, for agents alone."""
    return [Route("/api/v1/grants", _grants(counter), methods=["GET"])]


def _grants(counter: Counter) -> Callable[[Request], Response]:
    def grants(request: Request) -> Response:
        hosts = request.query_params.getlist("host")
        if len(hosts) != 1 or not 1 <= len(hosts[0]) <= HOST_CHARACTERS_MAX:
            return answer("name one host", 400)
        with counter.store.reading() as conn:
            found = approvals.grants(conn, hosts[0], counter.clock())
        return answer({"grants": [asdict(grant) for grant in found]})

    return grants
