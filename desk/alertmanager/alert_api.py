"""Alerts as Alertmanager's clients ask for them: alone, in groups, and by whether a silence mutes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import schema
from desk.alertmanager import silence_book
from desk.alertmanager.ask import filters, receiver, switch
from desk.alertmanager.silence import muting
from desk.incident import records
from desk.incident.account import rfc3339
from desk.incident.incident import Signal
from desk.intake.alerts import Refused
from desk.staff.counter import Counter, answer
from model.matcher import Matchers
from model.regex import Regex

ALERTS_SHOWN_MAX: Final = 20_000
RECEIVER: Final = "desk"
GROUPED_BY: Final = "service"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which alerts a client wants to see."""

    filters: list[Matchers]
    receiver: Regex | None
    active: bool
    silenced: bool

    @classmethod
    def of(cls, request: Request) -> Wish:
        """Read a request, or raise ``Refused``; nothing is inhibited here, and nothing is unprocessed."""
        for name in ("inhibited", "unprocessed", "muted"):
            switch(request, name)
        return cls(
            filters(request), receiver(request), switch(request, "active"), switch(request, "silenced")
        )

    def takes(self, signal: Signal, silenced: bool) -> bool:
        """Tell whether an alert is wanted."""
        if self.receiver is not None and not self.receiver.matches(RECEIVER):
            return False
        shown = self.silenced if silenced else self.active
        return shown and all(one.matches(signal.labels) for one in self.filters)


def alert_routes(counter: Counter) -> list[Route]:
    """Return the routes on which alerts are read, for staff and their programs alone."""
    return [
        Route("/api/v2/alerts", _alerts(counter), methods=["GET"]),
        Route("/api/v2/alerts/groups", _groups(counter), methods=["GET"]),
        Route("/api/v2/receivers", lambda _: answer([{"name": RECEIVER}]), methods=["GET"]),
    ]


def _alerts(counter: Counter) -> Callable[[Request], Response]:
    def alerts(request: Request) -> Response:
        try:
            wish = Wish.of(request)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        return answer([form for _, form in _found(counter, wish)])

    return alerts


def _groups(counter: Counter) -> Callable[[Request], Response]:
    def groups(request: Request) -> Response:
        """Answer with one group for each value of the label that incidents go by."""
        try:
            wish = Wish.of(request)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        together: dict[str, list[dict[str, Any]]] = {}
        for signal, form in _found(counter, wish):
            together.setdefault(signal.labels.get(GROUPED_BY), []).append(form)
        return answer(
            [
                {
                    "alerts": alerts,
                    "labels": {GROUPED_BY: value} if value else {},
                    "receiver": {"name": RECEIVER},
                    "routeLabels": {},
                }
                for value, alerts in sorted(together.items())
            ]
        )

    return groups


def _found(counter: Counter, wish: Wish) -> list[tuple[Signal, dict[str, Any]]]:
    now_ms = counter.clock()
    with counter.store.reading() as conn:
        silences, signals = silence_book.silences(conn, now_ms), _firing(conn, now_ms)
    found = []
    for signal in signals:
        muted = muting(silences, signal.labels, now_ms)
        if wish.takes(signal, bool(muted)):
            found.append((signal, posted_form(signal, muted)))
    return found


def _firing(conn: Connection, now_ms: int) -> list[Signal]:
    table = schema.alert
    query = sa.select(table).where(table.c.ends_ms > now_ms).order_by(table.c.key).limit(ALERTS_SHOWN_MAX)
    return [records.signal_of(row) for row in conn.execute(query)]


def posted_form(signal: Signal, muted: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return an alert in the form of Alertmanager's ``GET /api/v2/alerts``."""
    state = "suppressed" if muted else "active"
    return {
        "annotations": dict(signal.annotations),
        "endsAt": rfc3339(signal.ends_ms),
        "fingerprint": signal.labels.fingerprint(),
        "receivers": [{"name": RECEIVER}],
        "startsAt": rfc3339(signal.starts_ms),
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": list(muted), "state": state},
        "updatedAt": rfc3339(signal.updated_ms),
        "generatorURL": signal.source,
        "labels": dict(signal.labels.pairs),
    }
