"""The tables of the desk, in the form that SQLite and PostgreSQL share.

Times are ms since 1970 in UTC, 0 where a moment is not reached; structured texts are JSON.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION: Final = 2

metadata: Final = MetaData()


def _moment(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("0"))


def _key(name: str, of: str | None = None) -> Column[int]:
    return Column(name, Integer, *((ForeignKey(of),) if of else ()), primary_key=True, autoincrement=False)


meta: Final = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value"))

alert: Final = Table(
    "alert",
    metadata,
    Column("key", Text, primary_key=True),
    _text("labels"),
    _text("annotations"),
    _text("source"),
    _moment("starts_ms"),
    _moment("ends_ms"),
    _moment("updated_ms"),
    _flag("guessed"),
    _flag("over"),
    Index("alert_by_end", "ends_ms"),
)

# Which services are shown as unknown because an alert of unknown impact touches them.
doubt: Final = Table(
    "doubt",
    metadata,
    Column("alert", Text, ForeignKey("alert.key", ondelete="CASCADE"), primary_key=True),
    Column("service", Text, primary_key=True),
)

agent: Final = Table(
    "agent",
    metadata,
    Column("instance", Text, primary_key=True),
    _moment("heard_ms"),
    _moment("lease_ms"),
)

# The hosts of a service, by what their agents say of themselves.
member: Final = Table(
    "member",
    metadata,
    Column("service", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    _moment("heard_ms"),
)

# Which hosts are being worked on by a playbook; a lease that was given back or ran out is no more.
lease: Final = Table(
    "lease",
    metadata,
    Column("service", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    _text("playbook"),
    _moment("granted_ms"),
    _moment("until_ms"),
    Index("lease_by_end", "until_ms"),
)

person: Final = Table(
    "person",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text, nullable=False),
    _text("customer"),
    _text("name"),
    _text("language"),
    _text("zone"),
    _text("quiet"),
    _text("team"),
    _flag("gone"),
    UniqueConstraint("email", "team"),
)

opt_out: Final = Table(
    "opt_out",
    metadata,
    _key("person", "person.id"),
    Column("service", Text, primary_key=True),
    _moment("at_ms"),
)

incident: Final = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ref", Text, nullable=False, unique=True),
    _text("service"),
    _text("impact"),
    _text("first_impact"),
    _text("state"),
    _moment("opened_ms"),
    _moment("onset_ms"),
    _moment("noticed_ms"),
    _moment("healed_ms"),
    _moment("verified_ms"),
    _moment("told_ms"),
    _moment("escalated_ms"),
    _moment("resolved_ms"),
    _moment("next_update_ms"),
    _moment("said_ms"),
    _moment("lost_ms"),
    _flag("healed_silently"),
    _text("scope_refused"),
    _text("escalation"),
    _text("reason"),
    Column("numbers", Integer, nullable=False, server_default=text("0")),
    Index(
        "incident_one_open",
        "service",
        unique=True,
        sqlite_where=text("resolved_ms = 0"),
        postgresql_where=text("resolved_ms = 0"),
    ),
    Index("incident_by_opening", "opened_ms"),
)

incident_alert: Final = Table(
    "incident_alert",
    metadata,
    _key("incident", "incident.id"),
    Column("alert", Text, primary_key=True),
    _moment("starts_ms"),
    _text("snapshot"),  # the alert as it ended, once the incident is closed
)

update: Final = Table(
    "incident_update",
    metadata,
    _key("incident", "incident.id"),
    _key("number"),
    _moment("at_ms"),
    _text("state"),
    _text("impact"),
    _text("texts"),  # by language
    _text("reason"),
)

audience: Final = Table(
    "audience",
    metadata,
    _key("incident", "incident.id"),
    _key("person", "person.id"),
    _text("grade"),
    _text("why"),
    _text("reason"),
    Column("notice", Integer, nullable=False),  # the first notice that is meant for this person
)

notice: Final = Table(
    "notice",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("incident", Integer, ForeignKey("incident.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    _text("kind"),
    _text("state"),
    _text("reason"),
    _moment("created_ms"),
    _moment("expires_ms"),
    _flag("urgent"),
    _flag("generic"),
)

letter: Final = Table(
    "letter",
    metadata,
    _key("notice", "notice.id"),
    Column("language", Text, primary_key=True),
    Column("zone", Text, primary_key=True),
    Column("why", Text, primary_key=True),
    _text("subject"),
    _text("text"),
    _text("html"),
)

chunk: Final = Table(
    "chunk",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("notice", Integer, ForeignKey("notice.id"), nullable=False, index=True),
    _text("channel"),
    Column("low", Integer, nullable=False),
    Column("high", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    _text("state"),
    _text("owner"),
    _moment("lease_ms"),
    _moment("not_before_ms"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Index("chunk_by_time", "state", "not_before_ms"),
)

delivery_log: Final = Table(
    "delivery_log",
    metadata,
    _key("notice", "notice.id"),
    _key("person", "person.id"),
    Column("channel", Text, primary_key=True),
    _text("message_id"),
    _text("state"),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    _moment("at_ms"),
    _moment("accepted_ms"),
    _text("reply"),
)

delivery_retry: Final = Table(
    "delivery_retry",
    metadata,
    _key("notice", "notice.id"),
    _key("person", "person.id"),
    Column("channel", Text, primary_key=True),
    _moment("due_ms"),
    _moment("expires_ms"),
    Index("retry_by_time", "due_ms"),
)
