"""What the desk forgets each night: old alerts, evidence and questions, and the words of old notices.

Who was told when is kept for two years, and forgotten by whole incidents.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.alertmanager import silence_book
from desk.delivery import suppression
from desk.feedback import reports
from desk.forecast import book as forecast_book
from desk.ledger import book

DAY_MS: Final = 86_400_000
ALERTS_KEPT_MS: Final = 15 * DAY_MS
LETTERS_KEPT_MS: Final = 90 * DAY_MS
EVIDENCE_KEPT_MS: Final = 15 * DAY_MS
ASKS_KEPT_MS: Final = 90 * DAY_MS
ROWS_MAX: Final = 50_000


def forget(conn: Connection, now_ms: int) -> int:
    """Delete what is past its time, a bounded number of rows; return how many."""
    a, link, i = schema.alert, schema.incident_alert, schema.incident
    in_use = sa.select(link.c.alert).join(i, i.c.id == link.c.incident).where(i.c.resolved_ms == 0)
    old = (
        sa.select(a.c.key)
        .where(a.c.ends_ms < now_ms - ALERTS_KEPT_MS, a.c.key.not_in(in_use))
        .limit(ROWS_MAX)
    )
    alerts = conn.execute(sa.delete(a).where(a.c.key.in_(old))).rowcount
    silence_book.forget(conn, now_ms)
    suppression.forget(conn, now_ms)
    n, letter = schema.notice, schema.letter
    past = sa.select(n.c.id).where(n.c.created_ms < now_ms - LETTERS_KEPT_MS)
    letters = conn.execute(sa.delete(letter).where(letter.c.notice.in_(past))).rowcount
    conn.execute(sa.delete(schema.notice_event).where(schema.notice_event.c.notice.in_(past)))
    return int(alerts) + int(letters) + _forget_healing(conn, now_ms) + _forget_telling(conn, now_ms)


def _forget_telling(conn: Connection, now_ms: int) -> int:
    """Delete people's own words, old letters, and from the ledger what ended years ago."""
    leaflet, letter = schema.leaflet, schema.leaflet_letter
    past = sa.select(leaflet.c.id).where(leaflet.c.created_ms < now_ms - LETTERS_KEPT_MS)
    letters = conn.execute(sa.delete(letter).where(letter.c.leaflet.in_(past))).rowcount
    told = reports.forget(conn, now_ms) + book.forget(conn, now_ms) + forecast_book.forget(conn, now_ms)
    return told + int(letters)


def _forget_healing(conn: Connection, now_ms: int) -> int:
    """Delete evidence, links to notices, and questions with all that was answered to them."""
    past = (
        (schema.evidence, schema.evidence.c.heard_ms, EVIDENCE_KEPT_MS),
        (schema.ask, schema.ask.c.heard_ms, ASKS_KEPT_MS),
        (schema.ask_audit, schema.ask_audit.c.at_ms, ASKS_KEPT_MS),
        (schema.release_link, schema.release_link.c.made_ms, ASKS_KEPT_MS),
    )
    return sum(
        int(conn.execute(sa.delete(table).where(at_ms < now_ms - kept_ms)).rowcount)
        for table, at_ms, kept_ms in past
    )
