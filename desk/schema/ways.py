"""By which ways people are told beside mail, what they have seen, and the canaries that test each way."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import key, metadata, moment, text

# The ways of those who are told otherwise than by mail alone, in their order; ``rung`` 0 comes first.
# Who has no row here is told by mail.
way: Final = sa.Table(
    "way",
    metadata,
    key("person", "person.id"),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("rung", sa.Integer, nullable=False),
    text("address"),
)

# What a notice says, for programs, and after how long the next way of its people is tried, 0 for never;
# ``heard`` says to whom it goes of those who were told before.
notice_event: Final = sa.Table(
    "notice_event",
    metadata,
    key("notice", "notice.id"),
    text("event"),
    moment("next_way_ms"),
    text("heard"),
)

# Who said of an incident that they know of it.
seen: Final = sa.Table(
    "seen",
    metadata,
    key("incident", "incident.id"),
    key("person", "person.id"),
    moment("at_ms"),
)

# Who is told in the place of a customer's people, whom nobody can reach.
stand_in: Final = sa.Table(
    "stand_in",
    metadata,
    key("incident", "incident.id"),
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("person", sa.Integer, sa.ForeignKey("person.id"), nullable=False),
    text("reason"),
    moment("at_ms"),
)

# Addresses beside mail that said that nobody takes anything there; another address there is not meant.
lost_way: Final = sa.Table(
    "lost_way",
    metadata,
    key("person", "person.id"),
    sa.Column("channel", sa.Text, primary_key=True),
    text("address"),
    moment("since_ms"),
    text("because"),
)

# The canary of each channel: when it was last sent and came back, and since when one is waited for.
canary: Final = sa.Table(
    "canary",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    moment("sent_ms"),
    moment("waits_ms"),
    moment("heard_ms"),
    moment("took_ms"),
    moment("silent_ms"),
    text("reply"),
)
