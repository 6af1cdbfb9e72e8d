"""Notices on their way: planned in the transaction that makes them true, taken one person at a time.

A notice is a few chunks of person ids, so that a million people cost a thousand rows. Each person's try
is written down before it is made and its answer after it, together with the next try, so that a kill
leaves at most the message in flight in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery import underway
from desk.ledger import book
from desk.notice.compose import Kind, Letter
from desk.store.bulk import over, put
from desk.store.store import upsert
from desk.ways import ways

CHUNK_PEOPLE: Final = 1_000
MINUTE_MS: Final = 60_000
TTL_MS: Final[dict[Kind, int]] = {
    "first": 30 * MINUTE_MS,
    "update": 60 * MINUTE_MS,
    "resolved": 24 * 60 * MINUTE_MS,
    "escalation": 24 * 60 * MINUTE_MS,
    "retracted": 24 * 60 * MINUTE_MS,
    "unstable": 60 * MINUTE_MS,
    "reopened": 60 * MINUTE_MS,
}
PRIORITY: Final[dict[Kind, int]] = {
    "escalation": 0,
    "first": 1,
    "retracted": 1,
    "reopened": 1,
    "unstable": 2,
    "resolved": 2,
    "update": 3,
}

TOLD: Final = ways.TOLD


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody whom a first notice, or the word to a team, is meant for."""

    person: int
    grade: str
    why: str
    reason: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A notice as it is to be stored; ``letters`` by language, zone and reason.

    ``event`` is what it says to programs, and ``next_way_ms`` how long it may stay unread, 0 for any time.
    ``heard`` says to whom of those told before it goes, where it is no first notice.
    """

    incident: int
    number: int
    kind: Kind
    reason: str
    urgent: bool
    generic: bool
    created_ms: int
    not_before_ms: int
    letters: dict[tuple[str, str, str], Letter]
    event: str = ""
    next_way_ms: int = 0
    heard: str = ""


def plan(conn: Connection, planned: Planned, people: Sequence[int]) -> int:
    """Store a notice that begins something, with its letters and chunks; return its id."""
    notice = announce(conn, planned)
    enclose(conn, notice, planned.letters)
    share_out(conn, notice, planned.kind, people, When(planned.not_before_ms))
    return notice


@dataclass(frozen=True, slots=True)
class When:
    """From when on some of a notice's people are written to, and whether that waits for a word."""

    not_before_ms: int
    held: bool = False


def announce(conn: Connection, planned: Planned) -> int:
    """Store a notice that goes to nobody yet; return its id."""
    n = schema.notice
    notice_id = conn.execute(
        n.insert().values(
            incident=planned.incident,
            number=planned.number,
            kind=planned.kind,
            state="queued",
            reason=planned.reason,
            created_ms=planned.created_ms,
            expires_ms=planned.not_before_ms + TTL_MS[planned.kind],
            urgent=planned.urgent,
            generic=planned.generic,
        )
    ).inserted_primary_key
    assert notice_id is not None, "an insert of one row names its key"
    notice = int(notice_id[0])
    more = {"event": planned.event, "next_way_ms": planned.next_way_ms, "heard": planned.heard}
    conn.execute(schema.notice_event.insert().values(notice=notice, **more))
    if planned.kind == "first":
        book.decided(conn, planned.incident, notice, planned.not_before_ms, planned.created_ms)
    return notice


def enclose(conn: Connection, notice: int, letters: Mapping[tuple[str, str, str], Letter]) -> None:
    """Give a notice letters; one that it has already stays as it is."""
    rows = [
        {"notice": notice, "language": language, "zone": zone, "why": why}
        | {"subject": letter.subject, "text": letter.text, "html": letter.html}
        for (language, zone, why), letter in letters.items()
    ]
    if rows:
        conn.execute(upsert(conn, schema.letter).on_conflict_do_nothing(), rows)


def share_out(conn: Connection, notice: int, kind: Kind, people: Sequence[int], when: When) -> None:
    """Let a notice that begins something go to these people, in chunks, each by their first way.

    No two chunks of a notice and channel may overlap.
    """
    chunks = [
        {
            "notice": notice,
            "channel": channel,
            "low": ordered[start],
            "high": ordered[min(start + CHUNK_PEOPLE, len(ordered)) - 1],
            "priority": PRIORITY[kind],
            "state": "held" if when.held else "queued",
            "not_before_ms": when.not_before_ms,
        }
        for channel, some in ways.by_first(conn, people).items()
        for ordered in (sorted(some),)
        for start in range(0, len(ordered), CHUNK_PEOPLE)
    ]
    conn.execute(schema.chunk.insert(), chunks)


