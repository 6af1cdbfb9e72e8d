"""Reported alerts in their table: found and written many at once, in the way each database takes fastest.

Each statement is made once. On SQLite one statement writes many rows, because each statement that ends there
hands the interpreter over to the other threads and has to wait for it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from desk import schema
from desk.incident import records
from desk.incident.incident import Signal
from desk.store.bulk import fetch, over, put, straight

_ROWS_AT_ONCE: Final = (1, 4, 8, 16, 32, 64, 256)  # rows of one statement on SQLite

_COLUMNS: Final = tuple(column.name for column in schema.alert.columns)
_NEWEST: Final = over(schema.alert, _COLUMNS[1:])
_GIVEN: Final = sa.bindparam("keys", type_=sa.Text)
_IN_JSON: Final = sa.select(schema.alert).where(
    schema.alert.c.key.in_(sa.select(sa.func.json_each(_GIVEN).table_valued("value").c.value))
)
_IN_ARRAY: Final = sa.select(schema.alert).where(
    schema.alert.c.key == sa.func.any(sa.bindparam("keys", type_=postgresql.ARRAY(sa.Text)))
)


def former_signals(conn: Connection, signals: Sequence[Signal]) -> dict[str, Signal]:
    """Return what is stored of these alerts; words that are still the same are not read again."""
    newer = {one.key: one for one in signals}
    keys = list(newer)
    if conn.dialect.name == "postgresql":
        rows = fetch(conn, _IN_ARRAY, {"keys": keys})
    else:
        rows = fetch(conn, _IN_JSON, {"keys": msgspec.json.encode(keys).decode()})
    return {row[0]: _former(row, newer[row[0]]) for row in rows}


def _former(row: tuple[Any, ...], newer: Signal) -> Signal:
    key, _, annotations, source, starts_ms, ends_ms, updated_ms, guessed, over = row
    same = annotations == _text_of(newer.annotations)
    return Signal(
        key=key,
        # Its key is made of its labels, so they are the same.
        labels=newer.labels,
        annotations=newer.annotations if same else records.annotations_of(annotations),
        starts_ms=starts_ms,
        ends_ms=ends_ms,
        updated_ms=updated_ms,
        guessed=bool(guessed),
        over=bool(over),
        source=source,
    )


def save_signals(conn: Connection, signals: Iterable[Signal]) -> None:
    """Write alerts over what was known of them, in the order of their keys."""
    rows = [
        (
            one.key,
            _text_of(dict(one.labels.pairs)),
            _text_of(one.annotations),
            one.source,
            one.starts_ms,
            one.ends_ms,
            one.updated_ms,
            one.guessed,
            one.over,
        )
        for one in signals
    ]
    rows.sort(key=itemgetter(0))
    if conn.dialect.name == "postgresql":
        put(conn, schema.alert, (dict(zip(_COLUMNS, row, strict=True)) for row in rows), _NEWEST)
        return
    done = 0
    while left := len(rows) - done:
        count = next((size for size in _ROWS_AT_ONCE if size >= left), _ROWS_AT_ONCE[-1])
        some = rows[done : done + count]
        # A row that is written twice is the same row, and one more statement would take longer.
        some += some[-1:] * (count - len(some))
        straight(conn, _saving(count), tuple(chain.from_iterable(some)))
        done = min(done + count, len(rows))


def _text_of(pairs: Mapping[str, str]) -> str:
    return msgspec.json.encode(pairs if isinstance(pairs, dict) else dict(pairs)).decode()


@lru_cache(len(_ROWS_AT_ONCE))
def _saving(count: int) -> str:
    """Return the statement with which SQLite writes so many alerts; its values stand in rows."""
    rows: list[dict[str, sa.BindParameter[Any]]] = [
        {name: sa.bindparam(f"{name}_{number}") for name in _COLUMNS} for number in range(count)
    ]
    return _NEWEST(sqlite.insert(schema.alert).values(rows)).compile(dialect=sqlite.dialect()).string
