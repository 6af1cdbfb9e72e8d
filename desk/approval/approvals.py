"""Approvals as they stand in the store: questions are heard, answered once per person, and told of.

A question and its letters are written in the transaction of the alert that brought it. Whether it is still
open is not written down but read off the alert, so that it ends with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.approval import approval
from desk.approval.approval import Ask, Misread, Standing, Verdict, Word
from desk.house import House
from desk.incident import records
from desk.incident.incident import Signal
from model.grant import Grant, host_key, sealed

HOUR_MS: Final = 3_600_000
ASKS_PER_HOUR_MAX: Final = 120
REFUSALS_PER_HOUR_MAX: Final = 500
GRANTS_TOLD_MAX: Final = 100

_log: Final = logging.getLogger("desk.approvals")


@dataclass(frozen=True, slots=True)
class Scene:
    """What one person sees behind a link; ``used_ms`` is when the person answered, 0 for not yet."""

    ask: Ask
    service: str
    person: int
    name: str
    email: str
    gone: bool
    used_ms: int
    words: tuple[Word, ...]
    verdict: Verdict

    @property
    def takes_answer(self) -> bool:
        """Whether this person may answer now."""
        return not self.gone and not self.used_ms and self.verdict.standing is Standing.OPEN


def hear(conn: Connection, house: House, signals: Iterable[Signal], now_ms: int) -> bool:
    """Write down each new question with a link for each person who may answer; tell whether there was one."""
    heard = False
    for signal in signals:
        if signal.over:
            continue
        try:
            ask = approval.ask_of(signal.annotations, now_ms)
        except Misread as wrong:
            _note(conn, "misread", now_ms, note=str(wrong)[:200])
            continue
        if ask is not None and ask.until_ms > now_ms and not _known(conn, ask.ask):
            heard = _begin(conn, house, signal, ask, now_ms) or heard
    return heard


def _known(conn: Connection, ask: str) -> bool:
    return conn.execute(sa.select(schema.ask.c.id).where(schema.ask.c.id == ask)).first() is not None


def _begin(conn: Connection, house: House, signal: Signal, ask: Ask, now_ms: int) -> bool:
    table = schema.ask
    recent = sa.select(sa.func.count()).select_from(table).where(table.c.heard_ms > now_ms - HOUR_MS)
    if int(conn.execute(recent).scalar_one()) >= ASKS_PER_HOUR_MAX:
        _log.warning("more than %d questions within an hour; %s is not asked", ASKS_PER_HOUR_MAX, ask.ask)
        return False
    service, team = approval.owner(house.catalogue, signal.labels)
    trouble = approval.why_not(bool(house.approval_key), team, service)
    members = team.members() if team and not trouble else ()
    if members and len(members) < ask.needs:
        trouble = f"It takes {ask.needs} people, and the team that owns {service} has {len(members)}."
    conn.execute(
        table.insert().values(
            id=ask.ask,
            alert=signal.key,
            service=service,
            trouble=trouble,
            heard_ms=now_ms,
            steps=msgspec.json.encode(approval.shown(ask.steps)).decode(),
            because=" ".join(approval.shown([ask.because])),
            **{name: getattr(ask, name) for name in _PLAIN},
        )
    )
    _note(conn, "asked", now_ms, ask=ask.ask, note=trouble)
    people = [house.people[records.person_key(one.email, team.team)] for one in members if team]
    links = [
        {
            "token": approval.kept(approval.token(house.approval_key, ask.ask, person)),
            "ask": ask.ask,
            "person": person,
            "state": "queued",
            "due_ms": now_ms,
        }
        for person in people
    ]
    if links:
        conn.execute(schema.ask_link.insert(), links)
    return bool(links)


_PLAIN: Final = ("host", "playbook", "plan", "risk", "needs", "asked_ms", "until_ms")


def look(conn: Connection, token: str, now_ms: int) -> Scene | None:
    """Return what stands behind a token, None where it was never given out."""
    a, link, p = schema.ask, schema.ask_link, schema.person
    query = (
        sa.select(a, link.c.person, link.c.used_ms, p.c.name, p.c.email, p.c.gone)
        .join(link, link.c.ask == a.c.id)
        .join(p, p.c.id == link.c.person)
        .where(link.c.token == approval.kept(token))
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    words = tuple(_words(conn, [row.id]).get(row.id, ()))
    verdict = approval.judge(row.needs, row.until_ms, words, _asked(conn, row, now_ms), now_ms)
    return Scene(
        ask_of(row), row.service, row.person, row.name, row.email, row.gone, row.used_ms, words, verdict
    )


def answer(conn: Connection, house: House, token: str, yes: bool, now_ms: int) -> tuple[bool, Scene | None]:
    """Take a person's word, once; return whether it was taken, and how it stands after that."""
    scene = look(conn, token, now_ms)
    if scene is None or not scene.takes_answer:
        return False, scene
    a, link = schema.ask, schema.ask_link
    # Where several desks share a store, one row changes for whoever is first, and the others wait for it.
    open_still = sa.update(a).where(a.c.id == scene.ask.ask, a.c.ended_ms == 0).values(ended_ms=0)
    mine = (link.c.token == approval.kept(token)) & (link.c.used_ms == 0)
    if (
        not conn.execute(open_still).rowcount
        or not conn.execute(sa.update(link).where(mine).values(used_ms=now_ms)).rowcount
    ):
        return False, look(conn, token, now_ms)
    ask = scene.ask
    grant = sealed(
        Grant(
            ask=ask.ask,
            host=ask.host,
            playbook=ask.playbook,
            plan=ask.plan,
            by=scene.email,
            yes=yes,
            at_ms=now_ms,
            until_ms=ask.until_ms,
        ),
        host_key(house.approval_key, ask.host),
    )
    fields = {name: getattr(grant, name) for name in _GRANT}
    conn.execute(schema.ask_grant.insert().values(person=scene.person, **fields))
    _note(conn, "yes" if yes else "no", now_ms, ask=ask.ask, person=scene.person)
    after = look(conn, token, now_ms)
    assert after is not None, "it was there a moment ago"
    if after.verdict.standing is not Standing.OPEN:
        conn.execute(sa.update(a).where(a.c.id == ask.ask).values(ended_ms=now_ms))
    return True, after


