"""Notices that wait for people's word before they go to many: held, let go, called back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery.outbox import TTL_MS
from desk.notice.caps import Clearance, undo_ms
from desk.store.store import upsert

SHOWN_MAX: Final = 500

_H, _R, _C, _N = schema.notice_hold, schema.notice_release, schema.chunk, schema.notice


class NotHeld(Exception):
    """What was asked of a notice cannot be; the text says why."""


@dataclass(frozen=True, slots=True)
class Human:
    """Who says a word: ``by`` is what is written down, ``person`` tells people apart.

    That is whom a token or a link of their own proves them to be, and empty where a name is only claimed.
    """

    by: str
    person: str = ""


def check(human: Human, needs: int) -> None:
    """Raise ``NotHeld`` where it takes several people and nobody knows who this is."""
    if needs > 1 and not human.person:
        raise NotHeld(
            f"it takes {needs} people, and a name proves nobody: use the links that were sent by mail,"
            " or name staff in desk.yaml and send a token"
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A notice that waited, or waits, for people: ``state`` is held, released or cancelled."""

    notice: int
    incident: str
    service: str
    people: int
    needs: int
    reason: str
    state: str
    released_by: tuple[str, ...]
    goes_ms: int

    def shown(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return {
            "id": self.notice,
            "incident": self.incident,
            "service": self.service,
            "people": self.people,
            "needs": self.needs,
            "reason": self.reason,
            "state": self.state,
            "released_by": list(self.released_by),
            "goes_ms": self.goes_ms,
        }


def hold(conn: Connection, notice: int, people: int, clearance: Clearance, now_ms: int) -> None:
    """Keep a notice that was just planned from being taken until enough people said so."""
    values = {"notice": notice, "people": people, "needs": clearance.needs, "reason": clearance.reason}
    conn.execute(_H.insert().values(**values, at_ms=now_ms, released_ms=0))
    conn.execute(sa.update(_C).where(_C.c.notice == notice, _C.c.state == "queued").values(state="held"))


def release(conn: Connection, notice: int, human: Human, count: int, now_ms: int) -> Held:
    """Write down one human's word; with the last that it takes the notice goes, after a while to undo it."""
    # Where several desks share a store, the others wait here for whoever is first.
    conn.execute(sa.update(_H).where(_H.c.notice == notice).values(notice=notice))
    held = one(conn, notice)
    if held.state != "held":
        raise NotHeld(f"the notice is {held.state} already")
    check(human, held.needs)
    if count != held.people:
        raise NotHeld(
            f"the notice goes to {held.people} people, not to {count}; type the number that it goes to"
        )
    known = _said(conn, notice)
    if human.person in known:
        raise NotHeld(f"{human.by} has said so already; it takes {held.needs} different people")
    values = {"notice": notice, "by": human.by, "at_ms": now_ms, "person": human.person}
    conn.execute(upsert(conn, _R).values(values).on_conflict_do_nothing())
    if len(known) + 1 >= held.needs:
        goes_ms = now_ms + undo_ms(held.people)
        conn.execute(sa.update(_H).where(_H.c.notice == notice).values(released_ms=now_ms))
        kind = conn.execute(sa.select(_N.c.kind).where(_N.c.id == notice)).scalar_one()
        expires_ms = goes_ms + TTL_MS[kind]
        conn.execute(sa.update(_N).where(_N.c.id == notice).values(expires_ms=expires_ms))
        queued = {"state": "queued", "not_before_ms": goes_ms}
        conn.execute(sa.update(_C).where(_C.c.notice == notice, _C.c.state == "held").values(queued))
    return one(conn, notice)


def _said(conn: Connection, notice: int) -> set[str]:
    """Return the people whose words a notice has, of those who are proven."""
    rows = conn.execute(sa.select(_R.c.person).where(_R.c.notice == notice, _R.c.person != ""))
    return set(rows.scalars())


def cancel(conn: Connection, notice: int, by: str, now_ms: int) -> Held:
    """Call back what nobody has yet of a notice that waits, or that was let go a moment ago."""
    held = one(conn, notice)
    if held.state == "cancelled":
        raise NotHeld("the notice is cancelled already")
    waiting = (_C.c.notice == notice, _C.c.state.in_(("held", "queued", "taken")))
    if conn.execute(sa.update(_C).where(*waiting).values(state="withdrawn", owner="")).rowcount == 0:
        raise NotHeld("the notice has gone out; correct it instead")
    retry = schema.delivery_retry
    conn.execute(sa.delete(retry).where(retry.c.notice == notice))
    withdrawn = {"state": "withdrawn", "reason": f"called back by {by}"}
    conn.execute(sa.update(_N).where(_N.c.id == notice).values(withdrawn))
    conn.execute(upsert(conn, _R).values(notice=notice, by=by, at_ms=now_ms).on_conflict_do_nothing())
    return one(conn, notice)


def goes_ms(conn: Connection, notice: int) -> int | None:
    """Return from when on a held notice goes: 0 while it waits for a word, None if none was wanted."""
    row = conn.execute(sa.select(_H.c.released_ms, _H.c.people).where(_H.c.notice == notice)).one_or_none()
    if row is None:
        return None
    return int(row.released_ms) + undo_ms(row.people) if row.released_ms else 0


def one(conn: Connection, notice: int) -> Held:
    """Return a notice that waited or waits; raises ``NotHeld`` where it is none."""
    found = _read(conn, _H.c.notice == notice)
    if not found:
        raise NotHeld("no such notice waits for anybody")
    return found[0]


def waiting(conn: Connection) -> list[Held]:
    """Return the notices that wait for people's word, the newest first."""
    return [held for held in _read(conn, _H.c.released_ms == 0) if held.state == "held"]


def _read(conn: Connection, which: sa.ColumnElement[bool]) -> list[Held]:
    i = schema.incident
    query = (
        sa.select(_H, _N.c.state, i.c.ref, i.c.service)
        .join(_N, _N.c.id == _H.c.notice)
        .join(i, i.c.id == _N.c.incident)
        .where(which)
        .order_by(_H.c.notice.desc())
        .limit(SHOWN_MAX)
    )
    rows = conn.execute(query).all()
    names: dict[int, list[str]] = {}
    said = sa.select(_R).where(_R.c.notice.in_([row.notice for row in rows])).order_by(_R.c.at_ms, _R.c.by)
    for row in conn.execute(said):
        names.setdefault(row.notice, []).append(row.by)
    return [
        Held(
            notice=row.notice,
            incident=row.ref,
            service=row.service,
            people=row.people,
            needs=row.needs,
            reason=row.reason,
            state=_state(row.state, row.released_ms),
            released_by=tuple(names.get(row.notice, ())),
            goes_ms=row.released_ms + undo_ms(row.people) if row.released_ms else 0,
        )
        for row in rows
    ]


def _state(notice: str, released_ms: int) -> str:
    if notice == "withdrawn":
        return "cancelled"
    return "released" if released_ms else "held"
