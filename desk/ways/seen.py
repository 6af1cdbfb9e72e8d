"""Who knows of an incident: said by a link that is signed for an incident and a person, or by an answer.

Whoever has said so is not told again by another way. Nothing else counts as reading: no letter holds a
picture that tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery.own_link import read_token
from desk.ledger import book
from desk.store.bulk import once, put

_WAITS: Final = "seen elsewhere"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who was told of which incident, in which language, and since when they know, 0 for not yet."""

    incident: int
    ref: str
    service: str
    person: int
    language: str
    seen_ms: int


def reader(conn: Connection, secret: bytes, text: str) -> Reader | None:
    """Return whom a token speaks for; None where it is not genuine or they were never meant."""
    named = read_token(secret, "seen", text)
    if named is None:
        return None
    i, a, p, table = schema.incident, schema.audience, schema.person, schema.seen
    query = (
        sa.select(i.c.id, i.c.ref, i.c.service, p.c.id.label("person"), p.c.language)
        .add_columns(sa.func.coalesce(table.c.at_ms, 0).label("seen_ms"))
        .join(a, a.c.incident == i.c.id)
        .join(p, p.c.id == a.c.person)
        .outerjoin(table, sa.and_(table.c.incident == i.c.id, table.c.person == p.c.id))
        .where(i.c.ref == named[0], p.c.id == named[1], p.c.gone.is_(False))
    )
    row = conn.execute(query).one_or_none()
    return Reader(*row) if row else None


def acknowledge(conn: Connection, secret: bytes, text: str, now_ms: int) -> Reader | None:
    """Write down that somebody knows, and end their ladder; said twice it changes nothing."""
    found = reader(conn, secret, text)
    if found is not None and not found.seen_ms:
        note(conn, found.incident, found.person, now_ms)
        return reader(conn, secret, text)
    return found


def note(conn: Connection, incident: int, person: int, now_ms: int) -> None:
    """Write down that somebody knows of an incident, and take back the ways that wait for them."""
    table = schema.seen
    known = sa.exists().where(table.c.incident == incident, table.c.person == person)
    if not conn.execute(sa.select(known)).scalar():
        put(conn, table, [{"incident": incident, "person": person, "at_ms": now_ms}], once)
        book.read(conn, incident, person, now_ms)
    n, log, retry = schema.notice, schema.delivery_log, schema.delivery_retry
    firsts = sa.select(n.c.id).where(n.c.incident == incident, n.c.kind.in_(("first", "escalation")))
    waiting = (log.c.notice.in_(firsts), log.c.person == person, log.c.state == "retrying", log.c.tries == 0)
    channels = list(conn.execute(sa.select(log.c.notice, log.c.channel).where(*waiting)))
    conn.execute(sa.update(log).where(*waiting).values(state="skipped", reply=_WAITS, at_ms=now_ms))
    for row in channels:
        here = (retry.c.notice == row.notice, retry.c.person == person, retry.c.channel == row.channel)
        conn.execute(sa.delete(retry).where(*here))