_GRANT: Final = ("ask", "host", "playbook", "plan", "by", "yes", "at_ms", "until_ms", "seal")


def refused(conn: Connection, scene: Scene | None, why: str, now_ms: int) -> None:
    """Write down that a link was used that is none, or none any more; so many within an hour."""
    table = schema.ask_audit
    recent = sa.select(sa.func.count()).where(table.c.what == "refused", table.c.at_ms > now_ms - HOUR_MS)
    if int(conn.execute(recent).scalar_one()) < REFUSALS_PER_HOUR_MAX:
        ask, person = (scene.ask.ask, scene.person) if scene else ("", 0)
        _note(conn, "refused", now_ms, ask=ask, person=person, note=why)


def grants(conn: Connection, host: str, now_ms: int) -> list[Grant]:
    """Return what people said to the questions of a host, as long as that may count; the newest first."""
    table = schema.ask_grant
    query = (
        sa.select(table)
        .where(table.c.host == host, table.c.until_ms > now_ms)
        .order_by(table.c.at_ms.desc())
        .limit(GRANTS_TOLD_MAX)
    )
    return [Grant(**{name: getattr(row, name) for name in _GRANT}) for row in conn.execute(query)]


def told(conn: Connection, incident: int) -> list[dict[str, Any]]:
    """Return the questions of an incident with who was asked and who said what, for staff."""
    a, link, p = schema.ask, schema.ask_link, schema.person
    rows = conn.execute(
        sa.select(a).where(records.belongs(incident, a.c.alert, a.c.asked_ms)).order_by(a.c.asked_ms)
    ).all()
    asked: dict[str, list[dict[str, Any]]] = {}
    query = sa.select(link, p.c.name, p.c.email).join(p, p.c.id == link.c.person).order_by(link.c.person)
    for one in conn.execute(query.where(link.c.ask.in_([row.id for row in rows]))):
        fields = {"name": one.name, "email": one.email, "state": one.state, "reply": one.reply}
        asked.setdefault(one.ask, []).append(fields)
    words = _words(conn, [row.id for row in rows])
    return [
        {
            "ask": row.id,
            **{name: getattr(row, name) for name in _PLAIN},
            "because": row.because,
            "steps": msgspec.json.decode(row.steps),
            "trouble": row.trouble,
            "ended_ms": row.ended_ms or None,
            "asked": asked.get(row.id, []),
            "words": [{"by": w.by, "yes": w.yes, "at_ms": w.at_ms} for w in words.get(row.id, ())],
        }
        for row in rows
    ]


def _words(conn: Connection, asks: Sequence[str]) -> Mapping[str, Sequence[Word]]:
    g, p = schema.ask_grant, schema.person
    query = sa.select(g.c.ask, g.c.yes, g.c.at_ms, p.c.name, p.c.email).join(p, p.c.id == g.c.person)
    found: dict[str, list[Word]] = {}
    for row in conn.execute(query.where(g.c.ask.in_(asks)).order_by(g.c.at_ms, g.c.person)):
        found.setdefault(row.ask, []).append(Word(row.name, row.email, row.yes, row.at_ms))
    return found


def _asked(conn: Connection, row: Row[Any], now_ms: int) -> bool:
    """Tell whether the alert still fires and still brings this very question."""
    known = records.known_signals(conn, [row.alert]).get(row.alert)
    if known is None or known.ends_ms <= now_ms:
        return False
    ask = approval.readable(known.annotations, now_ms)
    return ask is not None and ask.ask == row.id


def still_asked(conn: Connection, ask: str, now_ms: int) -> bool:
    """Tell whether an answer would still count for anything."""
    row = conn.execute(sa.select(schema.ask).where(schema.ask.c.id == ask)).one()
    return not row.ended_ms and row.until_ms > now_ms and _asked(conn, row, now_ms)


def ask_of(row: Row[Any]) -> Ask:
    """Return a row of the table of questions as a noun."""
    fields = {name: getattr(row, name) for name in _PLAIN}
    return Ask(ask=row.id, because=row.because, steps=tuple(msgspec.json.decode(row.steps)), **fields)


def _note(conn: Connection, what: str, now_ms: int, ask: str = "", person: int = 0, note: str = "") -> None:
    row = {"what": what, "at_ms": now_ms, "ask": ask, "person": person, "note": note}
    conn.execute(schema.ask_audit.insert().values(**row))
    _log.info("%s %s %s %s", what, ask, person or "", note)
