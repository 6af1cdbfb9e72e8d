"""Evidence as it stands in the store: what playbooks wrote down, by run; for staff and nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.incident import records
from desk.store.store import upsert

COUNT: Final = "beforehand_evidence"
RUNS_PER_ALERT_MAX: Final = 20
ITEMS_TOLD_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Item:
    """What one step saw; ``number`` is the step's in its run."""

    number: int
    name: str
    text: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What one run wrote down; ``alert`` is the key of its alert, times are ms since 1970 in UTC."""

    alert: str
    host: str
    run: str
    playbook: str
    started_ms: int
    items: tuple[Item, ...]


def announced(annotations: Mapping[str, str]) -> int:
    """Return how many pieces of evidence an agent says that it has for an alert."""
    text = annotations.get(COUNT, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def keep(conn: Connection, found: Found, now_ms: int) -> int:
    """Write down what is not known yet, and return how much that was; said twice it is kept once."""
    shared = {name: getattr(found, name) for name in ("alert", "host", "run", "playbook", "started_ms")}
    kept = 0
    for item in found.items:
        fields = {name: getattr(item, name) for name in ("number", "name", "text", "truncated")}
        row = upsert(conn, schema.evidence).values(**shared, **fields, heard_ms=now_ms)
        # Not every driver counts what such an insert wrote.
        new = conn.execute(row.on_conflict_do_nothing().returning(schema.evidence.c.number))
        kept += len(new.all())
    if kept:
        _make_room(conn, found.alert)
    return kept


def _make_room(conn: Connection, alert: str) -> None:
    """Forget the oldest runs of an alert that has more than enough of them."""
    table = schema.evidence
    runs = (
        sa.select(table.c.started_ms)
        .distinct()
        .where(table.c.alert == alert)
        .order_by(table.c.started_ms.desc())
        .limit(RUNS_PER_ALERT_MAX)
    )
    oldest = list(conn.execute(runs).scalars())[-1]
    conn.execute(sa.delete(table).where(table.c.alert == alert, table.c.started_ms < oldest))


def told(conn: Connection, incident: int, *, with_text: bool) -> list[dict[str, Any]]:
    """Return the evidence of an incident, oldest first, with or without its words."""
    table = schema.evidence
    shown = (table.c.host, table.c.run, table.c.playbook, table.c.started_ms, table.c.number)
    more: Sequence[sa.ColumnElement[Any]] = (table.c.text,) if with_text else ()
    query = (
        sa.select(*shown, table.c.name, table.c.truncated, *more)
        .where(records.belongs(incident, table.c.alert, table.c.started_ms))
        .order_by(table.c.started_ms, table.c.host, table.c.run, table.c.number)
        .limit(ITEMS_TOLD_MAX)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def count(conn: Connection, incident: int) -> int:
    """Return how many pieces of evidence an incident has."""
    table = schema.evidence
    mine = records.belongs(incident, table.c.alert, table.c.started_ms)
    return int(conn.execute(sa.select(sa.func.count()).select_from(table).where(mine)).scalar_one())
