"""Who is not written to because mail came back: the reports in the store, and what staff say against them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery import bounce
from desk.delivery.bounce import Bounce, Weight
from desk.store.store import upsert
from desk.ways import rungs
from desk.ways.ways import EMAIL, Way

KEPT_MS: Final = 90 * 86_400_000
SHOWN_MAX: Final = 1_000


def report(conn: Connection, found: Bounce, now_ms: int, *, of: int = 0) -> bool:
    """Write down what a mail server said of an address; return whether anybody has it.

    ``of`` is the person, where the report came to an address of that person's own: then it is about this one
    alone, whatever address it names, for mail may have been sent on.
    """
    p, table = schema.person, schema.bounce
    whose = p.c.id == of if of else p.c.email == found.recipient
    people = [row.id for row in conn.execute(sa.select(p.c.id).where(whose))]
    for person in people:
        soft = sa.select(table.c.at_ms).where(table.c.person == person, table.c.weight == Weight.SOFT.value)
        before = list(conn.execute(soft).scalars())
        because = bounce.suppression(found, before, now_ms)
        row = {"person": person, "at_ms": now_ms, "status": found.status, "text": found.text}
        conn.execute(table.insert().values(**row, weight=found.weight.value))
        if because:
            kept = upsert(conn, schema.suppressed).values(person=person, since_ms=now_ms, because=because)
            conn.execute(kept.on_conflict_do_nothing())
            rungs.came_back(conn, person, now_ms)
    return bool(people)


def lose_way(conn: Connection, person: int, way: Way, because: str, now_ms: int) -> None:
    """Write down that an address that is no mail address takes nothing any more.

    It holds until the catalogue gives the person another address there, or staff lift it.
    """
    values = {"address": way.address, "since_ms": now_ms, "because": because}
    row = upsert(conn, schema.lost_way).values(person=person, channel=way.channel, **values)
    conn.execute(row.on_conflict_do_update(index_elements=["person", "channel"], set_=values))


def lost_ways(conn: Connection, person: int) -> dict[str, str]:
    """Return the channels on which a person is not told any more, each with the reason."""
    lost, way = schema.lost_way, schema.way
    same = sa.and_(way.c.person == lost.c.person, way.c.channel == lost.c.channel)
    query = (
        sa.select(lost.c.channel, lost.c.because)
        .join(way, sa.and_(same, way.c.address == lost.c.address))
        .where(lost.c.person == person)
    )
    return {row.channel: row.because for row in conn.execute(query)}


def suppressed(conn: Connection, people: Collection[int]) -> dict[int, str]:
    """Return those of these people who are not written to, each with the reason."""
    table = schema.suppressed
    rows = conn.execute(sa.select(table).where(table.c.person.in_(list(people))))
    return {row.person: row.because for row in rows}


def lift(conn: Connection, email: str, by: str, now_ms: int) -> bool:
    """Write to a person again by every way, and note who wanted it; return whether any was left out.

    What came back from the address is forgotten.
    """
    people = sa.select(schema.person.c.id).where(schema.person.c.email == email)
    found = left_out(conn, email)
    for table in (schema.bounce, schema.suppressed, schema.lost_way):
        conn.execute(sa.delete(table).where(table.c.person.in_(people)))
    for row in found:
        noted = {"email": email, "channel": row["channel"], "because": row["because"]}
        conn.execute(schema.lifting.insert().values(**noted, by=by, at_ms=now_ms))
    return bool(found)


def left_out(conn: Connection, email: str = "") -> list[dict[str, Any]]:
    """Return which addresses of whom are not written to, since when and why, the newest first.

    ``email`` asks for one person alone.
    """
    p, mail, other, way = schema.person, schema.suppressed, schema.lost_way, schema.way
    who = (p.c.email, p.c.customer)
    same = (
        way.c.person == other.c.person,
        way.c.channel == other.c.channel,
        way.c.address == other.c.address,
    )
    by_mail = sa.select(*who, sa.literal(EMAIL).label("channel"), mail.c.since_ms, mail.c.because).join(
        p, p.c.id == mail.c.person
    )
    otherwise = (
        sa.select(*who, other.c.channel, other.c.since_ms, other.c.because)
        .join(p, p.c.id == other.c.person)
        .where(sa.exists().where(*same))
    )
    found = sa.union_all(by_mail, otherwise).subquery()
    query = sa.select(found).order_by(found.c.since_ms.desc(), found.c.email).limit(SHOWN_MAX)
    rows = conn.execute(query.where(found.c.email == email) if email else query)
    return [dict(row) for row in rows.mappings()]


def liftings(conn: Connection) -> list[dict[str, Any]]:
    """Return which addresses were written to again, who wanted it and when, the newest first."""
    table = schema.lifting
    columns = (table.c.email, table.c.channel, table.c.because, table.c.by, table.c.at_ms)
    rows = conn.execute(
        sa.select(*columns).order_by(table.c.at_ms.desc(), table.c.id.desc()).limit(SHOWN_MAX)
    )
    return [dict(row) for row in rows.mappings()]


def forget(conn: Connection, now_ms: int) -> None:
    """Drop old reports, and who lifted what long ago; who is left out stays so."""
    for table in (schema.bounce, schema.lifting):
        conn.execute(sa.delete(table).where(table.c.at_ms < now_ms - KEPT_MS))
