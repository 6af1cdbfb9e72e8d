"""Alerts as they were heard, who says them, and what is not to be heard of."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import flag, metadata, moment, text

alert: Final = sa.Table(
    "alert",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    text("labels"),
    text("annotations"),
    text("source"),
    moment("starts_ms"),
    moment("ends_ms"),
    moment("updated_ms"),
    flag("guessed"),
    flag("over"),
    sa.Index("alert_by_end", "ends_ms"),
)

# Which services are shown as unknown because an alert of unknown impact touches them.
doubt: Final = sa.Table(
    "doubt",
    metadata,
    sa.Column("alert", sa.Text, sa.ForeignKey("alert.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
)

agent: Final = sa.Table(
    "agent",
    metadata,
    sa.Column("instance", sa.Text, primary_key=True),
    moment("heard_ms"),
    moment("lease_ms"),
)

# Agents that fell silent, and when they were last heard.
silent_agent: Final = sa.Table(
    "silent_agent",
    metadata,
    sa.Column("instance", sa.Text, primary_key=True),
    moment("since_ms"),
)

# The hosts of a service, by what their agents say of themselves.
member: Final = sa.Table(
    "member",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, primary_key=True),
    moment("heard_ms"),
)

# Which hosts are being worked on by a playbook; a lease that was given back or ran out is no more.
lease: Final = sa.Table(
    "lease",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, primary_key=True),
    text("playbook"),
    moment("granted_ms"),
    moment("until_ms"),
    sa.Index("lease_by_end", "until_ms"),
)

# Which alerts somebody asked to hear nothing of.
silence: Final = sa.Table(
    "silence",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    text("matchers"),
    moment("starts_ms"),
    moment("ends_ms"),
    moment("updated_ms"),
    text("created_by"),
    text("comment"),
    text("annotations"),
    text("ended_by"),  # who ended it before its time, empty where nobody did or nobody was known
    sa.Index("silence_by_end", "ends_ms"),
)

# Alerts that fire and that a silence keeps quiet: looked at again when it ends.
muted: Final = sa.Table(
    "muted",
    metadata,
    sa.Column("alert", sa.Text, sa.ForeignKey("alert.key", ondelete="CASCADE"), primary_key=True),
    text("judged"),  # a digest of the silences by which it was found to be quiet
    sa.Index("muted_by_judgement", "judged"),
)
