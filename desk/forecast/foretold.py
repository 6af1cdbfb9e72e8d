"""What was foretold of a service and has come: noted when its incident begins, and who had heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.audience.audience import Affected
from desk.notice import leaflet

_F = schema.forecast


def about(forecast: int) -> str:
    """Return what the letters of a forecast are about."""
    return f"forecast {forecast}"


def note(conn: Connection, service: str, incident: int, now_ms: int) -> None:
    """Write down that what was foretold of a service has come: from now on its incident has the word."""
    mine = (_F.c.service == service, _F.c.over_ms == 0, _F.c.came == 0)
    for number in conn.execute(sa.select(_F.c.id).where(*mine)).scalars().all():
        conn.execute(sa.update(_F).where(_F.c.id == number).values(came=incident))
        leaflet.withdraw(conn, about(number), "it has begun", now_ms)


def with_word(
    conn: Connection, incident: int, people: Sequence[tuple[int, Affected]], between: tuple[int, int]
) -> list[tuple[int, Affected]]:
    """Return people between two ids, each with the moment at which they were told of it before it began."""
    found = conn.execute(sa.select(_F.c.id).where(_F.c.came == incident, _F.c.told_ms > 0)).scalars().all()
    said: dict[int, int] = {}
    for number in found:
        said |= leaflet.reached(conn, about(number), "forecast", between)
    if not said:
        return list(people)
    return [
        (number, replace(one, why=msgspec.structs.replace(one.why, foretold_ms=said.get(number, 0))))
        for number, one in people
    ]
