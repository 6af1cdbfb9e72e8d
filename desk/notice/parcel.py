"""Letters that hold a link of one person's own: what became of each try, and when the next is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery.tries import RETRY_FIRST_MS, RETRY_MAX_MS, UNKNOWN_TRIES_MAX
from model.plugin import Message

WAITING: Final = ("queued", "retrying", "unknown")
TABLES: Final = (schema.ask_link, schema.release_link)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One person's letter to hand over now; ``link`` is what ``table`` keeps of its token."""

    table: sa.Table
    link: str
    tries: int
    message: Message


def record(conn: Connection, parcel: Parcel, state: str, reply: str, at_ms: int) -> None:
    """Write down what became of a letter, and when it is to be tried again."""
    if state == "unknown" and parcel.tries >= UNKNOWN_TRIES_MAX:
        state = "doubtful"
    due_ms = at_ms + min(RETRY_MAX_MS, RETRY_FIRST_MS << min(parcel.tries - 1, 20))
    values = {"state": state, "reply": reply, "at_ms": at_ms, "due_ms": due_ms}
    conn.execute(sa.update(parcel.table).where(parcel.table.c.token == parcel.link).values(values))


def recover(conn: Connection, now_ms: int, held_ms: int = 0) -> None:
    """Try again what a dead worker had in flight; beside other workers, what is older than ``held_ms``."""
    values = {"state": "unknown", "due_ms": now_ms, "reply": "the desk ended before the answer came"}
    for link in TABLES:
        lost = (link.c.state == "sending", link.c.at_ms <= now_ms - held_ms)
        conn.execute(sa.update(link).where(*lost).values(values))


def next_ms(conn: Connection) -> int:
    """Return when the next letter is due, 0 for never."""
    dues = [
        conn.execute(sa.select(sa.func.min(link.c.due_ms)).where(link.c.state.in_(WAITING))).scalar()
        for link in TABLES
    ]
    return min((int(due) for due in dues if due), default=0)
