"""Rows and nouns: how alerts, incidents and people stand in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue import Catalogue
from desk.config import Config
from desk.correlate import Sight
from desk.incident import Incident, Signal, Timeline
from desk.store import upsert
from desk.view import Impact, IncidentState
from model.labels import Labels

KEYS_PER_QUERY: Final = 500
TEXTS_READ_MAX: Final = 10_000  # alerts of open incidents are read again and again
AGENT_FORGOTTEN_MS: Final = 86_400_000


def known_signals(conn: Connection, keys: Sequence[str]) -> dict[str, Signal]:
    """Return the stored alerts of these keys."""
    table = schema.alert
    found: dict[str, Signal] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = keys[start : start + KEYS_PER_QUERY]
        for row in conn.execute(sa.select(table).where(table.c.key.in_(some))):
            found[row.key] = signal_of(row)
    return found


def signal_of(row: Row[Any]) -> Signal:
    """Return a row of the table of alerts as a noun."""
    return Signal(
        key=row.key,
        labels=_labels(row.labels),
        annotations=_annotations(row.annotations),
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        updated_ms=row.updated_ms,
        guessed=row.guessed,
        over=row.over,
        source=row.source,
    )


@lru_cache(TEXTS_READ_MAX)
def _labels(text: str) -> Labels:
    return Labels.of(msgspec.json.decode(text, type=dict[str, str]))


@lru_cache(TEXTS_READ_MAX)
def _annotations(text: str) -> Mapping[str, str]:
    return MappingProxyType(msgspec.json.decode(text, type=dict[str, str]))


def save_signals(conn: Connection, signals: Iterable[Signal]) -> None:
    """Write alerts over what was known of them, in the order of their keys."""
    rows = [
        {
            "key": one.key,
            "labels": msgspec.json.encode(dict(one.labels.pairs)).decode(),
            "annotations": msgspec.json.encode(dict(one.annotations)).decode(),
            "source": one.source,
            "starts_ms": one.starts_ms,
            "ends_ms": one.ends_ms,
            "updated_ms": one.updated_ms,
            "guessed": one.guessed,
            "over": one.over,
        }
        for one in sorted(signals, key=lambda one: one.key)
    ]
    if rows:
        insert = upsert(conn, schema.alert)
        newer = {name: insert.excluded[name] for name in rows[0] if name != "key"}
        conn.execute(insert.on_conflict_do_update(index_elements=["key"], set_=newer), rows)


def save_doubts(conn: Connection, catalogue: Catalogue, signals: Iterable[Signal]) -> None:
    """Note which services an alert of unknown impact puts in doubt."""
    rows = [
        {"alert": signal.key, "service": touch.service}
        for signal in signals
        for touch in catalogue.touches(signal.labels)
        if touch.impact is Impact.UNKNOWN
    ]
    if rows:
        conn.execute(upsert(conn, schema.doubt).on_conflict_do_nothing(), rows)


def hear_agents(conn: Connection, signals: Iterable[Signal]) -> None:
    """Note that agents are alive: a Watchdog fires for as long as its agent does."""
    for signal in signals:
        if signal.name == "Watchdog" and not signal.over:
            heard = {"heard_ms": signal.updated_ms, "lease_ms": signal.ends_ms - signal.updated_ms}
            insert = upsert(conn, schema.agent).values(
                instance=signal.labels.get("instance") or signal.key, **heard
            )
            conn.execute(insert.on_conflict_do_update(index_elements=["instance"], set_=heard))


def sight(conn: Connection, started_ms: int, now_ms: int) -> Sight:
    """Return whether silence can be believed: not while an agent that spoke today misses half its lease."""
    table = schema.agent
    lost = conn.execute(
        sa.select(table.c.instance)
        .where(
            table.c.heard_ms + table.c.lease_ms / 2 < now_ms, table.c.heard_ms > now_ms - AGENT_FORGOTTEN_MS
        )
        .limit(1)
    ).first()
    return Sight(lost is not None, started_ms)


def open_incidents(conn: Connection, services: Iterable[str] | None = None) -> dict[str, Incident]:
    """Return the open incidents, of these services or of all, with the alerts as they stand now."""
    table, link, alert = schema.incident, schema.incident_alert, schema.alert
    query = sa.select(table).where(table.c.resolved_ms == 0)
    if services is not None:
        query = query.where(table.c.service.in_(tuple(services)))
    rows = conn.execute(query).all()
    joined = (
        sa.select(link.c.incident, alert)
        .join(alert, alert.c.key == link.c.alert)
        .where(link.c.incident.in_([row.id for row in rows]))
        .order_by(alert.c.key)
    )
    signals: dict[int, list[Signal]] = {row.id: [] for row in rows}
    for row in conn.execute(joined):
        signals[row.incident].append(signal_of(row))
    return {row.service: incident_of(row, signals[row.id]) for row in rows}


def incident_of(row: Row[Any], signals: Sequence[Signal]) -> Incident:
    """Return a row of the table of incidents as a noun."""
    return Incident(
        id=row.id,
        ref=row.ref,
        service=row.service,
        impact=Impact(row.impact),
        first_impact=Impact(row.first_impact),
        state=IncidentState(row.state),
        opened_ms=row.opened_ms,
        timeline=Timeline(row.onset_ms, row.noticed_ms, row.healed_ms, row.verified_ms),
        signals=tuple(signals),
        told_ms=row.told_ms,
        escalated_ms=row.escalated_ms,
        next_update_ms=row.next_update_ms,
        said_ms=row.said_ms,
        lost_ms=row.lost_ms,
    )


def change_incident(conn: Connection, incident: int, values: Mapping[str, Any]) -> None:
    """Set columns of an incident."""
    conn.execute(sa.update(schema.incident).where(schema.incident.c.id == incident).values(dict(values)))


def moments(timeline: Timeline) -> dict[str, int]:
    """Return a timeline as columns."""
    return {
        "onset_ms": timeline.onset_ms,
        "noticed_ms": timeline.noticed_ms,
        "healed_ms": timeline.healed_ms,
        "verified_ms": timeline.verified_ms,
    }


def link_alerts(conn: Connection, incident: int, signals: Iterable[Signal]) -> None:
    """Write down which alerts belong to an incident."""
    rows = [
        {"incident": incident, "alert": one.key, "starts_ms": one.starts_ms, "snapshot": ""}
        for one in signals
    ]
    conn.execute(upsert(conn, schema.incident_alert).on_conflict_do_nothing(), rows)


def keep_snapshots(conn: Connection, incident: int, signals: Iterable[Signal]) -> None:
    """Keep alerts as they were at the end: their rows will speak of later episodes."""
    table = schema.incident_alert
    for one in signals:
        kept = {
            "labels": dict(one.labels.pairs),
            "annotations": dict(one.annotations),
            "starts_ms": one.starts_ms,
            "ends_ms": one.ends_ms,
        }
        conn.execute(
            sa.update(table)
            .where(table.c.incident == incident, table.c.alert == one.key)
            .values(snapshot=msgspec.json.encode(kept).decode())
        )


def settle_people(conn: Connection, catalogue: Catalogue, config: Config) -> dict[str, int]:
    """Bring the table of people up to the catalogue; return the id of each address.

    Who left is marked and kept, because the log of what was said names the id. Teams are kept apart
    by a slash, which no address holds: ``payments/oncall@example.com``.
    """
    rows = [
        {
            "email": str(person.email),
            "customer": str(customer.customer),
            "name": str(person.name),
            "language": str(person.language or config.language),
            "zone": str(person.zone or config.zone),
            "quiet": str(person.quiet or ""),
            "team": "",
            "gone": False,
        }
        for customer, person in catalogue.people()
        if person.via
    ]
    rows += [
        {
            "email": str(team.email),
            "customer": "",
            "name": str(team.team),
            "language": str(team.language),
            "zone": str(team.zone),
            "quiet": "",
            "team": str(team.team),
            "gone": False,
        }
        for team in catalogue.teams.values()
    ]
    table = schema.person
    conn.execute(sa.update(table).values(gone=True))
    if rows:
        insert = upsert(conn, table)
        newer = {name: insert.excluded[name] for name in rows[0] if name not in ("email", "team")}
        conn.execute(insert.on_conflict_do_update(index_elements=["email", "team"], set_=newer), rows)
    found = conn.execute(sa.select(table.c.id, table.c.email, table.c.team).where(table.c.gone.is_(False)))
    return {person_key(row.email, row.team): row.id for row in found}


def person_key(email: str, team: str = "") -> str:
    """Return what names a person, or a team, in memory."""
    return f"{team}/{email}" if team else email
