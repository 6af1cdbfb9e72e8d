"""Alerts that fire and are kept quiet: each is asked again only when the grounds for it have changed.

So a storm under a silence, or on a service that is worked on, costs as much as its batches, and time alone
costs nothing. The grounds are in the store beside each alert, as a digest, so that a kill or another desk
finds them right; of what was never asked they are empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk.incident import records
from desk.incident.incident import Signal

PAGE_ROWS: Final = 2_000
_DIGEST_BYTES: Final = 12


def digest(grounds: object) -> str:
    """Return a short text for what decides whether alerts are kept quiet; never empty."""
    said = msgspec.json.encode(grounds, enc_hook=str, order="deterministic")
    return hashlib.blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()


def released(
    conn: Connection, table: sa.Table, grounds: str, is_quiet: Callable[[Signal], bool], now_ms: int
) -> tuple[Signal, ...]:
    """Return the alerts of a table that still fire and that are not to be quiet any more, by their keys.

    Those are in the table no more, and neither are those that fire no more as far as they were asked.
    """
    # Two ranges instead of one inequality, for which no database takes an index.
    others = sa.or_(table.c.judged < grounds, table.c.judged > grounds)
    free: list[Signal] = []
    after = ""
    while keys := list(conn.execute(_page(table, others, after)).scalars()):
        after = keys[-1]
        signals = records.known_signals(conn, keys)
        firing = [one for one in signals.values() if not one.over and one.ends_ms > now_ms]
        quiet = {one.key for one in firing if is_quiet(one)}
        free += [one for one in firing if one.key not in quiet]
        gone = [{"of": key} for key in keys if key not in quiet]
        if gone:
            conn.execute(sa.delete(table).where(table.c.alert == sa.bindparam("of")), gone)
    if after:
        conn.execute(sa.update(table).where(others).values(judged=grounds))
    return tuple(sorted(free, key=lambda one: one.key))


def _page(table: sa.Table, which: sa.ColumnElement[bool], after: str) -> sa.Select[Any]:
    return (
        sa.select(table.c.alert).where(which, table.c.alert > after).order_by(table.c.alert).limit(PAGE_ROWS)
    )
