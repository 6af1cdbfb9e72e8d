"""Questions on their way to the people who may answer: each link is a letter, written anew for each try."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.approval import approval, approvals
from desk.approval.approval import Ask
from desk.catalogue.person import EmailAddress, Zone, printable
from desk.delivery.envelope import Stationery, to_staff
from desk.notice.compose import Letter, Line, said_time, staff_letter
from desk.notice.parcel import WAITING, Parcel
from model.plugin import Message

LINKS_PASSED_MAX: Final = 200


def take(conn: Connection, stationery: Stationery, now_ms: int) -> Parcel | None:
    """Write down the next try and return its letter; whoever need not be asked any more is passed over."""
    link, a, p = schema.ask_link, schema.ask, schema.person
    query = (
        sa.select(a, link.c.token, link.c.person, link.c.tries, p.c.name, p.c.email, p.c.zone, p.c.gone)
        .join(link, link.c.ask == a.c.id)
        .join(p, p.c.id == link.c.person)
        .where(link.c.state.in_(WAITING), link.c.due_ms <= now_ms)
        .order_by(link.c.due_ms, link.c.person)
        .limit(1)
    )
    for _ in range(LINKS_PASSED_MAX):
        row = conn.execute(query).one_or_none()
        if row is None:
            return None
        change = sa.update(link).where(link.c.token == row.token)
        written = approval.token(stationery.approval_key, row.id, row.person)
        late = row.gone or not approvals.still_asked(conn, row.id, now_ms)
        if late or approval.kept(written) != row.token:
            why = "it is not asked any more" if late else "the approval key is another one now"
            conn.execute(change.values(state="withdrawn", at_ms=now_ms, reply=why))
            continue
        conn.execute(change.values(state="sending", tries=row.tries + 1, at_ms=now_ms, reply=""))
        return Parcel(link, row.token, row.tries + 1, _message(stationery, row, written, now_ms))
    return None


def _message(stationery: Stationery, row: Row[Any], written: str, now_ms: int) -> Message:
    ask = approvals.ask_of(row)
    url = f"{stationery.url}/approve/{written}"
    content = ask_letter(ask, stationery.name, row.service, url, Zone(row.zone), now_ms)
    return to_staff(stationery, content, EmailAddress(row.email), f"ask-{row.token[:24]}", row.heard_ms)


def ask_letter(ask: Ask, page: str, service: str, url: str, zone: Zone, now_ms: int) -> Letter:
    """Return the letter that asks one person; ``url`` is that person's own link."""
    subject = printable(f"[{page}] May {ask.playbook} act on {ask.host}?")
    until = said_time(ask.until_ms, now_ms, "en", zone)
    people = "One yes is enough." if ask.needs == 1 else f"{ask.needs} people must say yes."
    lines = [
        f"{ask.playbook} would act on {ask.host} for {service}, and asks before it does.",
        ask.because,
        f"{people} One no ends it, and so does silence until {until}.",
        "The link below is yours alone. It shows every step; opening it decides nothing.",
    ]
    details = [("host", ask.host), ("playbook", ask.playbook), ("risk", ask.risk)]
    details += [(f"step {number}", step) for number, step in enumerate(ask.steps, 1)]
    shown = [Line(line, "en") for line in approval.shown(lines)]
    return staff_letter(subject, shown, [(name, printable(text)) for name, text in details], (url, "Answer"))
