"""Incidents: what they are made of, what was said of them, whom they touch, and what people changed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import flag, key, metadata, moment, text, unchecked

incident: Final = sa.Table(
    "incident",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("ref", sa.Text, nullable=False, unique=True),
    text("service"),
    text("impact"),
    text("first_impact"),
    text("state"),
    moment("opened_ms"),
    moment("onset_ms"),
    moment("noticed_ms"),
    moment("healed_ms"),
    moment("verified_ms"),
    moment("told_ms"),
    moment("escalated_ms"),
    moment("resolved_ms"),
    moment("next_update_ms"),
    moment("said_ms"),
    moment("lost_ms"),
    flag("healed_silently"),
    text("scope_refused"),
    text("escalation"),
    text("reason"),
    sa.Column("numbers", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Index(
        "incident_one_open",
        "service",
        unique=True,
        sqlite_where=sa.text("resolved_ms = 0"),
        postgresql_where=sa.text("resolved_ms = 0"),
    ),
    sa.Index("incident_by_opening", "opened_ms"),
    sa.Index("incident_by_end", "resolved_ms"),
)

incident_alert: Final = sa.Table(
    "incident_alert",
    metadata,
    key("incident", "incident.id"),
    sa.Column("alert", sa.Text, primary_key=True),
    moment("starts_ms"),
    text("snapshot"),  # the alert as it ended, once the incident is closed
    text("likeness"),  # what decisions read of it besides its times
    sa.Column("speaks", sa.Integer, nullable=False, server_default=sa.text("1")),  # for all that are alike
    sa.Index("incident_alert_by_alert", "alert"),
    sa.Index("incident_alert_by_likeness", "incident", "likeness"),
    sa.Index(
        "incident_alert_speaking",
        "incident",
        sqlite_where=sa.text("speaks > 0"),
        postgresql_where=sa.text("speaks > 0"),
    ),
)

update: Final = sa.Table(
    "incident_update",
    metadata,
    key("incident", "incident.id"),
    key("number"),
    moment("at_ms"),
    text("state"),
    text("impact"),
    text("texts"),  # by language
    text("reason"),
)

audience: Final = sa.Table(
    "audience",
    metadata,
    key("incident", "incident.id"),
    key("person", "person.id"),
    text("grade"),
    text("why"),
    text("reason"),
    sa.Column("notice", sa.Integer, nullable=False),  # the first notice that is meant for this person
    # Where that is another incident's, the last number that was taken when this person came over from it.
    sa.Column("since_number", sa.Integer, nullable=False, server_default=sa.text("0")),
)
unchecked(audience)

# What correlation knows of an incident besides its own row: where it comes from, whether it comes and goes,
# what became of it by hand, and which fields people set, so that automation leaves them alone.
incident_more: Final = sa.Table(
    "incident_more",
    metadata,
    key("incident", "incident.id"),
    sa.Column("cause", sa.Integer, nullable=False, server_default=sa.text("0")),
    text("path"),  # of services, to the cause
    moment("reopened_ms"),
    moment("unstable_ms"),
    sa.Column("merged_into", sa.Integer, nullable=False, server_default=sa.text("0")),
    text("closed_by"),
    flag("backfilled"),
    text("hand"),
)

# Every change that a person made, with the words of before and after.
incident_edit: Final = sa.Table(
    "incident_edit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("incident", sa.Integer, sa.ForeignKey("incident.id"), nullable=False, index=True),
    moment("at_ms"),
    text("by"),
    text("what"),
    text("before"),
    text("after"),
    text("because"),
)

# Alerts that make no incident of their own, since another one accounts for them.
echo: Final = sa.Table(
    "echo",
    metadata,
    key("incident", "incident.id"),
    sa.Column("alert", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    text("kind"),
    text("path"),
    text("impact"),
    moment("since_ms"),
    moment("ended_ms"),
    text("likeness"),  # what its audience depends on
    sa.Column("speaks", sa.Integer, nullable=False, server_default=sa.text("1")),  # for all that are alike
    sa.Index("echo_by_end", "ended_ms"),
    sa.Index("echo_by_alert", "alert"),
    sa.Index("echo_by_likeness", "incident", "service", "likeness"),
    sa.Index(
        "echo_speaking",
        "incident",
        sqlite_where=sa.text("speaks > 0 AND ended_ms = 0"),
        postgresql_where=sa.text("speaks > 0 AND ended_ms = 0"),
    ),
)

# When the trouble of a service came and went, as far back as it matters.
service_turn: Final = sa.Table(
    "service_turn",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    text("service"),
    moment("at_ms"),
    flag("came"),
    sa.Index("turn_by_service", "service", "at_ms"),
)
