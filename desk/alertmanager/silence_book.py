"""Where silences are written down, and the alerts that they keep quiet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.alertmanager import silence as rules
from desk.alertmanager.silence import Silence
from desk.incident import waiting
from desk.incident.incident import Change, Signal
from desk.store.bulk import fetch
from desk.store.store import upsert
from model.matcher import Matcher

SILENCES_MAX: Final = 10_000
KEPT_MS: Final = 120 * 3_600_000
"""How long one that is over can still be seen, as in Alertmanager."""

# Asked with every report of alerts, so it is made once.
_NOT_OVER: Final = (
    sa.select(schema.silence)
    .where(schema.silence.c.ends_ms > sa.bindparam("after_ms"))
    .order_by(schema.silence.c.id)
)


class Unknown(Exception):
    """There is no silence of this id."""


class Full(Exception):
    """There are as many silences as are kept."""


def silences(conn: Connection, ends_after_ms: int = 0) -> list[Silence]:
    """Return all silences that end after this moment."""
    return [_silence(row) for row in fetch(conn, _NOT_OVER, {"after_ms": ends_after_ms})]


def one_silence(conn: Connection, key: str) -> Silence | None:
    """Return the silence of this id."""
    row = conn.execute(sa.select(schema.silence).where(schema.silence.c.id == key)).first()
    return _silence(row) if row else None


def put(conn: Connection, posted: Silence, fresh_id: str, now_ms: int) -> str:
    """Write a silence, over the one whose id it has; returns its id, raises ``Unsound`` or ``Unknown``."""
    if not posted.id:
        if len(silences(conn)) >= SILENCES_MAX:
            raise Full(f"there are {SILENCES_MAX} silences")
        kept = rules.Kept(rules.sound(replace(posted, id=fresh_id), now_ms))
    else:
        old = one_silence(conn, posted.id)
        if old is None:
            raise Unknown(posted.id)
        kept = rules.changed(old, posted, fresh_id, now_ms)
    for one in filter(None, (kept.ended, kept.silence)):
        _write(conn, one)
    return kept.silence.id


def expire(conn: Connection, key: str, now_ms: int, by: str = "") -> None:
    """End a silence now, and note who did; raises ``Unknown``."""
    found = one_silence(conn, key)
    if found is None:
        raise Unknown(key)
    _write(conn, rules.expired(found, now_ms, by))


def forget(conn: Connection, now_ms: int) -> None:
    """Drop what has been over for long."""
    conn.execute(sa.delete(schema.silence).where(schema.silence.c.ends_ms < now_ms - KEPT_MS))


def heard(conn: Connection, changes: Sequence[Change], now_ms: int) -> tuple[Change, ...]:
    """Return the changes that may become news; the others are kept until no silence mutes them.

    An alert of an open incident is heard in any case: whoever was told of it hears how it goes on.
    """
    active = [one for one in silences(conn, now_ms) if one.starts_ms <= now_ms] if changes else []
    quiet = {one.signal.key for one in changes if rules.muting(active, one.signal.labels, now_ms)}
    if not quiet:
        return tuple(changes)
    quiet -= _joined(conn, quiet)
    rows = [{"alert": one.signal.key} for one in changes if one.signal.key in quiet and not one.signal.over]
    if rows:
        conn.execute(upsert(conn, schema.muted).on_conflict_do_nothing(), rows)
    return tuple(one for one in changes if one.signal.key not in quiet)


def _joined(conn: Connection, keys: Collection[str]) -> set[str]:
    """Return those of these alerts that belong to an open incident."""
    link, incident = schema.incident_alert, schema.incident
    query = (
        sa.select(link.c.alert)
        .join(incident, incident.c.id == link.c.incident)
        .where(incident.c.resolved_ms == 0, link.c.alert.in_(keys))
    )
    return {row.alert for row in conn.execute(query)}


def released(conn: Connection, now_ms: int) -> tuple[Change, ...]:
    """Return the alerts that still fire and that nothing mutes any more, as if they were just heard."""
    active = [one for one in silences(conn, now_ms) if one.starts_ms <= now_ms]

    def quiet(signal: Signal) -> bool:
        return bool(rules.muting(active, signal.labels, now_ms))

    grounds = [(one.id, [str(each) for each in one.matchers], one.starts_ms, one.ends_ms) for one in active]
    free = waiting.released(conn, schema.muted, waiting.digest(grounds), quiet, now_ms)
    return tuple(Change(signal, fresh=True) for signal in free)


def _write(conn: Connection, silence: Silence) -> None:
    matchers = [[one.label, one.operator, one.value] for one in silence.matchers]
    row = {
        "matchers": msgspec.json.encode(matchers).decode(),
        "starts_ms": silence.starts_ms,
        "ends_ms": silence.ends_ms,
        "updated_ms": silence.updated_ms,
        "created_by": silence.created_by,
        "comment": silence.comment,
        "annotations": msgspec.json.encode(dict(silence.annotations)).decode(),
        "ended_by": silence.ended_by,
    }
    insert = upsert(conn, schema.silence).values(id=silence.id, **row)
    conn.execute(insert.on_conflict_do_update(index_elements=["id"], set_=row))


def _silence(row: Sequence[Any]) -> Silence:
    key, matchers, starts_ms, ends_ms, updated_ms, created_by, comment, annotations, ended_by = row
    found = msgspec.json.decode(matchers, type=list[tuple[str, Any, str]])
    return Silence(
        key,
        tuple(Matcher(label, operator, value) for label, operator, value in found),
        starts_ms,
        ends_ms,
        updated_ms,
        created_by,
        comment,
        msgspec.json.decode(annotations or "{}", type=dict[str, str]),
        ended_by,
    )
