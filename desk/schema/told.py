"""The told-first ledger, to which only new rows come, and what people told us."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import flag, key, metadata, moment, text, unchecked

# Told first: what happened when, one row per event; person 0 means everybody whom the notice is for, and
# notice 0 the incident itself. Only new rows come to it: see the guards below.
ledger: Final = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("incident", sa.Integer, sa.ForeignKey("incident.id"), nullable=False),
    sa.Column("notice", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("person", sa.Integer, nullable=False, server_default=sa.text("0")),
    text("event"),
    moment("at_ms"),
    moment("heard_ms"),
    text("note"),
    sa.Index("ledger_by_incident", "incident", "event", "person"),
    sa.Index(
        "ledger_told_once",
        "incident",
        "person",
        unique=True,
        sqlite_where=sa.text("event = 'accepted'"),
        postgresql_where=sa.text("event = 'accepted'"),
    ),
)
unchecked(ledger)

# Incidents whose rows may leave the ledger, all of them together.
ledger_forgotten: Final = sa.Table(
    "ledger_forgotten", metadata, key("incident", "incident.id"), moment("at_ms")
)

# What people told us; person 0 is somebody who gave no name, incident 0 that none was known. Whether the
# sender was proven, by a gateway with a token, or only claimed to be that person, stands in ``proven``.
report: Final = sa.Table(
    "report",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("person", sa.Integer, nullable=False, server_default=sa.text("0")),
    text("service"),
    text("kind"),
    text("intake"),
    text("text"),
    moment("received_ms"),
    sa.Column("incident", sa.Integer, nullable=False, server_default=sa.text("0")),
    flag("proven"),
    sa.Index("report_by_time", "received_ms"),
    sa.Index("report_by_incident", "incident"),
)

_GUARDS: Final = {
    "sqlite": (
        (
            "CREATE TRIGGER IF NOT EXISTS ledger_is_never_changed BEFORE UPDATE ON ledger"
            " BEGIN SELECT RAISE(ABORT, 'the ledger is never changed'); END"
        ),
        (
            "CREATE TRIGGER IF NOT EXISTS ledger_is_never_shortened BEFORE DELETE ON ledger"
            " WHEN OLD.incident NOT IN (SELECT incident FROM ledger_forgotten)"
            " BEGIN SELECT RAISE(ABORT, 'the ledger forgets whole incidents only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION ledger_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF TG_OP = 'DELETE' THEN"
            " IF OLD.incident IN (SELECT incident FROM ledger_forgotten) THEN RETURN OLD; END IF;"
            " RAISE EXCEPTION 'the ledger forgets whole incidents only'; END IF;"
            " RAISE EXCEPTION 'the ledger is never changed'; END $$"
        ),
        (
            "CREATE OR REPLACE TRIGGER ledger_is_never_changed BEFORE UPDATE OR DELETE ON ledger"
            " FOR EACH ROW EXECUTE FUNCTION ledger_guard()"
        ),
        (
            "CREATE OR REPLACE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON ledger"
            " EXECUTE FUNCTION ledger_guard()"
        ),
    ),
}


def _guard(_: sa.MetaData, conn: sa.Connection, **_of: object) -> None:
    for statement in _GUARDS[conn.dialect.name]:
        conn.exec_driver_sql(statement)


sa.event.listen(metadata, "after_create", _guard)
