"""What is written into the ledger, in the transaction that makes it true; nothing here changes a row.

A moment that many people share is written once: person 0 stands for everybody whom the notice is for,
notice 0 for the incident itself. ``at_ms`` is when it happened, ``heard_ms`` when the desk wrote it down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.incident.incident import Incident, Signal
from desk.ledger.story import Answer
from desk.store.bulk import once, put
from desk.store.store import upsert
from model.outcome import Healing, Outcome

KEPT_MS: Final = 730 * 86_400_000
FORGOTTEN_MAX: Final = 1_000
REPORTED: Final = ("symptom", "me_too")  # what counts as a person's own report; a question does not
NOTED_MAX: Final = 200
_HELD_OFF: Final = (Healing.NONE, Healing.PROPOSED, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: what happened to whom; ``note`` is a word or two that the event needs."""

    event: str
    at_ms: int
    note: str = ""
    notice: int = 0
    person: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody, 0 for a person unknown, told us, by which way and when.

    ``proven`` says that a token vouches for it; what is not counts for nothing.
    """

    person: int
    kind: str
    intake: str
    at_ms: int
    proven: bool = True


def _write(conn: Connection, incident: int, entries: Iterable[Entry], now_ms: int) -> None:
    rows: list[dict[str, Any]] = [
        {
            "incident": incident,
            "notice": entry.notice,
            "person": entry.person,
            "event": entry.event,
            "at_ms": entry.at_ms,
            "heard_ms": now_ms,
            "note": entry.note[:NOTED_MAX],
        }
        for entry in entries
    ]
    if rows:
        conn.execute(schema.ledger.insert(), rows)


def publish(conn: Connection, incident: Incident, kind: str, now_ms: int) -> None:
    """Write down that something was said of an incident on the page: what it weighs, what was promised.

    The first word also says when it began and was noticed, the last one how it ended.
    """
    begun = [Entry("onset", incident.timeline.onset_ms), Entry("detected", incident.timeline.noticed_ms)]
    if incident.signals and all(signal.labels.get("drill") == "true" for signal in incident.signals):
        begun.append(Entry("drill", now_ms))
    known = conn.execute(
        sa.select(schema.ledger.c.id)
        .where(schema.ledger.c.incident == incident.id, schema.ledger.c.event == "onset")
        .limit(1)
    ).first()
    entries = [] if known else begun
    entries += [Entry("published", now_ms, kind), Entry("level", now_ms, incident.impact.value)]
    if kind in ("resolved", "retracted"):
        entries += _ended(incident, kind, now_ms)
    elif incident.next_update_ms:
        entries.append(Entry("promised", incident.next_update_ms))
    _write(conn, incident.id, entries, now_ms)


def _ended(incident: Incident, kind: str, now_ms: int) -> Iterable[Entry]:
    """Yield how an incident ended, and how far playbooks came with it."""
    yield Entry("over", incident.timeline.healed_ms or now_ms, kind)
    if any(_eligible(signal) for signal in incident.signals):
        yield Entry("eligible", incident.timeline.noticed_ms)
    acted = [
        signal.remedy.acted_ms or now_ms for signal in incident.signals if _acted(signal) and signal.remedy
    ]
    if acted:
        yield Entry("started", min(acted))
    remedies = [signal.remedy for signal in incident.signals]
    if remedies and all(one is not None and one.status is Outcome.FIXED for one in remedies):
        yield Entry("healed", incident.timeline.healed_ms or now_ms)
        if incident.timeline.verified_ms:
            yield Entry("verified", incident.timeline.verified_ms)


def _eligible(signal: Signal) -> bool:
    """Tell whether a playbook answers to an alert, even if it only proposed or a guard stopped it."""
    return signal.remedy is not None and signal.remedy.status is not Healing.NONE


def _acted(signal: Signal) -> bool:
    return signal.remedy is not None and signal.remedy.status not in _HELD_OFF


def decided(conn: Connection, incident: int, notice: int, queued_ms: int, now_ms: int) -> None:
    """Write down that a first notice is decided, and from when on it may leave."""
    moments = (Entry("decided", now_ms, notice=notice), Entry("queued", queued_ms, notice=notice))
    _write(conn, incident, moments, now_ms)


def released(conn: Connection, incident: int, notices: Iterable[int], now_ms: int) -> None:
    """Write down that first notices may leave earlier than was said; the earliest word counts."""
    _write(conn, incident, [Entry("queued", now_ms, notice=notice) for notice in sorted(notices)], now_ms)


def accepted(conn: Connection, incident: int, notice: int, people: Iterable[tuple[int, int]]) -> None:
    """Write down who was told by a first notice, each with the moment; of a person's, the first counts."""
    told = (
        {
            "incident": incident,
            "notice": notice,
            "person": person,
            "event": "accepted",
            "at_ms": at_ms,
            "heard_ms": at_ms,
            "note": "",
        }
        for person, at_ms in people
    )
    put(conn, schema.ledger, told, once)


def delivered(conn: Connection, incident: int, notice: int, people: Iterable[tuple[int, int]]) -> None:
    """Write down whom a first notice reached, by a channel whose answer comes from the reader's own side."""
    entries = [Entry("delivered", at_ms, notice=notice, person=person) for person, at_ms in people]
    _write(conn, incident, entries, max((one.at_ms for one in entries), default=0))


def read(conn: Connection, incident: int, person: int, now_ms: int) -> None:
    """Write down that somebody said that they know of an incident; nobody is watched reading."""
    _write(conn, incident, [Entry("read", now_ms, person=person)], now_ms)


def reported(conn: Connection, incident: int, report: Heard, now_ms: int) -> None:
    """Write down that somebody told us of an incident, or that somebody claims to be one who does."""
    event = "reported" if report.kind in REPORTED else "asked"
    if not report.proven:
        event = "claimed"
    _write(conn, incident, [Entry(event, report.at_ms, report.intake, person=report.person)], now_ms)


def answered(conn: Connection, incident: int, person: int, answer: Answer, now_ms: int) -> None:
    """Write down what somebody answered to the question whether they are affected."""
    _write(conn, incident, [Entry("answered", now_ms, answer.value, person=person)], now_ms)


def answers(conn: Connection, incident: int, person: int) -> list[Answer]:
    """Return what somebody answered so far, the last one at the end."""
    table = schema.ledger
    query = (
        sa.select(table.c.note)
        .where(table.c.incident == incident, table.c.person == person, table.c.event == "answered")
        .order_by(table.c.id)
    )
    return [Answer(note) for note in conn.execute(query).scalars()]


def forget(conn: Connection, now_ms: int) -> int:
    """Delete incidents that ended long ago from the ledger, each with all of its rows; return how many."""
    table, incident, gone = schema.ledger, schema.incident, schema.ledger_forgotten
    known = sa.select(gone.c.incident)
    query = (
        sa.select(incident.c.id)
        .where(incident.c.resolved_ms.between(1, now_ms - KEPT_MS), incident.c.id.not_in(known))
        .limit(FORGOTTEN_MAX)
    )
    old = list(conn.execute(query).scalars())
    if old:
        rows = [{"incident": one, "at_ms": now_ms} for one in old]
        conn.execute(upsert(conn, gone).on_conflict_do_nothing(), rows)
        conn.execute(sa.delete(table).where(table.c.incident.in_(old)))
    return len(old)
