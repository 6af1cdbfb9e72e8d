"""What happened in each incident and to whom, with every reason, as JSON for staff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.approval import approvals
from desk.audience.audience import Judge, judge
from desk.catalogue.catalogue import Catalogue
from desk.delivery.outbox import TOLD, unsent
from desk.feedback import answers, reports
from desk.incident import dossier, findings, records
from desk.incident.incident import Signal
from model.labels import Labels
from model.outcome import Remedy

PEOPLE_MAX: Final = 500
INCIDENTS_MAX: Final = 1_000

_MOMENTS: Final = (
    "opened_ms",
    "onset_ms",
    "noticed_ms",
    "healed_ms",
    "verified_ms",
    "told_ms",
    "escalated_ms",
    "resolved_ms",
    "next_update_ms",
)


def accounts(
    conn: Connection, catalogue: Catalogue, *, ref: str = "", limit: int = 50
) -> list[dict[str, Any]]:
    """Return the newest incidents, or the one of this name, each with its alerts, people and updates.

    The words of evidence are long, so only the one that is asked for by its name has them.
    """
    table = schema.incident
    query = sa.select(table).order_by(table.c.opened_ms.desc(), table.c.id.desc()).limit(limit)
    if ref:
        query = query.where(table.c.ref == ref)
    return [_account(conn, catalogue, row, in_full=bool(ref)) for row in conn.execute(query).all()]


def _account(conn: Connection, catalogue: Catalogue, row: Row[Any], *, in_full: bool) -> dict[str, Any]:
    alerts = _alerts(conn, row)
    told, not_told, called = _people(conn, row, _judge(conn, catalogue, row, alerts))
    return {
        "id": row.ref,
        "service": row.service,
        "impact": row.impact,
        "state": row.state,
        **{name: getattr(row, name) or None for name in _MOMENTS},
        "healed_silently": row.healed_silently,
        "escalated": bool(row.escalated_ms),
        "escalation": row.escalation,
        "scope_refused": row.scope_refused,
        "sight_lost": bool(row.lost_ms),
        "reason": row.reason,
        **dossier.told(conn, row),
        "alerts": alerts,
        "told": told,
        "not_told": not_told,
        "called": called,
        "updates": _updates(conn, row.id),
        "notices": _notices(conn, row.id),
        "approvals": approvals.told(conn, row.id),
        "evidence": findings.told(conn, row.id, with_text=in_full),
        "answers": answers.counts(conn, row.id),
        "reports": reports.counts(conn, row.id),
    }


def _alerts(conn: Connection, row: Row[Any]) -> list[dict[str, Any]]:
    """Return the alerts as they stand, or as they stood when the incident was closed."""
    link, alert = schema.incident_alert, schema.alert
    query = (
        sa.select(link.c.snapshot, alert.c.labels, alert.c.annotations, alert.c.starts_ms, alert.c.ends_ms)
        .join(alert, alert.c.key == link.c.alert, isouter=True)
        .where(link.c.incident == row.id)
        .order_by(link.c.starts_ms, link.c.alert)
        .limit(PEOPLE_MAX)
    )
    found = []
    for one in conn.execute(query):
        if one.snapshot:
            kept = msgspec.json.decode(one.snapshot)
        else:
            kept = {
                "labels": msgspec.json.decode(one.labels or "{}"),
                "annotations": msgspec.json.decode(one.annotations or "{}"),
                "starts_ms": one.starts_ms,
                "ends_ms": one.ends_ms,
            }
        remedy = Remedy.of(kept["annotations"])
        found.append({**kept, "remedy": remedy.told() if remedy else None})
    return found


def _judge(conn: Connection, catalogue: Catalogue, row: Row[Any], alerts: list[dict[str, Any]]) -> Judge:
    """Return who can say why somebody is in the audience of an incident or not."""
    signals = [
        Signal("", Labels.of(one["labels"]), one["annotations"], one["starts_ms"], one["ends_ms"], 0)
        for one in alerts
    ]
    others = {} if row.resolved_ms else records.open_incidents(conn)
    failing = {service: one.signals for service, one in others.items() if service != row.service}
    return judge(catalogue, row.service, signals, failing)


def _people(
    conn: Connection, row: Row[Any], asked: Judge
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return who was told, who was not, and which team was called, each with the reason."""
    a, p, log, n = schema.audience, schema.person, schema.delivery_log, schema.notice
    found = conn.execute(
        sa.select(a, p, log.c.channel, log.c.state, log.c.reply, log.c.tries, log.c.accepted_ms)
        .add_columns(log.c.message_id)
        .add_columns(n.c.state.label("notice_state"), n.c.reason.label("notice_reason"))
        .join(p, p.c.id == a.c.person)
        .join(n, n.c.id == a.c.notice)
        .outerjoin(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .where(a.c.incident == row.id)
        .order_by(a.c.person)
        .limit(PEOPLE_MAX)
    ).all()
    told: list[dict[str, Any]] = []
    not_told: list[dict[str, Any]] = []
    called: list[dict[str, Any]] = []
    inside = set()
    letters = _letters(conn, row.id)
    for tried in _by_person(found):
        one = tried[0]
        inside.add(one.email)
        who = {
            "customer": one.customer,
            "name": one.name,
            "email": one.email,
            "team": one.team,
            "grade": one.grade,
            "reason": one.reason,
            "via": one.channel or "email",
            "ways": [_way(one) for one in tried if one.channel],
        }
        if one.state in TOLD:
            sent = {"accepted_ms": one.accepted_ms or None, "state": one.state, "tries": one.tries}
            word = {"message_id": one.message_id, "reply": one.reply, "notices": letters.get(one.email, [])}
            (called if one.team else told).append({**who, **sent, **word})
        else:
            waiting = "waits to be sent" if one.notice_state == "queued" else one.notice_reason
            not_told.append({**who, "state": one.state or one.notice_state, "why": one.reply or waiting})
    over = "it was over before anybody could be told" if row.opened_ms == row.resolved_ms else ""
    room = PEOPLE_MAX - len(found)
    return told, not_told + _outside(asked, inside, room, over), called


def _way(row: Row[Any]) -> dict[str, str]:
    return {"via": row.channel, "state": row.state, "why": row.reply}


def _by_person(found: Sequence[Row[Any]]) -> Iterable[list[Row[Any]]]:
    """Yield the rows of each person, that of the way by which they were told first."""
    rows: dict[int, list[Row[Any]]] = {}
    for one in found:
        rows.setdefault(one.person, []).append(one)
    for some in rows.values():
        yield sorted(some, key=lambda one: (one.state not in TOLD, one.accepted_ms or 0))


def _letters(conn: Connection, incident: int) -> dict[str, list[dict[str, Any]]]:
    """Return what became of each notice to each person, in the order of the notices."""
    n, p, log = schema.notice, schema.person, schema.delivery_log
    query = (
        sa.select(p.c.email, n.c.kind, log.c.state, log.c.accepted_ms)
        .join(n, n.c.id == log.c.notice)
        .join(p, p.c.id == log.c.person)
        .where(n.c.incident == incident)
        .order_by(n.c.number)
        .limit(PEOPLE_MAX * 10)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in conn.execute(query):
        found.setdefault(row.email, []).append(
            {"kind": row.kind, "state": row.state, "accepted_ms": row.accepted_ms or None}
        )
    return found


def _outside(asked: Judge, inside: set[str], room: int, over: str) -> list[dict[str, Any]]:
    """Return people who are not in the audience, and why, as far as there is room.

    ``over`` is the reason for those who use the service where no audience was ever worked out.
    """
    found: list[dict[str, Any]] = []
    service = asked.trouble.service
    for customer, person in asked.catalogue.people():
        if len(found) >= room or service not in asked.catalogue.services:
            break
        if person.email not in inside:
            who = {"customer": str(customer.customer), "name": str(person.name), "email": str(person.email)}
            verdict = asked.verdict(customer)
            why, state = verdict.evidence, "not affected"
            if over and customer.uses_service(service):
                why, state = over, "over"
            elif verdict.grade.told:
                why = f"Nobody knew it when people were told. {verdict.evidence}"
            found.append({**who, "team": "", "grade": verdict.grade.value, "state": state, "why": why})
    return found


def _updates(conn: Connection, incident: int) -> list[dict[str, Any]]:
    table = schema.update
    query = sa.select(table).where(table.c.incident == incident).order_by(table.c.number)
    return [
        {
            "number": row.number,
            "at_ms": row.at_ms,
            "state": row.state,
            "impact": row.impact,
            "text": msgspec.json.decode(row.texts),
            "reason": row.reason,
        }
        for row in conn.execute(query)
    ]


def _notices(conn: Connection, incident: int) -> list[dict[str, Any]]:
    n, c, log = schema.notice, schema.chunk, schema.delivery_log
    answers: dict[int, dict[str, int]] = {}
    counted = (
        sa.select(log.c.notice, log.c.state, sa.func.count().label("people"))
        .join(n, n.c.id == log.c.notice)
        .where(n.c.incident == incident)
        .group_by(log.c.notice, log.c.state)
    )
    for row in conn.execute(counted):
        answers.setdefault(row.notice, {})[row.state] = row.people
    query = (
        sa.select(n, sa.func.min(c.c.not_before_ms).label("not_before_ms"), unsent(n.c.id).label("unsent"))
        .join(c, c.c.notice == n.c.id)
        .where(n.c.incident == incident)
        .group_by(n.c.id)
        .order_by(n.c.number)
    )
    return [
        {
            "number": row.number,
            "kind": row.kind,
            "state": "sent" if row.state == "queued" and not row.unsent else row.state,
            "reason": row.reason,
            "generic_words": row.generic,
            "created_ms": row.created_ms,
            "not_before_ms": row.not_before_ms,
            "people": answers.get(row.id, {}),
        }
        for row in conn.execute(query)
    ]


def rfc3339(at_ms: int) -> str:
    """Write a moment as Alertmanager does: UTC, to the millisecond."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"
