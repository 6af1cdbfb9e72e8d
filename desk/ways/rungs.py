"""The ladder in the store: the next way of people whose last one failed, or may stay unread.

A rung is a row among the tries that are due later; whether it is still wanted is judged when its time comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.store.bulk import once, put
from desk.ways import ways
from desk.ways.ladder import End, Rung, next_rung

FIRST_KINDS = ("first", "escalation")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a try of a first notice ended for somebody."""

    notice: int
    person: int
    channel: str
    end: End
    at_ms: int


def climb(conn: Connection, ended: Iterable[Ended]) -> None:
    """Plan the next way of everybody who needs one; what is planned already stays as it is."""
    known = list(ended)
    channels = ways.of_people(conn, (one.person for one in known))
    known = [one for one in known if one.person in channels]
    if not known:
        return
    notices = _waiting(conn, {one.notice for one in known})
    found = [
        (one, rung, notices[one.notice][1])
        for one in known
        if one.notice in notices and not _knows(conn, one)
        for rung in (
            next_rung(channels[one.person], one.channel, one.end, one.at_ms, notices[one.notice][0]),
        )
        if rung is not None
    ]
    _plan(conn, found)


def _waiting(conn: Connection, numbers: set[int]) -> dict[int, tuple[int, int]]:
    """Return of those of these notices that begin something and still go out: the wait, and the end."""
    n, event = schema.notice, schema.notice_event
    query = (
        sa.select(n.c.id, n.c.expires_ms, sa.func.coalesce(event.c.next_way_ms, 0).label("next_way_ms"))
        .outerjoin(event, event.c.notice == n.c.id)
        .where(n.c.id.in_(numbers), n.c.kind.in_(FIRST_KINDS), n.c.state == "queued")
    )
    return {row.id: (row.next_way_ms, row.expires_ms) for row in conn.execute(query)}


def _knows(conn: Connection, one: Ended) -> bool:
    """Tell whether somebody has said that they know."""
    n, seen = schema.notice, schema.seen
    query = (
        sa.select(seen.c.at_ms)
        .join(n, n.c.incident == seen.c.incident)
        .where(n.c.id == one.notice, seen.c.person == one.person)
    )
    return conn.execute(query).first() is not None


def _plan(conn: Connection, found: Iterable[tuple[Ended, Rung, int]]) -> None:
    """Write down who is told next; of a rung that waits, one that is due at once takes the place."""
    log, retry = schema.delivery_log, schema.delivery_retry
    for one, rung, expires_ms in found:
        key = {"notice": one.notice, "person": one.person, "channel": rung.channel}
        row = {"message_id": "", "state": "retrying", "tries": 0, "at_ms": one.at_ms, "accepted_ms": 0}
        put(conn, log, [{**key, **row, "reply": rung.reason}], once)
        untried = sa.exists().where(
            *(log.c[name] == value for name, value in key.items()),
            log.c.tries == 0,
            log.c.state == "retrying",
        )
        # Between planning and sending it may fail once more, so what is due sooner holds.
        later = sa.and_(
            *(retry.c[name] == value for name, value in key.items()), retry.c.due_ms > rung.due_ms
        )
        conn.execute(sa.delete(retry).where(later))
        if conn.execute(sa.select(untried)).scalar():
            put(
                conn,
                retry,
                [{**key, "due_ms": rung.due_ms, "expires_ms": max(expires_ms, rung.due_ms)}],
                once,
            )


def came_back(conn: Connection, person: int, now_ms: int) -> None:
    """Try the next way of somebody whose mail came back, in every incident that is open."""
    n, i, log = schema.notice, schema.incident, schema.delivery_log
    query = (
        sa.select(n.c.id)
        .join(i, i.c.id == n.c.incident)
        .join(log, log.c.notice == n.c.id)
        .where(i.c.resolved_ms == 0, log.c.person == person, log.c.channel == ways.EMAIL)
    )
    numbers = list(conn.execute(query).scalars())
    climb(conn, [Ended(number, person, ways.EMAIL, "failed", now_ms) for number in numbers])
