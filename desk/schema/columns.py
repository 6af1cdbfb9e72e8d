"""What the tables are made of: the few kinds of columns, and the whole that they belong to."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()


def moment(name: str) -> sa.Column[int]:
    """Return a column for a time in ms since 1970 in UTC, 0 where it is not reached."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def text(name: str) -> sa.Column[str]:
    """Return a column for a text, empty at first."""
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def flag(name: str) -> sa.Column[bool]:
    """Return a column for a yes or no, no at first."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def key(name: str, of: str | None = None) -> sa.Column[int]:
    """Return a column that is, or is part of, a key; ``of`` is the column that it names."""
    return sa.Column(
        name, sa.Integer, *((sa.ForeignKey(of),) if of else ()), primary_key=True, autoincrement=False
    )


def unchecked(table: sa.Table) -> sa.Table:
    """Return a table of whose rows PostgreSQL does not ask whether what they name is there.

    Such a row is made of those that it names, which nobody deletes; to ask costs more than to write it. A
    file of SQLite keeps its keys, for it would have to be written anew without them.
    """
    for one in table.foreign_key_constraints:
        one.ddl_if(dialect="sqlite")
    return table
