"""Links that let a held notice go, on their way: each is a letter, written anew for each try."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.approval import approval
from desk.catalogue.person import EmailAddress, printable
from desk.delivery.envelope import Stationery, to_staff
from desk.notice import holding, releases
from desk.notice.compose import Letter, Line, staff_letter
from desk.notice.holding import Held
from desk.notice.parcel import WAITING, Parcel
from model.plugin import Message

LINKS_PASSED_MAX: Final = 200


def take(conn: Connection, stationery: Stationery, now_ms: int) -> Parcel | None:
    """Write down the next try and return its letter; what does not wait any more is passed over."""
    link = schema.release_link
    query = (
        sa.select(link)
        .where(link.c.state.in_(WAITING), link.c.due_ms <= now_ms)
        .order_by(link.c.due_ms, link.c.notice, link.c.email)
        .limit(1)
    )
    for _ in range(LINKS_PASSED_MAX):
        row = conn.execute(query).one_or_none()
        if row is None:
            return None
        change = sa.update(link).where(link.c.token == row.token)
        held = holding.one(conn, row.notice)
        written = releases.token(stationery.secret, row.notice, row.email)
        late = row.used_ms or held.state != "held" or now_ms >= row.made_ms + releases.LASTS_MS
        if late or approval.kept(written) != row.token:
            why = "it does not wait any more" if late else "the desk's secret is another one now"
            conn.execute(change.values(state="withdrawn", at_ms=now_ms, reply=why))
            continue
        conn.execute(change.values(state="sending", tries=row.tries + 1, at_ms=now_ms, reply=""))
        message = _message(stationery, row, held, f"{stationery.url}/release/{written}")
        return Parcel(link, row.token, row.tries + 1, message)
    return None


def _message(stationery: Stationery, row: Row[Any], held: Held, url: str) -> Message:
    letter = release_letter(stationery.name, held, url)
    return to_staff(stationery, letter, EmailAddress(row.email), f"release-{row.token[:24]}", row.made_ms)


def release_letter(page: str, held: Held, url: str) -> Letter:
    """Return the letter that asks one person; ``url`` is that person's own link."""
    humans = "One word is enough." if held.needs == 1 else f"{held.needs} different people must say so."
    lines = [
        f"A notice about {held.service} waits, because {held.reason}.",
        f"{humans} Until then nobody is told.",
        "The link below is yours alone. It shows what would be sent; opening it decides nothing.",
    ]
    details = [("incident", held.incident), ("service", held.service), ("people", str(held.people))]
    return staff_letter(
        printable(f"[{page}] May {held.people} people be told of {held.service}?"),
        [Line(line, "en") for line in approval.shown(lines)],
        [(name, printable(text)) for name, text in details],
        (url, "Look at it"),
    )
