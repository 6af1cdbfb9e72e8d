"""What people tell us: which incident a report belongs to, and what its sender is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.catalogue import Catalogue
from desk.feedback import answers
from desk.incident.incident import Incident, weight
from desk.ledger import book
from desk.ledger.book import REPORTED, Heard
from desk.ledger.story import Answer
from desk.notice.words import say, spoken
from desk.state import Impact

Kind = Literal["symptom", "question", "me_too", "not_affected"]
Intake = Literal["portal", "mail", "chat", "phone", "staff"]

LOOK_BACK_MS: Final = 60 * 60_000  # who notices something may well do so before a rule does
KEPT_MS: Final = 90 * 86_400_000
HOUR_MS: Final = 3_600_000
REPORTS_PER_HOUR_MAX: Final = 10_000
CLAIMS_PER_HOUR_MAX: Final = 1_000
ADOPTED_MAX: Final = 1_000


class TooMany(Exception):
    """More was reported within an hour than is kept."""


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody says: ``person`` is 0 where nobody knows who, ``service`` what they think it is about.

    ``language`` is theirs; ``received_ms`` is when it reached us, by whichever way. ``proven`` says that
    somebody with a token vouches for who it is; without that a report is answered as one of somebody
    unknown, and counts for nothing by which we are judged.
    """

    person: int
    uses: frozenset[str]
    language: str
    service: str
    kind: Kind
    intake: Intake
    text: str
    received_ms: int
    proven: bool = True

    @property
    def sender(self) -> int:
        """Who it is, 0 where nobody vouches for that."""
        return self.person if self.proven else 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody who reported is told: the incident, "" for none known, and how it stands."""

    report: int
    incident: str
    service: str
    state: str
    impact: str
    text: str
    since_ms: int
    next_update_ms: int
    told_ms: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident that a report may belong to."""

    id: int
    service: str
    impact: Impact
    onset_ms: int
    over_ms: int


