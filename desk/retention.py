"""What the desk forgets each night: old alerts, and the words of old notices; never who was told when."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema

DAY_MS: Final = 86_400_000
ALERTS_KEPT_MS: Final = 15 * DAY_MS
LETTERS_KEPT_MS: Final = 90 * DAY_MS
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
    n, letter = schema.notice, schema.letter
    past = sa.select(n.c.id).where(n.c.created_ms < now_ms - LETTERS_KEPT_MS)
    letters = conn.execute(sa.delete(letter).where(letter.c.notice.in_(past))).rowcount
    return int(alerts) + int(letters)
