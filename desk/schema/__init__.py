"""The tables of the desk, in the form that SQLite and PostgreSQL share.

Times are ms since 1970 in UTC, 0 where a moment is not reached; structured texts are JSON.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.alerts import agent, alert, doubt, lease, member, muted, silence, silent_agent
from desk.schema.asking import ask, ask_audit, ask_grant, ask_link, evidence
from desk.schema.columns import metadata, text
from desk.schema.foretold import forecast, forecast_alert, forecast_release
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
    notice_plan,
    notice_release,
)
from desk.schema.people import bounce, opt_out, person, suppressed
from desk.schema.planned import (
    digest_line,
    digest_plan,
    leaflet,
    leaflet_letter,
    leaflet_log,
    maintenance,
    maintenance_word,
    under_work,
)
from desk.schema.staffing import lifting, plan_word, release_link, staff_use
from desk.schema.told import ledger, ledger_forgotten, report
from desk.schema.ways import canary, lost_way, notice_event, seen, stand_in, way

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
    "canary",
    "chunk",
    "delivery_log",
    "delivery_retry",
    "digest_line",
    "digest_plan",
    "doubt",
    "echo",
    "evidence",
    "forecast",
    "forecast_alert",
    "forecast_release",
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
    "lifting",
    "lost_way",
    "maintenance",
    "maintenance_word",
    "member",
    "meta",
    "metadata",
    "muted",
    "notice",
    "notice_charge",
    "notice_event",
    "notice_hold",
    "notice_plan",
    "notice_release",
    "opt_out",
    "person",
    "plan_word",
    "release_link",
    "report",
    "seen",
    "service_turn",
    "silence",
    "silent_agent",
    "staff_use",
    "stand_in",
    "suppressed",
    "under_work",
    "update",
    "way",
]

VERSION: Final = 4

# Which of desk/migrations the tables have been through.
alembic_version: Final = sa.Table(
    "alembic_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True)
)

meta: Final = sa.Table("meta", metadata, sa.Column("key", sa.Text, primary_key=True), text("value"))
