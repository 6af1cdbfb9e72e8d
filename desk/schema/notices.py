"""Notices on their way: planned, held, cut into chunks, tried, and charged."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import flag, key, metadata, moment, text, unchecked

notice: Final = sa.Table(
    "notice",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("incident", sa.Integer, sa.ForeignKey("incident.id"), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    text("kind"),
    text("state"),
    text("reason"),
    moment("created_ms"),
    moment("expires_ms"),
    flag("urgent"),
    flag("generic"),
)

letter: Final = sa.Table(
    "letter",
    metadata,
    key("notice", "notice.id"),
    sa.Column("language", sa.Text, primary_key=True),
    sa.Column("zone", sa.Text, primary_key=True),
    sa.Column("why", sa.Text, primary_key=True),
    text("subject"),
    text("text"),
    text("html"),
)

chunk: Final = sa.Table(
    "chunk",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("notice", sa.Integer, sa.ForeignKey("notice.id"), nullable=False, index=True),
    text("channel"),
    sa.Column("low", sa.Integer, nullable=False),
    sa.Column("high", sa.Integer, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    text("state"),
    text("owner"),
    moment("lease_ms"),
    moment("not_before_ms"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Index("chunk_by_time", "state", "not_before_ms"),
)

# ``after_number`` is the last number that the incident had taken when the try was begun.
delivery_log: Final = sa.Table(
    "delivery_log",
    metadata,
    key("notice", "notice.id"),
    key("person", "person.id"),
    sa.Column("channel", sa.Text, primary_key=True),
    text("message_id"),
    text("state"),
    sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("at_ms"),
    moment("accepted_ms"),
    text("reply"),
    sa.Column("after_number", sa.Integer, nullable=False, server_default=sa.text("0")),
)
unchecked(delivery_log)

delivery_retry: Final = sa.Table(
    "delivery_retry",
    metadata,
    key("notice", "notice.id"),
    key("person", "person.id"),
    sa.Column("channel", sa.Text, primary_key=True),
    moment("due_ms"),
    moment("expires_ms"),
    sa.Index("retry_by_time", "due_ms"),
)

# Which tries each courier of each desk has in hand, as JSON: who takes over from a dead one finds them here.
batch: Final = sa.Table(
    "batch",
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    moment("taken_ms"),
    text("tries"),
)

# Notices that wait for people to let them go, and who did, proven by a token or by a link of their own.
notice_hold: Final = sa.Table(
    "notice_hold",
    metadata,
    key("notice", "notice.id"),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("needs", sa.Integer, nullable=False),
    text("reason"),
    moment("at_ms"),
    moment("released_ms"),
)

notice_release: Final = sa.Table(
    "notice_release",
    metadata,
    key("notice", "notice.id"),
    sa.Column("by", sa.Text, primary_key=True),
    moment("at_ms"),
    text("person"),  # by whom people are told apart, empty where a name was only claimed
)

# First notices whose people are not all found yet: up to which id they were looked for, and by which alerts.
# ``notice`` is 0 until the first of them is found; ``again`` that those count as new who were never told.
notice_plan: Final = sa.Table(
    "notice_plan",
    metadata,
    key("incident", "incident.id"),
    sa.Column("notice", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("after", sa.Integer, nullable=False, server_default=sa.text("0")),
    flag("again"),
    text("signals"),
    moment("at_ms"),
)

# What a first notice cost the attention of each of its readers, and which rule is to answer for it.
notice_charge: Final = sa.Table(
    "notice_charge",
    metadata,
    key("notice", "notice.id"),
    text("rule"),
    sa.Column("cost", sa.Integer, nullable=False),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("put_off", sa.Integer, nullable=False),
    moment("at_ms"),
    sa.Index("charge_by_time", "at_ms"),
)
