"""What follows a first notice goes to exactly those who were told before it, however many they are.

Nobody lists them. The chunks of such a notice cover everybody whom the incident knows, and each person is
judged when it is their turn: an incident numbers all that it says, and every try keeps the last number that
was taken when it was begun.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery import outbox, underway
from desk.delivery.outbox import CHUNK_PEOPLE, PRIORITY, TOLD, Planned
from desk.store.bulk import put
from desk.ways import ways

ENDS: Final = ("resolved", "retracted")
CHUNKS_MAX: Final = 1_000
Number = sa.ColumnElement[int]


class Heard(StrEnum):
    """Who of those told before: all, those who believe that it goes on, or those who heard of an end."""

    ALL = ""
    OPEN = "open"
    END = "end"


def told(audience: sa.FromClause, first: sa.FromClause) -> sa.ColumnElement[bool]:
    """Tell whether somebody has, or may have, the first notice; ``first`` is the log of it."""
    of_it = sa.and_(first.c.notice == audience.c.notice, first.c.person == audience.c.person)
    return sa.and_(of_it, audience.c.grade != "owner", _is_one(first.c.state, TOLD))


def before(audience: sa.FromClause, first: sa.FromClause, number: Number) -> sa.ColumnElement[bool]:
    """Tell whether somebody was told, or came over from another incident, before this number was taken."""
    here = sa.and_(audience.c.since_number == 0, first.c.after_number < number)
    came = sa.and_(audience.c.since_number > 0, audience.c.since_number < number)
    return sa.or_(here, came)


def belongs(audience: sa.FromClause, heard: Heard, number: Number) -> sa.ColumnElement[bool] | None:
    """Tell whether somebody who was told is among those who are meant; None where all are."""
    if heard is Heard.ALL:
        return None
    end, other = (_last(audience, number, ends=ends) for ends in (True, False))
    return end > other if heard is Heard.END else end <= other


def _last(audience: sa.FromClause, number: Number, *, ends: bool) -> sa.ScalarSelect[int]:
    """Return the number of the last end, or of the last other notice, that somebody heard of."""
    n, log = schema.notice.alias(), schema.delivery_log.alias()
    is_end = _is_one(n.c.kind, ENDS)
    return (
        sa.select(sa.func.coalesce(sa.func.max(n.c.number), 0))
        .select_from(n)
        .join(log, log.c.notice == n.c.id)
        .where(n.c.incident == audience.c.incident, is_end if ends else ~is_end)
        .where(log.c.person == audience.c.person, _is_one(log.c.state, TOLD), log.c.after_number < number)
        .correlate(audience)
        .scalar_subquery()
    )


def _is_one(column: sa.ColumnElement[Any], values: tuple[str, ...]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column == value for value in values))


def anybody(conn: Connection, incident: int, heard: Heard = Heard.ALL) -> bool:
    """Tell whether there is anybody to whom a notice that follows would go now."""
    underway.write_down(conn, incident)
    a, log = schema.audience, schema.delivery_log
    begun = [
        sa.select(log.c.person).where(log.c.notice == notice, _is_one(log.c.state, TOLD)).limit(1)
        for notice in firsts(conn, incident)
    ]
    # Where nobody was told, the audience need not be searched for one who was.
    if not any(conn.execute(query).first() for query in begun):
        return False
    taken = sa.select(schema.incident.c.numbers + 1).where(schema.incident.c.id == incident)
    meant = belongs(a, heard, taken.scalar_subquery())
    query = sa.select(a.c.person).join(log, told(a, log)).where(a.c.incident == incident).limit(1)
    return conn.execute(query if meant is None else query.where(meant)).first() is not None


def firsts(conn: Connection, incident: int) -> list[int]:
    """Return the first notices of an incident and of those that became part of it."""
    n, more = schema.notice, schema.incident_more
    whole = sa.select(sa.literal(incident).label("id")).cte("whole", recursive=True)
    parts = sa.select(more.c.incident).join(whole, more.c.merged_into == whole.c.id)
    of = sa.select(whole.union(parts).c.id)
    query = sa.select(n.c.id).where(n.c.incident.in_(of), n.c.kind == "first").order_by(n.c.id)
    return [int(number) for number in conn.execute(query).scalars()]


def variants(conn: Connection, incident: int) -> set[tuple[str, str, str]]:
    """Return in which languages and zones, and with which reasons, the first notice was written."""
    letter = schema.letter
    query = sa.select(letter.c.language, letter.c.zone, letter.c.why).distinct()
    found = conn.execute(query.where(letter.c.notice.in_(firsts(conn, incident))))
    return {(row.language, row.zone, row.why) for row in found}


def plan(conn: Connection, planned: Planned) -> int:
    """Store a notice that follows a first one, with its letters and chunks; return its id."""
    notice = outbox.announce(conn, planned)
    outbox.enclose(conn, notice, planned.letters)
    rows = [
        {
            "notice": notice,
            "channel": channel,
            "low": low,
            "high": high,
            "priority": PRIORITY[planned.kind],
            "state": "queued",
            "not_before_ms": planned.not_before_ms,
        }
        for channel, low, high in _ranges(conn, planned.incident)
    ]
    put(conn, schema.chunk, rows)
    return notice


def _ranges(conn: Connection, incident: int) -> list[tuple[str, int, int]]:
    """Return the channels and ranges of ids in which everybody stands whom an incident knows."""
    a = schema.audience
    mine = a.c.incident == incident
    ends = (sa.select(end(a.c.person)).where(mine) for end in (sa.func.min, sa.func.max))
    low, high = (conn.execute(query).scalar() for query in ends)
    if low is None or high is None:
        return []
    width = max(CHUNK_PEOPLE, (high - low) // CHUNKS_MAX + 1)
    begun = sa.select(sa.literal(low, sa.Integer).label("low")).cte("begun", recursive=True)
    # Each begins at somebody, so that ids of whom nobody is meant are jumped over.
    after = sa.select(sa.func.min(a.c.person)).where(mine, a.c.person >= begun.c.low + width)
    further = sa.select(after.correlate(begun).scalar_subquery()).where(begun.c.low.is_not(None))
    one = begun.union_all(further)
    other = [ways.leads(channel, one.c.low, one.c.low + width - 1) for channel in ways.BESIDE_MAIL]
    found = conn.execute(sa.select(one.c.low, *other).where(one.c.low.is_not(None))).all()
    return [
        (channel, row[0], min(high, row[0] + width - 1))
        for row in found
        for channel, leads in zip((ways.EMAIL, *ways.BESIDE_MAIL), (True, *row[1:]), strict=True)
        if leads
    ]
