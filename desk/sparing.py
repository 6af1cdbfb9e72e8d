"""Before a first notice leaves: whom it would be too much for, and whether humans must let it go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import attention, caps, digest, holding, schema
from desk.audience import Affected
from desk.caps import STORM_MS
from desk.catalogue import Catalogue
from desk.incident import Incident
from desk.store import upsert

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Planned:
    """A first notice that was just planned, for these people by their ids, on this channel."""

    notice: int
    people: Sequence[tuple[int, Affected]]
    channel: str


def spare(conn: Connection, catalogue: Catalogue, incident: Incident, planned: Planned, now_ms: int) -> str:
    """Put off whoever has heard enough, charge the rule, and hold what is too large; return why, if it is."""
    people = [number for number, _ in planned.people]
    before = _before(conn, incident, planned.notice)
    storm = _storm(conn, catalogue, now_ms)
    spared = attention.over(conn, people, incident.impact, storm, now_ms)
    if spared:
        _leave_out(conn, incident, planned, sorted(spared), now_ms)
    left = [one for number, one in planned.people if number not in spared]
    attention.charge(conn, planned.notice, incident, (len(left), len(spared)), now_ms)
    if not left:
        return ""
    size = caps.size(catalogue, incident.service, left, before)
    clearance = caps.clearance(size, incident.impact)
    if not clearance.needs:
        return ""
    holding.hold(conn, planned.notice, len(left), clearance, now_ms)
    humans = "one human" if clearance.needs == 1 else f"{clearance.needs} humans"
    return (
        f"A notice waits for the word of {humans}: {clearance.reason}. "
        f"POST /api/v1/notices/{planned.notice}/release with by, and count {len(left)}."
    )


def _before(conn: Connection, incident: Incident, notice: int) -> int:
    """Return how many people this incident's earlier notices are meant for."""
    a = schema.audience
    query = sa.select(sa.func.count()).where(
        a.c.incident == incident.id, a.c.grade != "owner", a.c.notice != notice
    )
    return int(conn.execute(query).scalar_one())


def _storm(conn: Connection, catalogue: Catalogue, now_ms: int) -> bool:
    """Tell whether more begins at this moment than single notices could say."""
    i, charge = schema.incident, schema.notice_charge
    since_ms = now_ms - STORM_MS
    opened = sa.select(sa.func.count()).where(i.c.opened_ms > since_ms, i.c.resolved_ms == 0)
    count = int(conn.execute(opened).scalar_one())
    if count < caps.STORM_SERVICES_MIN:
        return False
    reached = conn.execute(sa.select(sa.func.sum(charge.c.people)).where(charge.c.at_ms > since_ms)).scalar()
    everybody = sum(1 for _, person in catalogue.people() if person.by_mail)
    return caps.storm(count, int(reached or 0), everybody)


def _leave_out(
    conn: Connection, incident: Incident, planned: Planned, spared: Sequence[int], now_ms: int
) -> None:
    """Write down that these people get no message of their own, and what they read in the summary."""
    rows = [
        {
            "notice": planned.notice,
            "person": person,
            "channel": planned.channel,
            "message_id": "",
            "state": "digest",
            "tries": 0,
            "at_ms": now_ms,
            "accepted_ms": 0,
            "reply": "it stands in the next summary",
        }
        for person in spared
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        log = upsert(conn, schema.delivery_log).on_conflict_do_nothing()
        conn.execute(log, rows[start : start + ROWS_AT_ONCE])
    digest.put_off(conn, incident.id, spared, now_ms)
