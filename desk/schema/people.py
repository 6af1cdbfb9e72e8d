"""People, and what keeps messages from them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import flag, key, metadata, moment, text

person: Final = sa.Table(
    "person",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    text("customer"),
    text("name"),
    text("language"),
    text("zone"),
    text("quiet"),
    text("team"),
    flag("gone"),
    sa.UniqueConstraint("email", "team"),
)

opt_out: Final = sa.Table(
    "opt_out",
    metadata,
    key("person", "person.id"),
    sa.Column("service", sa.Text, primary_key=True),
    moment("at_ms"),
)

# What mail servers reported of people's addresses, and who is not written to because of it.
bounce: Final = sa.Table(
    "bounce",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("person", sa.Integer, sa.ForeignKey("person.id"), nullable=False, index=True),
    moment("at_ms"),
    text("weight"),
    text("status"),
    text("text"),
    sa.Index("bounce_by_time", "at_ms"),
)

suppressed: Final = sa.Table(
    "suppressed",
    metadata,
    key("person", "person.id"),
    moment("since_ms"),
    text("because"),
)
