"""Before a first notice leaves: whom it would be too much for, and whether humans must let it go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.audience.audience import Affected
from desk.incident.incident import Incident
from desk.notice import attention, caps, digest, holding
from desk.notice.caps import STORM_MS
from desk.store.store import upsert
from desk.ways import ways

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Planned:
    """A page of a first notice that was just planned, for these people by their ids."""

    notice: int
    people: Sequence[tuple[int, Affected]]


@dataclass(frozen=True, slots=True)
class Expected:
    """How many a first notice goes to in all, 0 if its first page is all of it; the others to compare.

    ``everybody`` are all who are told of anything, ``predicted`` those who use the service.
    """

    people: int
    everybody: int
    predicted: int


def leave_out(conn: Connection, incident: Incident, planned: Planned, storm: bool, now_ms: int) -> Planned:
    """Put off whoever has heard enough, and charge the rule for the others; return these."""
    people = [number for number, _ in planned.people]
    spared = attention.over(conn, people, incident.impact, storm, now_ms, planned.notice)
    if spared:
        _leave_out(conn, incident, planned, sorted(spared), now_ms)
    left = [(number, one) for number, one in planned.people if number not in spared]
    attention.charge(conn, planned.notice, incident, (len(left), len(spared)), now_ms)
    return replace(planned, people=left)


def hold_back(conn: Connection, incident: Incident, first: Planned, expected: Expected, now_ms: int) -> str:
    """Hold a notice that is too large, when its first page is planned; return why, if it is."""
    notice = first.notice
    if not first.people:
        return ""
    before = _before(conn, incident, notice)
    count = max(len(first.people), expected.people - before)
    people = expected.people or len(first.people) + before
    everyone = any(one.why.everyone for _, one in first.people)
    size = caps.Size(people, expected.everybody, expected.predicted, everyone)
    clearance = caps.clearance(size, incident.impact)
    if not clearance.needs:
        return ""
    holding.hold(conn, notice, count, clearance, now_ms)
    proof = "by" if clearance.needs == 1 else "a token each"
    humans = "one human" if clearance.needs == 1 else f"{clearance.needs} humans"
    return (
        f"A notice waits for the word of {humans}: {clearance.reason}. "
        f"POST /api/v1/notices/{notice}/release with {proof}, and count {count}."
    )


def _before(conn: Connection, incident: Incident, notice: int) -> int:
    """Return how many people this incident's earlier notices are meant for."""
    a = schema.audience
    query = sa.select(sa.func.count()).where(
        a.c.incident == incident.id, a.c.grade != "owner", a.c.notice != notice
    )
    return int(conn.execute(query).scalar_one())


def is_storm(conn: Connection, everybody: int, now_ms: int) -> bool:
    """Tell whether more begins at this moment than single notices could say."""
    i, charge = schema.incident, schema.notice_charge
    since_ms = now_ms - STORM_MS
    opened = sa.select(sa.func.count()).where(i.c.opened_ms > since_ms, i.c.resolved_ms == 0)
    count = int(conn.execute(opened).scalar_one())
    if count < caps.STORM_SERVICES_MIN:
        return False
    reached = conn.execute(sa.select(sa.func.sum(charge.c.people)).where(charge.c.at_ms > since_ms)).scalar()
    return caps.storm(count, int(reached or 0), everybody)


def _leave_out(
    conn: Connection, incident: Incident, planned: Planned, spared: Sequence[int], now_ms: int
) -> None:
    """Write down that these people get no message of their own, and what they read in the summary."""
    rows = [
        {
            "notice": planned.notice,
            "person": person,
            "channel": channel,
            "message_id": "",
            "state": "digest",
            "tries": 0,
            "at_ms": now_ms,
            "accepted_ms": 0,
            "reply": "it stands in the next summary",
        }
        for channel, some in ways.by_first(conn, spared).items()
        for person in some
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        log = upsert(conn, schema.delivery_log).on_conflict_do_nothing()
        conn.execute(log, rows[start : start + ROWS_AT_ONCE])
    digest.put_off(conn, incident.id, spared, now_ms)
