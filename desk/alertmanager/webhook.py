"""What another Alertmanager sends to a webhook, payload version 4: read as the alerts that it tells of.

It says nothing between two notifications, so a firing alert is held until the end is told, or until longer
than its usual ``repeat_interval`` of four hours has passed without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.incident.account import rfc3339
from desk.incident.episode import receive
from desk.intake.alerts import Refused, Taken, moment_ms, read_alerts, said
from desk.staff.counter import Counter, answer, body

SILENT_MAX_MS: Final = 5 * 3_600_000
VERSION: Final = "4"

_WIRE: Final = {"starts_at": "startsAt", "ends_at": "endsAt", "generator_url": "generatorURL"}


class Told(msgspec.Struct, frozen=True, rename=_WIRE):
    """One alert of a notification."""

    labels: dict[str, str]
    status: str = "firing"
    annotations: dict[str, str] = {}
    starts_at: str = ""
    ends_at: str = ""
    generator_url: str = ""


class Notification(msgspec.Struct, frozen=True):
    """A notification; what it repeats of its alerts is not read."""

    version: str
    alerts: list[Told]


_decoder: Final = msgspec.json.Decoder(Notification)


def webhook_routes(counter: Counter) -> list[Route]:
    """Return the route that a receiver of another Alertmanager is given, for programs alone."""

    def post() -> Callable[[Request], Awaitable[Response]]:
        async def notified(request: Request) -> Response:
            """Answer 200 only when all alerts are durable; 400 names those that are not sound."""
            now_ms = counter.clock()
            try:
                taken = read_notification(await body(request), now_ms)
            except Refused as fact:
                return answer(fact.sentence, fact.status)
            if taken.signals:
                write = partial(receive, house=counter.house, signals=taken.signals, now_ms=now_ms)
                counter.woken(await asyncio.wrap_future(counter.store.write(write)))
            return answer(said(taken.problems), 400) if taken.problems else Response(status_code=200)

        return notified

    return [Route("/api/v1/webhook", post(), methods=["POST"])]


def read_notification(data: bytes, now_ms: int) -> Taken:
    """Return the alerts of a notification, or raise ``Refused``."""
    try:
        found = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refused(400, f"the body is not a notification of Alertmanager: {wrong}") from None
    if found.version != VERSION:
        raise Refused(400, f"notifications of version {VERSION} are read, not {found.version[:20]!r}")
    return read_alerts(msgspec.json.encode([_posted(one, now_ms) for one in found.alerts]), now_ms)


def _posted(told: Told, now_ms: int) -> dict[str, Any]:
    """Return an alert as it would be posted: one that fires has no end yet, which Go writes as year 1."""
    ended = told.status == "resolved" and moment_ms(told.ends_at)
    return {
        "labels": told.labels,
        "annotations": told.annotations,
        "startsAt": told.starts_at or None,
        "endsAt": told.ends_at
        if ended
        else rfc3339(now_ms if told.status == "resolved" else now_ms + SILENT_MAX_MS),
        "generatorURL": told.generator_url,
    }
