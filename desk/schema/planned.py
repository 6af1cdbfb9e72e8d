"""Planned work, and letters that belong to no incident."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import key, metadata, moment, text

# Planned work; ``spec`` is what it is, as JSON, and the moments say how far it is.
maintenance: Final = sa.Table(
    "maintenance",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    text("source"),
    text("spec"),
    moment("start_ms"),
    moment("end_ms"),
    moment("announced_ms"),
    moment("changed_ms"),
    sa.Column("sequence", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("begun_ms"),
    moment("done_ms"),
    moment("completed_ms"),
    moment("cancelled_ms"),
    text("by"),
    sa.Index("maintenance_by_end", "end_ms"),
)

# What was said of planned work, once for each change of its times.
maintenance_word: Final = sa.Table(
    "maintenance_word",
    metadata,
    sa.Column("maintenance", sa.Text, sa.ForeignKey("maintenance.id", ondelete="CASCADE"), primary_key=True),
    key("sequence"),
    sa.Column("kind", sa.Text, primary_key=True),
    moment("at_ms"),
)

# Alerts that fire while planned work explains them: looked at again when it ends.
under_work: Final = sa.Table(
    "under_work",
    metadata,
    sa.Column("alert", sa.Text, sa.ForeignKey("alert.key", ondelete="CASCADE"), primary_key=True),
    text("judged"),  # a digest of the work and the catalogue by which it was found to be explained
    sa.Index("under_work_by_judgement", "judged"),
)

# Letters that belong to no incident, each to a list of people.
leaflet: Final = sa.Table(
    "leaflet",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    text("about"),
    text("kind"),
    text("services"),
    moment("created_ms"),
    moment("expires_ms"),
    sa.Index("leaflet_by_about", "about"),
)

leaflet_letter: Final = sa.Table(
    "leaflet_letter",
    metadata,
    sa.Column("leaflet", sa.Integer, sa.ForeignKey("leaflet.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("language", sa.Text, primary_key=True),
    sa.Column("zone", sa.Text, primary_key=True),
    text("subject"),
    text("text"),
    text("html"),
    text("calendar"),
)

leaflet_log: Final = sa.Table(
    "leaflet_log",
    metadata,
    sa.Column("leaflet", sa.Integer, sa.ForeignKey("leaflet.id", ondelete="CASCADE"), primary_key=True),
    key("person", "person.id"),
    text("state"),
    moment("due_ms"),
    sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("at_ms"),
    moment("accepted_ms"),
    text("reply"),
    text("channel"),
    sa.Index("leaflet_by_time", "state", "due_ms"),
    sa.Index("leaflet_by_person", "person"),
)

# What somebody is to read in the next summary.
digest_line: Final = sa.Table(
    "digest_line",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("person", sa.Integer, sa.ForeignKey("person.id"), nullable=False),
    sa.Column("incident", sa.Integer, sa.ForeignKey("incident.id"), nullable=False),
    text("kind"),
    moment("at_ms"),
    moment("due_ms"),
    sa.UniqueConstraint("person", "incident"),
    sa.Index("digest_by_time", "due_ms"),
)

# Incidents that were over before people were told: up to which id it is noted for whoever wants to read it.
digest_plan: Final = sa.Table(
    "digest_plan",
    metadata,
    key("incident", "incident.id"),
    sa.Column("after", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("at_ms"),
)
