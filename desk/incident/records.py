"""Rows and nouns: how alerts, incidents and people stand in the tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.catalogue import Catalogue, Touch
from desk.catalogue.customer import Team
from desk.config import Config
from desk.incident.incident import NO_HAND, WATCHDOG, Cause, Hand, Incident, Signal, Timeline
from desk.incident.scene import Sight
from desk.state import Impact, IncidentState
from desk.store.bulk import over, put
from desk.store.store import upsert
from desk.ways import ways
from model.labels import Labels

KEYS_PER_QUERY: Final = 500
TEXTS_READ_MAX: Final = 10_000  # alerts of open incidents are read again and again
AGENT_FORGOTTEN_MS: Final = 86_400_000
ALERTS_SHOWN_MAX: Final = 500
"""So many alerts of an incident are shown, and kept as they were at its end; all are counted in decisions."""


_BY_KEYS: Final = sa.select(schema.alert).where(schema.alert.c.key.in_(sa.bindparam("keys", expanding=True)))


def known_signals(conn: Connection, keys: Sequence[str]) -> dict[str, Signal]:
    """Return the stored alerts of these keys."""
    found: dict[str, Signal] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = keys[start : start + KEYS_PER_QUERY]
        for row in conn.execute(_BY_KEYS, {"keys": some}):
            found[row.key] = signal_of(row)
    return found


def signal_of(row: Row[Any]) -> Signal:
    """Return a row of the table of alerts as a noun."""
    return Signal(
        key=row.key,
        labels=_labels(row.labels),
        annotations=annotations_of(row.annotations),
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
def annotations_of(text: str) -> Mapping[str, str]:
    """Return the words of an alert as they are kept."""
    return MappingProxyType(msgspec.json.decode(text, type=dict[str, str]))


def save_doubts(conn: Connection, touched: Iterable[tuple[Signal, Iterable[Touch]]]) -> None:
    """Note which services an alert of unknown impact puts in doubt."""
    rows = [
        {"alert": signal.key, "service": touch.service}
        for signal, touches in touched
        for touch in touches
        if touch.impact is Impact.UNKNOWN
    ]
    if rows:
        conn.execute(upsert(conn, schema.doubt).on_conflict_do_nothing(), rows)


def hear_agents(conn: Connection, signals: Iterable[Signal]) -> None:
    """Note that agents are alive: a Watchdog fires for as long as its agent does."""
    for signal in signals:
        if signal.name == WATCHDOG and not signal.over:
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
    """Return the open incidents, of these services or of all, with the alerts that speak for others."""
    query = incident_rows().where(schema.incident.c.resolved_ms == 0)
    if services is not None:
        query = query.where(schema.incident.c.service.in_(tuple(services)))
    return {one.service: one for one in with_speakers(conn, conn.execute(query).all())}


def lately(conn: Connection, since_ms: int) -> Sequence[Row[Any]]:
    """Return the rows of incidents that are open, and after them of those that ended since, the last last."""
    return conn.execute(_LATELY, {"since_ms": since_ms}).all()


def whole_incidents(conn: Connection) -> dict[str, Incident]:
    """Return the open incidents with all their alerts, which another catalogue may tell apart."""
    rows = conn.execute(incident_rows().where(schema.incident.c.resolved_ms == 0)).all()
    return {one.service: one for one in with_alerts(conn, rows)}


def incident_rows() -> sa.Select[Any]:
    """Return the question for rows of incidents with all that ``incident_of`` reads."""
    table, more = schema.incident, schema.incident_more
    kept = (more.c.cause, more.c.path, more.c.reopened_ms, more.c.unstable_ms, more.c.hand)
    fate = (more.c.merged_into, more.c.closed_by, more.c.backfilled)
    return sa.select(table, *kept, *fate).outerjoin(more, more.c.incident == table.c.id)


# As a literal, so that the index of those that speak is taken.
SPEAKING: Final = schema.incident_alert.c.speaks > sa.literal_column("0")


def with_alerts(conn: Connection, rows: Sequence[Row[Any]]) -> list[Incident]:
    """Return rows of incidents as nouns, with all their alerts as they stand now, however many there are."""
    return _with(conn, rows, _ALL, {})


def with_speakers(conn: Connection, rows: Sequence[Row[Any]], heard: Collection[str] = ()) -> list[Incident]:
    """Return rows of incidents with those alerts that speak for all of theirs, and with those just heard."""
    found = list(heard)
    if len(found) <= KEYS_PER_QUERY:
        return _with(conn, rows, _HEARD if found else _SPEAK, {"heard": found} if found else {})
    # So many are heard at once only where a silence or planned work lets them go.
    kept = with_speakers(conn, rows, found[:KEYS_PER_QUERY])
    for start in range(KEYS_PER_QUERY, len(found), KEYS_PER_QUERY):
        more = _with(conn, rows, _HEARD_ONLY, {"heard": found[start : start + KEYS_PER_QUERY]})
        kept = [_grown(old, new.signals) for old, new in zip(kept, more, strict=True)]
    return kept


def _grown(incident: Incident, signals: Sequence[Signal]) -> Incident:
    known = {one.key for one in incident.signals}
    return replace(incident, signals=(*incident.signals, *(one for one in signals if one.key not in known)))


def _of_incidents(*which: sa.ColumnElement[bool]) -> sa.CompoundSelect[Any]:
    """Return the question for the alerts of incidents that are of any of these kinds.

    Each kind is found by an index of its own. It is built once, for it is asked with each batch.
    """
    link, alert = schema.incident_alert, schema.alert
    mine = (
        sa.select(link.c.incident, link.c.likeness, alert)
        .join(alert, alert.c.key == link.c.alert)
        .where(link.c.incident.in_(sa.bindparam("in", expanding=True)))
    )
    return sa.union(*(mine.where(one) for one in which)).order_by("likeness", "key")


_OF_THESE: Final = schema.incident_alert.c.alert.in_(sa.bindparam("heard", expanding=True))
_ALL: Final = _of_incidents(sa.true())
_SPEAK: Final = _of_incidents(SPEAKING)
_HEARD: Final = _of_incidents(SPEAKING, _OF_THESE)
_HEARD_ONLY: Final = _of_incidents(_OF_THESE)
_LATELY: Final = (
    incident_rows()
    .where(
        sa.or_(schema.incident.c.resolved_ms == 0, schema.incident.c.resolved_ms > sa.bindparam("since_ms"))
    )
    .order_by(schema.incident.c.resolved_ms, schema.incident.c.id)
)


def _with(
    conn: Connection, rows: Sequence[Row[Any]], which: sa.CompoundSelect[Any], values: Mapping[str, Any]
) -> list[Incident]:
    signals: dict[int, list[Signal]] = {row.id: [] for row in rows}
    for row in conn.execute(which, {"in": list(signals), **values}) if rows else ():
        signals[row.incident].append(signal_of(row))
    return [incident_of(row, signals[row.id]) for row in rows]


def incident_of(row: Row[Any], signals: Sequence[Signal]) -> Incident:
    """Return a row of ``incident_rows`` as a noun."""
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
        reopened_ms=row.reopened_ms or 0,
        unstable_ms=row.unstable_ms or 0,
        cause=Cause(row.cause, tuple(msgspec.json.decode(row.path, type=list[str]))) if row.cause else None,
        hand=hand_of(row.hand or ""),
    )


def hand_of(text: str) -> Hand:
    """Return what people said of an incident, as it is kept."""
    return msgspec.json.decode(text, type=Hand) if text else NO_HAND


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


def keep_snapshots(conn: Connection, incident: int) -> None:
    """Keep as many alerts as are shown as they were at the end: their rows will speak of later episodes."""
    link = schema.incident_alert
    query = (
        sa.select(schema.alert)
        .join(link, link.c.alert == schema.alert.c.key)
        .where(link.c.incident == incident)
        .order_by(link.c.starts_ms, link.c.alert)
        .limit(ALERTS_SHOWN_MAX)
    )
    kept = [{"of": row.key, "kept": _snapshot(signal_of(row))} for row in conn.execute(query)]
    mine = sa.update(link).where(link.c.incident == incident, link.c.alert == sa.bindparam("of"))
    if kept:
        conn.execute(mine.values(snapshot=sa.bindparam("kept")), kept)


def _snapshot(one: Signal) -> str:
    said = {
        "labels": dict(one.labels.pairs),
        "annotations": dict(one.annotations),
        "starts_ms": one.starts_ms,
        "ends_ms": one.ends_ms,
    }
    return msgspec.json.encode(said).decode()


def first_alerts(conn: Connection, incident: int, count_max: int) -> tuple[Signal, ...]:
    """Return alerts of an incident as they stand now, by their keys and no more than so many."""
    link = schema.incident_alert
    query = (
        sa.select(schema.alert)
        .join(link, link.c.alert == schema.alert.c.key)
        .where(link.c.incident == incident)
        .order_by(link.c.alert)
        .limit(count_max)
    )
    return tuple(signal_of(row) for row in conn.execute(query))


def belongs(incident: int, alert: sa.Column[str], at_ms: sa.Column[int]) -> sa.ColumnElement[bool]:
    """Tell of what concerns an alert at a time whether it was in this incident, and not in a later one."""
    link, later, told = schema.incident_alert.alias(), schema.incident_alert.alias(), alert.table
    since = sa.and_(later.c.alert == alert, later.c.starts_ms > link.c.starts_ms, later.c.starts_ms <= at_ms)
    mine = sa.and_(link.c.incident == incident, link.c.alert == alert, link.c.starts_ms <= at_ms)
    newer = sa.select(later.c.alert).where(since).correlate(link, told).exists()
    return sa.select(link.c.alert).where(mine, ~newer).correlate(told).exists()


_PERSON_KEY: Final = ("email", "team")
_NEWER: Final = over(
    schema.person,
    [one.name for one in schema.person.c if one.name not in ("id", *_PERSON_KEY)],
    keys=_PERSON_KEY,
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
        for customer, person in catalogue.everybody()
        if person.is_told
    ]
    rows += [row for team in catalogue.teams.values() for row in _team_rows(team)]
    table = schema.person
    conn.execute(sa.update(table).values(gone=True))
    put(conn, table, {(row["email"], row["team"]): row for row in rows}.values(), _NEWER)
    found = conn.execute(sa.select(table.c.id, table.c.email, table.c.team).where(table.c.gone.is_(False)))
    people = {person_key(row.email, row.team): row.id for row in found}
    ways.settle(conn, catalogue, people)
    return people


def _team_rows(team: Team) -> Iterable[dict[str, object]]:
    """Return a row for the team and for each of its people, one where a person reads the team's address."""
    shared = {"customer": "", "language": str(team.language), "quiet": "", "team": str(team.team)}
    found = {str(team.email): (str(team.team), str(team.zone))}
    found |= {str(one.email): (str(one.name), str(one.zone or team.zone)) for one in team.people}
    return [
        {**shared, "email": email, "name": name, "zone": zone, "gone": False}
        for email, (name, zone) in found.items()
    ]


def person_key(email: str, team: str = "") -> str:
    """Return what names a person, or a team, in memory."""
    return f"{team}/{email}" if team else email
