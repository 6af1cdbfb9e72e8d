"""Posts of alerts as the server hands them to the desk's application, without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Scope

from desk.incident.episode import Outcome
from desk.staff.counter import Counter
from desk.staff.taker import Taker
from tests.desk.stage import Stage

Tree = dict[str, object]


@dataclass(slots=True)
class Wicket:
    """Where posts reach the desk of a stage; ``outcomes`` are those of what was written."""

    stage: Stage
    outcomes: list[Outcome] = field(default_factory=list)
    app: ASGIApp = field(init=False)

    def __post_init__(self) -> None:
        stage = self.stage
        counter = Counter(stage.store, stage.house, lambda: stage.now_ms, self.outcomes.append, lambda: True)
        self.app = Taker(counter)

    async def post(self, alerts: Sequence[Tree]) -> int:
        """Post alerts; return the status of the answer."""
        return await posted(self.app, json.dumps(alerts).encode())


async def posted(app: ASGIApp, *pieces: bytes, kind: bytes = b"application/json") -> int:
    """Post a body that comes in pieces; return the status of the answer."""
    left = list(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
    await app(scope, receive, send)
    status = sent[0]["status"]
    assert isinstance(status, int)
    return status


def stamp(at_ms: int) -> str:
    """Return a time as RFC 3339 has it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
