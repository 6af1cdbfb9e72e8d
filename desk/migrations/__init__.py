"""How the tables came to be as they are: one step for each version of the store, carried out by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from desk import schema

SCRIPTS: Final = Path(__file__).parent


def revision(version: int) -> str:
    """Return what Alembic calls a version of the store."""
    return f"{version:04}"


def stamp(conn: Connection, version: int) -> None:
    """Write down that the tables are those of a version."""
    table = schema.alembic_version
    conn.execute(table.delete())
    conn.execute(table.insert().values(version_num=revision(version)))


def upgrade(conn: Connection, found: int) -> None:
    """Bring the tables of an earlier version, 0 for none, to this one, in the connection's transaction."""
    # Alembic costs 40 MB and half a second, so only a store of an earlier version loads it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    schema.alembic_version.create(conn, checkfirst=True)
    if found:
        stamp(conn, found)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, revision(schema.VERSION))
