"""Who said that planned work may be announced to so many: each by the same request, with a token."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.staff.staff import Member
from desk.store.store import upsert

COUNTS_MS: Final = 3_600_000


def put(conn: Connection, plan: str, member: Member, now_ms: int) -> list[str]:
    """Write down one person's word on what a request says; return who said so within the hour.

    ``plan`` is the SHA-256 of the request: to whatever says something else, nobody has said anything.
    """
    table = schema.plan_word
    conn.execute(sa.delete(table).where(table.c.at_ms <= now_ms - COUNTS_MS))
    word = upsert(conn, table).values(plan=plan, person=member.person, by=str(member.name), at_ms=now_ms)
    conn.execute(word.on_conflict_do_update(index_elements=["plan", "person"], set_={"at_ms": now_ms}))
    said = sa.select(table.c.by).where(table.c.plan == plan).order_by(table.c.at_ms, table.c.by)
    return list(conn.execute(said).scalars())
