"""What playbooks ask people, what these answer, and what was gathered before anything was changed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import flag, key, metadata, moment, text

# What a playbook asks leave for, as its agent told it; that nobody could be asked stands in ``trouble``.
ask: Final = sa.Table(
    "ask",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    text("alert"),
    text("service"),
    text("host"),
    text("playbook"),
    text("plan"),
    text("risk"),
    sa.Column("needs", sa.Integer, nullable=False),
    moment("asked_ms"),
    moment("until_ms"),
    moment("heard_ms"),
    text("because"),
    text("steps"),
    text("trouble"),
    moment("ended_ms"),  # when people had said enough
    sa.Index("ask_by_alert", "alert"),
    sa.Index("ask_by_time", "heard_ms"),
)

# One person's link: of the token only its SHA-256 is here; its letter is written anew for each try.
ask_link: Final = sa.Table(
    "ask_link",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("ask", sa.Text, sa.ForeignKey("ask.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("person", sa.Integer, sa.ForeignKey("person.id"), nullable=False),
    text("state"),
    moment("due_ms"),
    sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("at_ms"),
    text("reply"),
    moment("used_ms"),
    sa.UniqueConstraint("ask", "person"),
    sa.Index("ask_link_by_time", "state", "due_ms"),
)

# What people answered, sealed, for the agents of these hosts to fetch.
ask_grant: Final = sa.Table(
    "ask_grant",
    metadata,
    sa.Column("ask", sa.Text, sa.ForeignKey("ask.id", ondelete="CASCADE"), primary_key=True),
    key("person", "person.id"),
    text("host"),
    text("playbook"),
    text("plan"),
    text("by"),
    flag("yes"),
    moment("at_ms"),
    moment("until_ms"),
    text("seal"),
    sa.Index("ask_grant_by_host", "host", "until_ms"),
)

# Who asked and answered, and every use of a link that is not or no longer one.
ask_audit: Final = sa.Table(
    "ask_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    moment("at_ms"),
    text("ask"),
    sa.Column("person", sa.Integer, nullable=False, server_default=sa.text("0")),
    text("what"),
    text("note"),
    sa.Index("ask_audit_by_time", "at_ms"),
)

# What playbooks wrote down before they changed anything; for staff alone.
evidence: Final = sa.Table(
    "evidence",
    metadata,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    key("number"),
    text("alert"),
    text("playbook"),
    text("name"),
    text("text"),
    flag("truncated"),
    moment("started_ms"),
    moment("heard_ms"),
    sa.Index("evidence_by_alert", "alert", "started_ms"),
    sa.Index("evidence_by_time", "heard_ms"),
)
