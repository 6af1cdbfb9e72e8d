"""What came after version 3: each room's tables in a function of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make them."""
    _make_plans()
    _make_sequels()
    _free_large_tables()
    _make_ways()
    _make_seen()
    _make_lost_ways_and_canaries()
    _make_speakers()
    _make_speaking_echoes()
    _make_judged()
    _make_forecasts()
    _make_staff()


_UNCHECKED = (
    ("delivery_log", "notice"),
    ("delivery_log", "person"),
    ("audience", "incident"),
    ("audience", "person"),
    ("ledger", "incident"),
)


def _free_large_tables() -> None:
    """Let a server take rows of large tables without asking for each whether what it names is there."""
    if op.get_bind().dialect.name == "postgresql":
        for table, column in _UNCHECKED:
            op.drop_constraint(f"{table}_{column}_fkey", table, type_="foreignkey")


def _make_plans() -> None:
    """Make room for first notices that are planned page by page."""
    op.create_table(
        "notice_plan",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("again", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("signals", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("incident"),
    )


def _make_sequels() -> None:
    """Let it be known of everybody before which news they were told, and note summaries page by page."""
    for table, name in (("delivery_log", "after_number"), ("audience", "since_number")):
        op.add_column(table, sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "digest_plan",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("after", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("incident"),
    )


def _make_speakers() -> None:
    """Make room for what alerts of an incident are like, and which of them speak; at first all do."""
    table = "incident_alert"
    op.add_column(table, sa.Column("likeness", sa.Text(), server_default="", nullable=False))
    op.add_column(table, sa.Column("speaks", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_index("incident_alert_by_alert", table, ["alert"], unique=False)
    op.create_index("incident_alert_by_likeness", table, ["incident", "likeness"], unique=False)
    speaking = sa.text("speaks > 0")
    op.create_index(
        "incident_alert_speaking",
        table,
        ["incident"],
        unique=False,
        sqlite_where=speaking,
        postgresql_where=speaking,
    )


def _make_speaking_echoes() -> None:
    """Make room for which of the alerts speak that another incident accounts for; at first all do."""
    table = "echo"
    op.add_column(table, sa.Column("likeness", sa.Text(), server_default="", nullable=False))
    op.add_column(table, sa.Column("speaks", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_index("echo_by_alert", table, ["alert"], unique=False)
    op.create_index("echo_by_likeness", table, ["incident", "service", "likeness"], unique=False)
    speaking = sa.text("speaks > 0 AND ended_ms = 0")
    op.create_index(
        "echo_speaking",
        table,
        ["incident"],
        unique=False,
        sqlite_where=speaking,
        postgresql_where=speaking,
    )


def _make_judged() -> None:
    """Make room for the grounds on which alerts are kept quiet."""
    for table in ("muted", "under_work"):
        op.add_column(table, sa.Column("judged", sa.Text(), server_default="", nullable=False))
        op.create_index(f"{table}_by_judgement", table, ["judged"], unique=False)


def _make_ways() -> None:
    """Make what people are told by beside mail."""
    op.add_column("leaflet_log", sa.Column("channel", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "way",
        sa.Column("person", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"]),
        sa.PrimaryKeyConstraint("person", "channel"),
    )
    op.create_table(
        "notice_event",
        sa.Column("notice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event", sa.Text(), server_default="", nullable=False),
        sa.Column("next_way_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("heard", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["notice"], ["notice.id"]),
        sa.PrimaryKeyConstraint("notice"),
    )


def _make_seen() -> None:
    """Make who knows of an incident, and who was told in somebody's place."""
    op.create_table(
        "seen",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.ForeignKeyConstraint(["person"], ["person.id"]),
        sa.PrimaryKeyConstraint("incident", "person"),
    )
    op.create_table(
        "stand_in",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.ForeignKeyConstraint(["person"], ["person.id"]),
        sa.PrimaryKeyConstraint("incident", "customer"),
    )


def _make_lost_ways_and_canaries() -> None:
    """Make the ways that are gone, and the canaries that test each."""
    op.create_table(
        "lost_way",
        sa.Column("person", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("since_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"]),
        sa.PrimaryKeyConstraint("person", "channel"),
    )
    op.create_table(
        "canary",
        sa.Column("channel", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for name in ("sent_ms", "waits_ms", "heard_ms", "took_ms", "silent_ms")
        ),
        sa.Column("reply", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )


def _make_forecasts() -> None:
    """Make what is expected of services, and room for a calendar beside a letter."""
    op.create_table(
        "forecast",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("impact", sa.Text(), server_default="", nullable=False),
        sa.Column("expected_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chance", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("came", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("calm_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("over_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("people", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("needs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("forecast_by_service", "forecast", ["service", "over_ms"], unique=False)
    op.create_table(
        "forecast_alert",
        sa.Column("forecast", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("said_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["forecast"], ["forecast.id"]),
        sa.PrimaryKeyConstraint("forecast", "alert"),
    )
    op.create_table(
        "forecast_release",
        sa.Column("forecast", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["forecast"], ["forecast.id"]),
        sa.PrimaryKeyConstraint("forecast", "by"),
    )
    op.add_column("leaflet_letter", sa.Column("calendar", sa.Text(), server_default="", nullable=False))


def _make_staff() -> None:
    """Make what is known of who acts: tokens in use, links that release, and what was only claimed."""
    op.create_table(
        "staff_use",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_table(
        "release_link",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("notice", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), server_default="", nullable=False)
            for name in ("email", "name", "zone", "state")
        ),
        sa.Column("made_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reply", sa.Text(), server_default="", nullable=False),
        sa.Column("used_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["notice"], ["notice.id"]),
        sa.PrimaryKeyConstraint("token"),
        sa.UniqueConstraint("notice", "email"),
    )
    op.create_index("ix_release_link_notice", "release_link", ["notice"], unique=False)
    op.create_index("release_link_by_time", "release_link", ["state", "due_ms"], unique=False)
    op.create_table(
        "lifting",
        sa.Column("id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), server_default="", nullable=False)
            for name in ("email", "channel", "because", "by")
        ),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("lifting_by_time", "lifting", ["at_ms"], unique=False)
    op.add_column("silence", sa.Column("ended_by", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "plan_word",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("plan", "person"),
    )
    op.add_column("notice_release", sa.Column("person", sa.Text(), server_default="", nullable=False))
    op.add_column("report", sa.Column("proven", sa.Boolean(), server_default=sa.false(), nullable=False))
