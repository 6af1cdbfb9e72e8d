"""A stage that is asked over HTTP, and its ledger as it stands."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from starlette.routing import BaseRoute

from desk import schema
from desk.feedback.answer_page import answer_routes
from desk.feedback.report_intake import report_routes
from desk.ledger.figures import Figures
from desk.ledger.routes import ledger_routes, transparency_routes
from desk.ledger.window import Window
from desk.staff.counter import Counter
from desk.staff.door import Door
from desk.staff.metrics import metrics_routes
from tests.desk import staffing
from tests.desk.page.test_page import served
from tests.desk.serving import Reply
from tests.desk.stage import Stage
from tests.desk.town import NOW_MS

DAY_MS = 86_400_000


def counter(stage: Stage) -> Counter:
    house = replace(stage.house, staff=staffing.roster())
    return Counter(stage.store, house, lambda: stage.now_ms, lambda _: None, lambda: True)


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one desk, as a gateway that knows who reports."""

    port: int

    def ask(
        self, path: str, method: str = "GET", said: object = None, kind: str = "application/json"
    ) -> Reply:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            data = said if isinstance(said, bytes) else b"" if said is None else json.dumps(said).encode()
            connection.request(method, path, data, {"Content-Type": kind, **staffing.bearer("ops")})
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    def report(self, **said: object) -> Any:
        reply = self.ask("/api/v1/reports", "POST", said)
        assert reply.status == 200, reply.text
        return reply.json()


@contextmanager
def asking(stage: Stage) -> Iterator[Asking]:
    one = counter(stage)
    door = Door(one, time.monotonic)
    behind = [*report_routes(one), *ledger_routes(one), *metrics_routes(one)]
    routes: list[BaseRoute] = [*answer_routes(one), *door.over(behind), *transparency_routes(one)]
    with served(routes) as client:
        yield Asking(client.port)


def rows(stage: Stage) -> list[tuple[str, int, int, str]]:
    """Return event, person, time after the beginning, and note of each row, in order."""
    table = schema.ledger
    with stage.store.reading() as conn:
        found = conn.execute(sa.select(table).order_by(table.c.id)).all()
    return [(row.event, row.person, row.at_ms - NOW_MS, row.note) for row in found]


def events(stage: Stage, event: str) -> list[tuple[int, int]]:
    """Return person and time after the beginning of the rows of one event."""
    return [(person, at_ms) for name, person, at_ms, _ in rows(stage) if name == event]


def counted(stage: Stage) -> Figures:
    """Return the figures of the day until now."""
    stage.now_ms += 1
    with stage.store.reading() as conn:
        return Window(stage.now_ms - DAY_MS, stage.now_ms).figures(conn)
