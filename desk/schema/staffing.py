"""Who of the staff did what, known by a token or by a link of one's own."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import metadata, moment, text

# When each token was used last, to the minute; the tokens themselves stand in a file.
staff_use: Final = sa.Table(
    "staff_use", metadata, sa.Column("token", sa.Text, primary_key=True), moment("used_ms")
)

# One person's link by which a held notice goes: of the token only its SHA-256 is here.
release_link: Final = sa.Table(
    "release_link",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("notice", sa.Integer, sa.ForeignKey("notice.id"), nullable=False, index=True),
    text("email"),
    text("name"),
    text("zone"),
    text("state"),
    moment("made_ms"),
    moment("due_ms"),
    sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("at_ms"),
    text("reply"),
    moment("used_ms"),
    sa.UniqueConstraint("notice", "email"),
    sa.Index("release_link_by_time", "state", "due_ms"),
)

# Who had addresses written to again that had been left out, and why they had been.
lifting: Final = sa.Table(
    "lifting",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    text("email"),
    text("channel"),
    text("because"),
    text("by"),
    moment("at_ms"),
    sa.Index("lifting_by_time", "at_ms"),
)

# Who said that planned work may be announced to so many; ``plan`` is the SHA-256 of all that was planned.
plan_word: Final = sa.Table(
    "plan_word",
    metadata,
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, primary_key=True),
    text("by"),
    moment("at_ms"),
)
