"""The tables of the desk, in the form that SQLite and PostgreSQL share.

Times are ms since 1970 in UTC, 0 where a moment is not reached; structured texts are JSON.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.alerts import agent, alert, doubt, lease, member, muted, silence, silent_agent
from desk.schema.asking import ask, ask_audit, ask_grant, ask_link, evidence
from desk.schema.columns import metadata, text
from desk.schema.incidents import (
    audience,
    echo,
    incident,
    incident_alert,
    incident_edit,
    incident_more,
    service_turn,
    update,
)
from desk.schema.notices import (
    batch,
    chunk,
    delivery_log,
    delivery_retry,
    letter,
    notice,
    notice_charge,
    notice_hold,
    notice_release,
)
from desk.schema.people import bounce, opt_out, person, suppressed
from desk.schema.planned import (
    digest_line,
    leaflet,
    leaflet_letter,
    leaflet_log,
    maintenance,
    maintenance_word,
    under_work,
)
from desk.schema.told import ledger, ledger_forgotten, report

__all__ = [
    "VERSION",
    "agent",
    "alembic_version",
    "alert",
    "ask",
    "ask_audit",
    "ask_grant",
    "ask_link",
    "audience",
    "batch",
    "bounce",
    "chunk",
    "delivery_log",
    "delivery_retry",
    "digest_line",
    "doubt",
    "echo",
    "evidence",
    "incident",
    "incident_alert",
    "incident_edit",
    "incident_more",
    "leaflet",
    "leaflet_letter",
    "leaflet_log",
    "lease",
    "ledger",
    "ledger_forgotten",
    "letter",
    "maintenance",
    "maintenance_word",
    "member",
    "meta",
    "metadata",
    "muted",
    "notice",
    "notice_charge",
    "notice_hold",
    "notice_release",
    "opt_out",
    "person",
    "report",
    "service_turn",
    "silence",
    "silent_agent",
    "suppressed",
    "under_work",
    "update",
]

VERSION: Final = 4

# Which of desk/migrations the tables have been through.
alembic_version: Final = sa.Table(
    "alembic_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True)
)

meta: Final = sa.Table("meta", metadata, sa.Column("key", sa.Text, primary_key=True), text("value"))