def address(conn: Connection, incident: int, notice: int, recipients: Iterable[Recipient]) -> None:
    """Write down whom a first notice is meant for, each with the reason."""
    rows = (
        {
            "incident": incident,
            "person": one.person,
            "grade": one.grade,
            "why": one.why,
            "reason": one.reason,
            "notice": notice,
            "since_number": 0,
        }
        for one in recipients
    )
    put(conn, schema.audience, rows, _MEANT)


# Whose first notice was never sent may get another when it is back.
_MEANT: Final = over(schema.audience, ("grade", "why", "reason", "notice", "since_number"))


def withdraw(conn: Connection, incident: int, reason: str, kinds: Sequence[Kind]) -> None:
    """Take back what was not sent yet of an incident's notices of these kinds."""
    n = schema.notice
    waiting = sa.select(n.c.id).where(n.c.incident == incident, n.c.kind.in_(kinds), n.c.state == "queued")
    conn.execute(sa.update(n).where(n.c.id.in_(waiting), ~unsent(n.c.id)).values(state="sent"))
    retry = schema.delivery_retry
    log = schema.delivery_log
    # What waits for another try after a refusal was never taken by anybody; doubtful tries stay.
    later = sa.select(retry.c.notice, retry.c.person, retry.c.channel).where(retry.c.notice.in_(waiting))
    conn.execute(
        sa.update(log)
        .where(sa.tuple_(log.c.notice, log.c.person, log.c.channel).in_(later))
        .where(log.c.state.in_(("retrying", "quiet")))
        .values(state="withdrawn", reply=reason)
    )
    conn.execute(sa.delete(retry).where(retry.c.notice.in_(waiting)))
    conn.execute(
        sa.update(schema.chunk)
        .where(schema.chunk.c.notice.in_(waiting), schema.chunk.c.state != "done")
        .values(state="withdrawn", owner="")
    )
    conn.execute(sa.update(n).where(n.c.id.in_(waiting)).values(state="withdrawn", reason=reason))
    if "first" in kinds:
        conn.execute(sa.delete(schema.notice_plan).where(schema.notice_plan.c.incident == incident))


def unsent(notice: sa.Column[int]) -> sa.ColumnElement[bool]:
    """Tell of a notice whether somebody still waits for it."""
    # Under names of their own, so that a query which joins these tables asks about all of their rows.
    chunk, retry = schema.chunk.alias(), schema.delivery_retry.alias()
    open_chunk = sa.exists().where(chunk.c.notice == notice, chunk.c.state != "done")
    return sa.or_(open_chunk, sa.exists().where(retry.c.notice == notice))


def release(conn: Connection, incident: int, now_ms: int) -> None:
    """Let first notices that are held go out at once."""
    first = sa.select(schema.notice.c.id).where(
        schema.notice.c.incident == incident, schema.notice.c.kind == "first"
    )
    held = conn.execute(
        sa.update(schema.chunk)
        .where(
            schema.chunk.c.notice.in_(first),
            schema.chunk.c.state == "queued",
            schema.chunk.c.not_before_ms > now_ms,
        )
        .values(not_before_ms=now_ms)
        .returning(schema.chunk.c.notice)
    )
    book.released(conn, incident, set(held.scalars()), now_ms)


def told_people(conn: Connection, incident: int, between: tuple[int, int] | None = None) -> list[int]:
    """Return who has, or may have, the first notice of an incident; of all, or between two ids."""
    underway.write_down(conn, incident)
    a, log = schema.audience, schema.delivery_log
    query = (
        sa.select(a.c.person)
        .distinct()
        .join(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .where(a.c.incident == incident, a.c.grade != "owner", log.c.state.in_(TOLD))
    )
    if between:
        query = query.where(a.c.person.between(*between))
    found = conn.execute(query)
    return [int(row.person) for row in found]


def next_number(conn: Connection, incident: int) -> int:
    """Take the next number of an incident: updates and notices share one order."""
    table = schema.incident
    conn.execute(sa.update(table).where(table.c.id == incident).values(numbers=table.c.numbers + 1))
    number = conn.execute(sa.select(table.c.numbers).where(table.c.id == incident)).scalar_one()
    return int(number)
