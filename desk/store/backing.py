"""The two databases that a desk can stand on, as the store sees them: a file of its own, or PostgreSQL."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event

from desk.store.bulk import straight
from desk.store.database import Database

_WRITER: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA wal_autocheckpoint=1000",
)
_READER: Final = (
    "PRAGMA busy_timeout=10000",
    "PRAGMA query_only=ON",
    "PRAGMA temp_store=MEMORY",
)
_CONNECT_S: Final = 5
_STATEMENT_MS: Final = 30_000
_WRITERS_LOCK: Final = 0x626668  # of this database alone; any number would do
READERS_MAX: Final = 8
COURIERS_MAX: Final = 8


class Unready(Exception):
    """The database cannot be used; the text says why, and what cures it."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What the store needs of a database.

    ``alone`` is called where a transaction that writes begins: no other desk writes until it ends. ``shared``
    says that other desks may stand on the same database. Where there are ``couriers``, their transactions
    begin with ``together``: they write beside each other, and never beside one that is alone.
    """

    writer: Engine
    readers: Engine
    alone: Callable[[Connection], None]
    shared: bool
    couriers: Engine | None
    together: Callable[[Connection], None]

    def close(self) -> None:
        """Let go of every connection."""
        self.readers.dispose()
        if self.couriers:
            self.couriers.dispose()
        self.writer.dispose()


def in_file(file: Path) -> Backing:
    """Return a database in one SQLite file, for one desk.

    Exactly one connection writes and checkpoints, because SQLite before 3.51.3 can damage its log when two
    do so at once.
    """
    writer, readers = _sqlite(file, _WRITER, "BEGIN IMMEDIATE"), _sqlite(file, _READER, "BEGIN")
    return Backing(writer, readers, _nothing, shared=False, couriers=None, together=_nothing)


def on_server(database: Database, password: str) -> Backing:
    """Return a database on a PostgreSQL server, for any number of desks; may raise ``Unready``."""
    if importlib.util.find_spec("psycopg") is None:
        raise Unready("what speaks to PostgreSQL is not installed; install beforehand[postgres]")
    settings = (
        f"-c statement_timeout={_STATEMENT_MS}"
        f" -c idle_in_transaction_session_timeout={_STATEMENT_MS}"
        " -c synchronous_commit=on"
    )
    more = {"password": password} if password else {}
    arguments: dict[str, Any] = {
        **database.parts(),
        **more,
        "options": f"{settings} -c search_path={database.schema}",
        "connect_timeout": _CONNECT_S,
        "application_name": "beforehand desk",
    }

    def made(size: int) -> Engine:
        return sa.create_engine(
            "postgresql+psycopg://",
            connect_args=arguments,
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=_CONNECT_S,
        )

    readers = made(READERS_MAX).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    couriers = made(COURIERS_MAX)
    return Backing(made(1), readers, _lock, shared=True, couriers=couriers, together=_lock_together)


def _nothing(_: Connection) -> None:
    """Do nothing: BEGIN IMMEDIATE has waited for its turn."""


def _lock(conn: Connection) -> None:
    """Wait until no other desk writes; the lock ends with the transaction."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS_LOCK)))


def _lock_together(conn: Connection) -> None:
    """Wait until no desk writes alone, and keep it from that until the transaction ends.

    PostgreSQL lets nobody pass who waits to be alone, so a stream of couriers does not keep a desk waiting.
    """
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_WRITERS_LOCK)))


def _sqlite(file: Path, settings: tuple[str, ...], begin: str) -> Engine:
    engine = sa.create_engine(f"sqlite:///{file}")

    def connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # the driver begins no transactions behind our back
        for setting in settings:
            raw.execute(setting)

    def begun(conn: Connection) -> None:
        straight(conn, begin, ())

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
