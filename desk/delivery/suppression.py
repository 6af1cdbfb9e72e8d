"""Who is not written to because mail came back: the reports in the store, and what staff say against them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery import bounce
from desk.delivery.bounce import Bounce, Weight
from desk.store.store import upsert
from desk.ways import rungs

KEPT_MS: Final = 90 * 86_400_000


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


def suppressed(conn: Connection, people: Collection[int]) -> dict[int, str]:
    """Return those of these people who are not written to, each with the reason."""
    table = schema.suppressed
    rows = conn.execute(sa.select(table).where(table.c.person.in_(list(people))))
    return {row.person: row.because for row in rows}


def lift(conn: Connection, email: str) -> bool:
    """Write to an address again, and forget what came back from it; return whether it was left out."""
    p, table = schema.person, schema.suppressed
    people = sa.select(p.c.id).where(p.c.email == email)
    conn.execute(sa.delete(schema.bounce).where(schema.bounce.c.person.in_(people)))
    return bool(conn.execute(sa.delete(table).where(table.c.person.in_(people))).rowcount)


def forget(conn: Connection, now_ms: int) -> None:
    """Drop old reports; who is left out stays so."""
    conn.execute(sa.delete(schema.bounce).where(schema.bounce.c.at_ms < now_ms - KEPT_MS))