def match(report: Report, candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the incident that a report belongs to: of the service it names, else the heaviest they meet.

    Somebody known must use the service; of somebody unknown the named service is all that counts. It must
    have begun by an hour after the report, and not have been over before it.
    """
    fit = [
        one
        for one in candidates
        if one.onset_ms - LOOK_BACK_MS <= report.received_ms
        and not 0 < one.over_ms < report.received_ms
        and _meant(report, one.service)
    ]
    return max(fit, key=lambda one: (weight(one.impact), one.onset_ms, one.id), default=None)


def _meant(report: Report, service: str) -> bool:
    if report.service and report.service != service:
        return False
    return service in report.uses if report.sender else bool(report.service)


def take(conn: Connection, catalogue: Catalogue, report: Report, fallback: str, now_ms: int) -> Reply:
    """Write a report down, link it, and return what its sender is told; raises ``TooMany``."""
    table = schema.report
    # What is only claimed cannot use up the room of what is proven.
    most = REPORTS_PER_HOUR_MAX if report.proven else CLAIMS_PER_HOUR_MAX
    recent = sa.select(sa.func.count()).where(
        table.c.received_ms > now_ms - HOUR_MS, table.c.proven.is_(report.proven)
    )
    if int(conn.execute(recent).scalar_one()) >= most:
        raise TooMany(f"more than {most} reports came within an hour")
    found = match(report, _candidates(conn, report.received_ms))
    key = conn.execute(
        table.insert().values(
            person=report.person,
            service=report.service,
            kind=report.kind,
            intake=report.intake,
            text=report.text,
            received_ms=report.received_ms,
            incident=found.id if found else 0,
            proven=report.proven,
        )
    ).inserted_primary_key
    assert key is not None, "an insert of one row names its key"
    if found:
        _enter(conn, found.id, report, now_ms)
    return _reply(conn, catalogue, int(key[0]), found, report, spoken(report.language, fallback))


def _enter(conn: Connection, incident: int, report: Report, now_ms: int) -> None:
    """Put a report into the ledger: the first of a person counts, a denial is an answer.

    A denial that is only claimed is none.
    """
    if report.kind == "not_affected":
        if report.sender:
            answers.put(conn, incident, report.sender, Answer.NOT_AFFECTED, now_ms)
        return
    heard = Heard(report.person, report.kind, report.intake, report.received_ms, report.proven)
    book.reported(conn, incident, heard, now_ms)


def adopt(
    conn: Connection, catalogue: Catalogue, people: Mapping[str, int], incident: Incident, now_ms: int
) -> None:
    """Link to an incident that opens what was reported shortly before it and belonged to none."""
    table = schema.report
    waiting = (
        sa.select(table)
        .where(
            table.c.incident == 0,
            table.c.kind.in_(REPORTED),
            table.c.received_ms >= incident.timeline.onset_ms - LOOK_BACK_MS,
            table.c.service.in_(("", incident.service)),
        )
        .order_by(table.c.received_ms)
        .limit(ADOPTED_MAX)
    )
    rows = conn.execute(waiting).all()
    if not rows:
        return
    users = {
        people.get(person.email, 0)
        for customer, person in catalogue.people()
        if customer.uses_service(incident.service)
    }
    for row in rows:
        if row.person in users if row.person and row.proven else row.service:
            conn.execute(sa.update(table).where(table.c.id == row.id).values(incident=incident.id))
            heard = Heard(row.person, row.kind, row.intake, row.received_ms, row.proven)
            book.reported(conn, incident.id, heard, now_ms)


def _candidates(conn: Connection, received_ms: int) -> list[Candidate]:
    table = schema.incident
    query = sa.select(table).where(
        sa.or_(table.c.resolved_ms == 0, table.c.resolved_ms >= received_ms),
        table.c.onset_ms - LOOK_BACK_MS <= received_ms,
        table.c.state != "retracted",
    )
    return [
        Candidate(row.id, row.service, Impact(row.impact), row.onset_ms, row.resolved_ms)
        for row in conn.execute(query)
    ]


def _reply(
    conn: Connection, catalogue: Catalogue, number: int, found: Candidate | None, report: Report, tongue: str
) -> Reply:
    if found is None:
        return Reply(number, "", report.service, "", "", say(tongue, "report_taken"), 0, 0, 0)
    i, u, entries = schema.incident, schema.update, schema.ledger
    row: Row[Any] = conn.execute(sa.select(i).where(i.c.id == found.id)).one()
    newest = sa.select(u.c.texts).where(u.c.incident == found.id).order_by(u.c.number.desc()).limit(1)
    texts = msgspec.json.decode(conn.execute(newest).scalar() or "{}", type=dict[str, str])
    told = sa.select(entries.c.at_ms).where(
        entries.c.incident == found.id, entries.c.event == "accepted", entries.c.person == report.sender
    )
    told_ms = conn.execute(told).scalar() if report.sender else 0
    service = catalogue.services.get(row.service)
    return Reply(
        report=number,
        incident=row.ref,
        service=service.said_in(tongue) if service else row.service,
        state=row.state,
        impact=row.impact,
        text=texts.get(tongue) or texts.get("en", ""),
        since_ms=row.onset_ms,
        next_update_ms=row.next_update_ms,
        told_ms=int(told_ms or 0),
    )


def counts(conn: Connection, incident: int) -> dict[str, int]:
    """Return how many reports of each kind belong to an incident."""
    table = schema.report
    query = sa.select(table.c.kind, sa.func.count()).where(table.c.incident == incident)
    return {str(kind): int(n) for kind, n in conn.execute(query.group_by(table.c.kind))}


def newest(conn: Connection, count_max: int) -> Sequence[Mapping[str, Any]]:
    """Return the newest reports with their words and senders; for staff alone."""
    r, p, i = schema.report, schema.person, schema.incident
    query = (
        sa.select(r.c.id, p.c.email, r.c.service, r.c.kind, r.c.intake, r.c.text, r.c.received_ms, r.c.proven)
        .add_columns(i.c.ref.label("incident"))
        .outerjoin(p, p.c.id == r.c.person)
        .outerjoin(i, i.c.id == r.c.incident)
        .order_by(r.c.id.desc())
        .limit(count_max)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def forget(conn: Connection, now_ms: int) -> int:
    """Delete old reports with their words; that there was one stays in the ledger."""
    table = schema.report
    return int(conn.execute(sa.delete(table).where(table.c.received_ms < now_ms - KEPT_MS)).rowcount)
