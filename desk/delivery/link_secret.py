"""What signs the desk's links and what it posts to hooks: made once, kept in the state or in the tables."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.channels.webhook import secret_of, shown
from desk.config import Config, database_password
from desk.store.backing import on_server
from desk.store.store import Store, upsert

SECRET_BYTES: Final = 32


def of_tables(conn: Connection) -> bytes:
    """Return the secret of all desks that share these tables; the first of them makes it."""
    table = schema.meta
    made = upsert(conn, table).values(key="secret", value=secrets.token_hex(SECRET_BYTES))
    conn.execute(made.on_conflict_do_nothing())
    return bytes.fromhex(conn.execute(sa.select(table.c.value).where(table.c.key == "secret")).scalar_one())


def of_file(path: Path) -> bytes:
    """Return the secret in a file, which is made where it is not there, readable by us alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(SECRET_BYTES), encoding="ascii")
    return bytes.fromhex(path.read_text(encoding="ascii"))


def of_desk(store: Store, state: Path) -> bytes:
    """Return the secret of a running desk: all desks of one database have the same."""
    return store.written(of_tables) if store.shared else of_file(state / "secret")


def for_hook(config: Config, state: Path, url: str) -> str:
    """Return what a receiver is given to check what comes to its address, in the form ``whsec_...``."""
    if config.database is None:
        return shown(secret_of(of_file(state / "secret"), url))
    store = Store(on_server(config.database, database_password(config)))
    try:
        return shown(secret_of(store.written(of_tables), url))
    finally:
        store.close()
