"""What is expected, over HTTP for staff: all of it with how good the forecasts were, and who lets one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.forecast import book as forecast_book
from desk.forecast.book import KEPT_MS
from desk.forecast.forecast import Outlook, score
from desk.notice.holding import Human
from desk.notice.notice_api import said
from desk.staff.counter import Counter, answer


@dataclass(frozen=True, slots=True)
class Shown:
    """An outlook as JSON shows it."""

    outlook: Outlook

    def shown(self) -> dict[str, Any]:
        """Return its fields, and where it stands."""
        return {**asdict(self.outlook), "impact": self.outlook.impact.value, "state": self.outlook.state}


def forecast_routes(counter: Counter) -> list[Route]:
    """Return the routes of what is expected, for staff alone."""

    def release(conn: Connection, number: int, human: Human, count: int, now_ms: int) -> Shown:
        return Shown(forecast_book.release(conn, counter.house, number, human, count, now_ms))

    return [
        Route("/api/v1/forecasts", _all(counter), methods=["GET"]),
        Route("/api/v1/forecasts/{id:int}/release", said(counter, release), methods=["POST"]),
    ]


def _all(counter: Counter) -> Callable[[Request], Response]:
    def outlooks(_: Request) -> Response:
        with counter.store.reading() as conn:
            found = forecast_book.outlooks(conn, counter.clock() - KEPT_MS)
        judged, brier = score(found)
        shown = [Shown(one).shown() for one in found]
        return answer({"forecasts": shown, "score": {"judged": judged, "brier": brier}})

    return outlooks
