"""Many rows in one statement, in the way that each database takes fastest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

PAGE_ROWS: Final = 5_000
STATEMENTS_KEPT_MAX: Final = 64

Rows = Iterable[Mapping[str, Any]]
Clause = Callable[[sqlite.Insert], sqlite.Insert]
New = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
Only = Callable[[New], sa.ColumnElement[bool]]


def _plain(insert: sqlite.Insert) -> sqlite.Insert:
    return insert


def once(insert: sqlite.Insert) -> sqlite.Insert:
    """Leave a row that is there already as it is."""
    return insert.on_conflict_do_nothing()


def put(conn: Connection, table: sa.Table, rows: Rows, clause: Clause = _plain) -> None:
    """Insert rows that all have the same columns; ``clause`` may say what to do where one is there already.

    They are taken page by page, so that a million of them never stand in memory at once. No two rows of a
    page may have the same key.
    """
    found = iter(rows)
    while page := list(islice(found, PAGE_ROWS)):
        if conn.dialect.name == "postgresql":
            _put_text(conn, table, page, clause)
        else:
            _put_rows(conn, table, page, clause)


def _put_rows(conn: Connection, table: sa.Table, page: Sequence[Mapping[str, Any]], clause: Clause) -> None:
    """Hand rows to the driver as they are: here SQLAlchemy would take longer over each than the database."""
    text, names, constants = _statement(table, tuple(page[0]), clause)
    conn.exec_driver_sql(
        text, [tuple([row[name] if name in row else constants[name] for name in names]) for row in page]
    )


@lru_cache(STATEMENTS_KEPT_MAX)
def _statement(
    table: sa.Table, columns: tuple[str, ...], clause: Clause
) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    """Return an insert as SQLite reads it, what stands at each of its places, and what is always the same."""
    made = clause(sqlite.insert(table)).compile(dialect=sqlite.dialect(), column_keys=list(columns))
    names = tuple(made.positiontup or ())
    return made.string, names, {name: made.params[name] for name in names if name not in columns}


def _put_text(conn: Connection, table: sa.Table, page: Sequence[Mapping[str, Any]], clause: Clause) -> None:
    """Send rows as one text of JSON: the driver packs neither rows nor arrays half as fast."""
    text, fixed = _text_statement(table, tuple(page[0]), clause, conn.dialect)
    rows = msgspec.json.encode(page, enc_hook=str).decode()
    conn.exec_driver_sql(text, {**fixed, "all_rows": rows})


@lru_cache(STATEMENTS_KEPT_MAX)
def _text_statement(
    table: sa.Table, names: tuple[str, ...], clause: Clause, dialect: sa.Dialect
) -> tuple[str, Mapping[str, Any]]:
    """Return an insert of rows in JSON as PostgreSQL reads it, and what is always the same in it."""
    given = (
        sa.func.json_to_recordset(sa.cast(sa.bindparam("all_rows", type_=sa.Text), sa.JSON))
        .table_valued(*(sa.column(name, table.c[name].type) for name in names))
        .render_derived(name="given", with_types=True)
    )
    insert = cast("sqlite.Insert", postgresql.insert(table)).from_select(names, sa.select(*given.c))
    made = clause(insert).compile(dialect=dialect)
    fixed = {name: bound.value for bound, name in made.bind_names.items() if not bound.required}
    return str(made), fixed


def fetch(conn: Connection, query: sa.Select[Any], values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the driver makes them; it is one that is asked again and again.

    On SQLite a yes or no is 1 or 0.
    """
    text, names, fixed = _question(query, conn.dialect)
    given = {**fixed, **values}
    if conn.dialect.name == "sqlite":
        return straight(conn, text, [given[name] for name in names]).fetchall()
    found = conn.exec_driver_sql(text, tuple([given[name] for name in names]) if names else given)
    assert found.cursor is not None, "a query has rows"
    rows: list[tuple[Any, ...]] = [tuple(row) for row in found.cursor.fetchall()]
    found.close()
    return rows


def straight(conn: Connection, text: str, values: Sequence[Any]) -> sqlite3.Cursor:
    """Hand one statement straight to SQLite; raises ``DBAPIError`` as any other statement does.

    To statements that come with every report SQLAlchemy would add several times what they take.
    """
    raw = conn.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection), "asked for on SQLite alone"
    try:
        return raw.execute(text, values)
    except sqlite3.Error as wrong:
        raise DBAPIError.instance(text, None, wrong, sqlite3.Error) from wrong


@lru_cache(STATEMENTS_KEPT_MAX)
def _question(query: sa.Select[Any], dialect: sa.Dialect) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    """Return a query as the driver reads it, what stands at each place, and what is always the same."""
    made = query.compile(dialect=dialect)
    fixed = {name: bound.value for bound, name in made.bind_names.items() if not bound.required}
    return str(made), tuple(made.positiontup or ()), fixed


def over(table: sa.Table, names: Iterable[str], only: Only | None = None, keys: Sequence[str] = ()) -> Clause:
    """Return the clause that puts these columns over those of a row that is there already.

    Two rows are the same where their ``keys`` are, as a rule the primary key. ``only`` is given the new row
    and says whether the old one gives way.
    """
    same = list(keys) or [one.name for one in table.primary_key]
    found = tuple(names)

    def clause(insert: sqlite.Insert) -> sqlite.Insert:
        new = insert.excluded
        where = only(new) if only else None
        values = {name: new[name] for name in found}
        return insert.on_conflict_do_update(index_elements=same, set_=values, where=where)

    return clause
