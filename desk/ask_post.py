"""Questions on their way to the people who may answer: each link is a letter, written anew for each try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import approval, approvals, schema
from desk.approval import Ask
from desk.compose import Letter, Line, said_time, staff_letter
from desk.envelope import Stationery, to_staff
from desk.person import EmailAddress, Zone, printable
from desk.tries import RETRY_FIRST_MS, RETRY_MAX_MS, UNKNOWN_TRIES_MAX
from model.plugin import Message

LINKS_PASSED_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Parcel:
    """One person's letter to hand over now; ``link`` is what the store keeps of its token."""

    link: str
    tries: int
    message: Message


def take(conn: Connection, stationery: Stationery, now_ms: int) -> Parcel | None:
    """Write down the next try and return its letter; whoever need not be asked any more is passed over."""
    link, a, p = schema.ask_link, schema.ask, schema.person
    query = (
        sa.select(a, link.c.token, link.c.person, link.c.tries, p.c.name, p.c.email, p.c.zone, p.c.gone)
        .join(link, link.c.ask == a.c.id)
        .join(p, p.c.id == link.c.person)
        .where(link.c.state.in_(_WAITING), link.c.due_ms <= now_ms)
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
        return Parcel(row.token, row.tries + 1, _message(stationery, row, written, now_ms))
    return None


_WAITING: Final = ("queued", "retrying", "unknown")


def record(conn: Connection, parcel: Parcel, state: str, reply: str, at_ms: int) -> None:
    """Write down what became of a letter, and when it is to be tried again."""
    link = schema.ask_link
    if state == "unknown" and parcel.tries >= UNKNOWN_TRIES_MAX:
        state = "doubtful"
    due_ms = at_ms + min(RETRY_MAX_MS, RETRY_FIRST_MS << min(parcel.tries - 1, 20))
    values = {"state": state, "reply": reply, "at_ms": at_ms, "due_ms": due_ms}
    conn.execute(sa.update(link).where(link.c.token == parcel.link).values(values))


def recover(conn: Connection, now_ms: int, held_ms: int = 0) -> None:
    """Try again what a dead worker had in flight; beside other workers, what is older than ``held_ms``."""
    link = schema.ask_link
    values = {"state": "unknown", "due_ms": now_ms, "reply": "the desk ended before the answer came"}
    conn.execute(
        sa.update(link).where(link.c.state == "sending", link.c.at_ms <= now_ms - held_ms).values(values)
    )


def next_ms(conn: Connection) -> int:
    """Return when the next letter is due, 0 for never."""
    link = schema.ask_link
    query = sa.select(sa.func.min(link.c.due_ms)).where(link.c.state.in_(_WAITING))
    return int(conn.execute(query).scalar() or 0)


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
