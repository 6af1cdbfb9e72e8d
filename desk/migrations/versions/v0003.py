"""Approvals, evidence, silences, agents that fall silent, and what couriers have in hand."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them."""
    _make_batch()
    _carry_over()
    _make_ask_and_evidence()
    _make_silence_and_ask_grant()
    _make_ask_link_and_muted()
    _make_bounces()
    _make_ledger()
    _make_correlation()
    _notices()


def _make_batch() -> None:
    op.create_table(
        "batch",
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("worker"),
    )


def _make_ask_and_evidence() -> None:
    op.create_table(
        "ask",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("alert", sa.Text(), server_default="", nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("playbook", sa.Text(), server_default="", nullable=False),
        sa.Column("plan", sa.Text(), server_default="", nullable=False),
        sa.Column("risk", sa.Text(), server_default="", nullable=False),
        sa.Column("needs", sa.Integer(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.Column("steps", sa.Text(), server_default="", nullable=False),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ask_by_alert", "ask", ["alert"], unique=False)
    op.create_index("ask_by_time", "ask", ["heard_ms"], unique=False)
    op.create_table(
        "ask_audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ask", sa.Text(), server_default="", nullable=False),
        sa.Column("person", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ask_audit_by_time", "ask_audit", ["at_ms"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alert", sa.Text(), server_default="", nullable=False),
        sa.Column("playbook", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("truncated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("host", "run", "number"),
    )
    op.create_index("evidence_by_alert", "evidence", ["alert", "started_ms"], unique=False)
    op.create_index("evidence_by_time", "evidence", ["heard_ms"], unique=False)


def _make_silence_and_ask_grant() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("matchers", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_by", sa.Text(), server_default="", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("annotations", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("silence_by_end", "silence", ["ends_ms"], unique=False)
    op.create_table(
        "silent_agent",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("instance"),
    )
    op.create_table(
        "ask_grant",
        sa.Column("ask", sa.Text(), nullable=False),
        sa.Column("person", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("playbook", sa.Text(), server_default="", nullable=False),
        sa.Column("plan", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("yes", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seal", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["ask"], ["ask.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["person"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("ask", "person"),
    )
    op.create_index("ask_grant_by_host", "ask_grant", ["host", "until_ms"], unique=False)


def _make_ask_link_and_muted() -> None:
    op.create_table(
        "ask_link",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("ask", sa.Text(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reply", sa.Text(), server_default="", nullable=False),
        sa.Column("used_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["ask"], ["ask.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["person"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("token"),
        sa.UniqueConstraint("ask", "person"),
    )
    op.create_index("ask_link_by_time", "ask_link", ["state", "due_ms"], unique=False)
    op.create_index(op.f("ix_ask_link_ask"), "ask_link", ["ask"], unique=False)
    op.create_table(
        "muted",
        sa.Column("alert", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alert.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert"),
    )


def _notices() -> None:
    """Make planned work, letters of no incident, and what is counted to spare people."""
    _make_maintenance_and_leaflet()
    _make_leaflet_letter_and_notice_hold()
    _make_notice_release_and_digest_line()


def _make_maintenance_and_leaflet() -> None:
    op.create_table(
        "maintenance",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("spec", sa.Text(), server_default="", nullable=False),
        sa.Column("start_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("announced_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sequence", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("done_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancelled_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("maintenance_by_end", "maintenance", ["end_ms"], unique=False)
    op.create_table(
        "maintenance_word",
        sa.Column("maintenance", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["maintenance"], ["maintenance.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("maintenance", "sequence", "kind"),
    )
    op.create_table(
        "under_work",
        sa.Column("alert", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alert.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert"),
    )
    op.create_table(
        "leaflet",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("about", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("services", sa.Text(), server_default="", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("leaflet_by_about", "leaflet", ["about"], unique=False)


def _make_leaflet_letter_and_notice_hold() -> None:
    op.create_table(
        "leaflet_letter",
        sa.Column("leaflet", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("html", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["leaflet"], ["leaflet.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("leaflet", "language", "zone"),
    )
    op.create_table(
        "leaflet_log",
        sa.Column("leaflet", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reply", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["leaflet"], ["leaflet.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["person"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("leaflet", "person"),
    )
    op.create_index("leaflet_by_person", "leaflet_log", ["person"], unique=False)
    op.create_index("leaflet_by_time", "leaflet_log", ["state", "due_ms"], unique=False)
    op.create_table(
        "notice_hold",
        sa.Column("notice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("needs", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("released_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice"],
            ["notice.id"],
        ),
        sa.PrimaryKeyConstraint("notice"),
    )


def _make_notice_release_and_digest_line() -> None:
    op.create_table(
        "notice_release",
        sa.Column("notice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice"],
            ["notice.id"],
        ),
        sa.PrimaryKeyConstraint("notice", "by"),
    )
    op.create_table(
        "notice_charge",
        sa.Column("notice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("cost", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("put_off", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice"],
            ["notice.id"],
        ),
        sa.PrimaryKeyConstraint("notice"),
    )
    op.create_index("charge_by_time", "notice_charge", ["at_ms"], unique=False)
    op.create_table(
        "digest_line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"],
            ["incident.id"],
        ),
        sa.ForeignKeyConstraint(
            ["person"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person", "incident"),
    )
    op.create_index("digest_by_time", "digest_line", ["due_ms"], unique=False)


def _make_correlation() -> None:
    _make_incident_more_and_service_turn()


def _make_incident_more_and_service_turn() -> None:
    op.create_index("incident_by_end", "incident", ["resolved_ms"], unique=False)
    op.create_table(
        "incident_more",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cause", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("reopened_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unstable_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("merged_into", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("backfilled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("hand", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("incident"),
    )
    op.create_table(
        "incident_edit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("before", sa.Text(), server_default="", nullable=False),
        sa.Column("after", sa.Text(), server_default="", nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_incident_edit_incident", "incident_edit", ["incident"], unique=False)
    op.create_table(
        "echo",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("impact", sa.Text(), server_default="", nullable=False),
        sa.Column("since_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("incident", "alert", "service"),
    )
    op.create_index("echo_by_end", "echo", ["ended_ms"], unique=False)
    op.create_table(
        "service_turn",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("came", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("turn_by_service", "service_turn", ["service", "at_ms"], unique=False)


def _make_bounces() -> None:
    op.create_table(
        "bounce",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("weight", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_bounce_person", "bounce", ["person"], unique=False)
    op.create_index("bounce_by_time", "bounce", ["at_ms"], unique=False)
    op.create_table(
        "suppressed",
        sa.Column("person", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"]),
        sa.PrimaryKeyConstraint("person"),
    )


def _make_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=False),
        sa.Column("notice", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("person", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("event", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ledger_by_incident", "ledger", ["incident", "event", "person"], unique=False)
    op.create_index(
        "ledger_told_once",
        "ledger",
        ["incident", "person"],
        unique=True,
        sqlite_where=sa.text("event = 'accepted'"),
        postgresql_where=sa.text("event = 'accepted'"),
    )
    op.create_table(
        "ledger_forgotten",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"]),
        sa.PrimaryKeyConstraint("incident"),
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("intake", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("received_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("incident", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("report_by_time", "report", ["received_ms"], unique=False)
    op.create_index("report_by_incident", "report", ["incident"], unique=False)
    for statement in _GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)


_GUARDS = {
    "sqlite": (
        (
            "CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger"
            " BEGIN SELECT RAISE(ABORT, 'the ledger is never changed'); END"
        ),
        (
            "CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger"
            " WHEN OLD.incident NOT IN (SELECT incident FROM ledger_forgotten)"
            " BEGIN SELECT RAISE(ABORT, 'the ledger forgets whole incidents only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION ledger_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF TG_OP = 'DELETE' THEN"
            " IF OLD.incident IN (SELECT incident FROM ledger_forgotten) THEN RETURN OLD; END IF;"
            " RAISE EXCEPTION 'the ledger forgets whole incidents only'; END IF;"
            " RAISE EXCEPTION 'the ledger is never changed'; END $$"
        ),
        (
            "CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE OR DELETE ON ledger"
            " FOR EACH ROW EXECUTE FUNCTION ledger_guard()"
        ),
        ("CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON ledger EXECUTE FUNCTION ledger_guard()"),
    ),
}


def _carry_over() -> None:
    """Put what was under way when an earlier version ended into a batch, to be taken up as in doubt."""
    text, number = sa.Text(), sa.Integer()
    log = sa.table(
        "delivery_log",
        *(sa.column(name, number) for name in ("notice", "person", "tries")),
        sa.column("channel", text),
        sa.column("state", text),
    )
    notice = sa.table("notice", sa.column("id", number), sa.column("expires_ms", sa.BigInteger()))
    under_way = (
        sa.select(log.c.notice, log.c.person, log.c.channel, log.c.tries, notice.c.expires_ms)
        .join(notice, notice.c.id == log.c.notice)
        .where(log.c.state == "sending")
    )
    conn = op.get_bind()
    tries = [
        [row.notice, row.person, row.channel, row.tries, "", row.expires_ms]
        for row in conn.execute(under_way)
    ]
    batch = sa.table("batch", sa.column("worker", text), sa.column("tries", text))
    conn.execute(batch.insert().values(worker="an earlier version", tries=json.dumps(tries)))
