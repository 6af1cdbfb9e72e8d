"""What people answer to a notice, affected or not, by links that are signed for an incident and a person.

An answer may be changed once, because people press the wrong button; each stands in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery.own_link import read_token
from desk.ledger import book
from desk.ledger.story import Answer
from desk.ways import seen

ANSWERS_MAX: Final = 2
OPEN_MS: Final = 14 * 86_400_000  # answers to what ended longer ago change no figure any more


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked about which incident, and what they answered so far."""

    incident: int
    ref: str
    service: str
    person: int
    language: str
    closed: bool
    answers: tuple[Answer, ...]

    @property
    def fixed(self) -> bool:
        """Whether the answer stands, and can be changed no more."""
        return self.closed or len(self.answers) >= ANSWERS_MAX


def asked(conn: Connection, secret: bytes, text: str, now_ms: int) -> Asked | None:
    """Return whom a token asks about what; None where it is not genuine or they were never told."""
    named = read_token(secret, "answer", text)
    if named is None:
        return None
    i, a, p = schema.incident, schema.audience, schema.person
    query = (
        sa.select(i.c.id, i.c.ref, i.c.service, i.c.resolved_ms, p.c.id.label("person"), p.c.language)
        .join(a, a.c.incident == i.c.id)
        .join(p, p.c.id == a.c.person)
        .where(i.c.ref == named[0], p.c.id == named[1], p.c.gone.is_(False), a.c.grade != "owner")
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    closed = 0 < row.resolved_ms < now_ms - OPEN_MS
    found = tuple(book.answers(conn, row.id, row.person))
    return Asked(row.id, row.ref, row.service, row.person, row.language, closed, found)


def record(conn: Connection, secret: bytes, text: str, answer: Answer, now_ms: int) -> Asked | None:
    """Write an answer down and return how it stands; said twice, or changed twice, it stays as it was."""
    found = asked(conn, secret, text, now_ms)
    if found is None or found.closed or not put(conn, found.incident, found.person, answer, now_ms):
        return found
    return asked(conn, secret, text, now_ms)


def put(conn: Connection, incident: int, person: int, answer: Answer, now_ms: int) -> bool:
    """Write an answer down and tell so; one that was the last already, or a second change, is not."""
    before = book.answers(conn, incident, person)
    if len(before) >= ANSWERS_MAX or before[-1:] == [answer]:
        return False
    book.answered(conn, incident, person, answer, now_ms)
    seen.note(conn, incident, person, now_ms)
    return True


def counts(conn: Connection, incident: int) -> dict[str, int]:
    """Return how many people say that they are affected, and that they are not, each by the last answer."""
    table = schema.ledger
    last = (
        sa.select(sa.func.max(table.c.id))
        .where(table.c.incident == incident, table.c.event == "answered")
        .group_by(table.c.person)
    )
    query = sa.select(table.c.note, sa.func.count()).where(table.c.id.in_(last)).group_by(table.c.note)
    return {kind.value: 0 for kind in Answer} | {str(note): int(n) for note, n in conn.execute(query)}
