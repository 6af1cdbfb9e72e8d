"""What people do to incidents: amend, merge, take back, open again, write down afterwards.

Each is written down with who did it and when. What a person set, automation leaves alone until a person
gives it back; what a person closed, no alert of that episode opens again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.delivery import outbox, underway
from desk.house import House
from desk.incident import correlate as decide
from desk.incident import course, dossier, echoes, records, speakers
from desk.incident.course import OF_AN_OPEN_ONE
from desk.incident.decision import Ended
from desk.incident.dossier import Edit
from desk.incident.incident import EARLY_MS, Echo, EchoKind, Field, Hand, Incident, Signal, Timeline, weight
from desk.incident.order import Amendment, Backfill, Conflict, Signed, Unknown, Wrong
from desk.intake.alerts import key_of
from desk.notice import planning, telling
from desk.notice.telling import Word
from desk.state import Impact, IncidentState
from desk.store.store import upsert
from model.labels import Labels


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where an order is carried out."""

    conn: Connection
    house: House
    now_ms: int

    def found(self, ref: str) -> Row[Any]:
        row = dossier.incident_named(self.conn, ref)
        if row is None:
            raise Unknown(f"there is no incident {ref[:64]!r}")
        if row.merged_into:
            raise Conflict("it was merged into another incident, which tells the rest of it")
        return row

    def noun(self, row: Row[Any]) -> Incident:
        """Return an incident with its alerts and with those that it accounts for."""
        [incident] = records.with_alerts(self.conn, [row])
        return replace(incident, echoes=echoes.of_incident(self.conn, incident.id))

    def alive(self, signals: Sequence[Signal]) -> list[Signal]:
        sight = records.sight(self.conn, self.house.started_ms, self.now_ms)
        return [one for one in signals if decide.is_alive(one, self.now_ms, sight)]

    def note(self, incident: int, signed: Signed, what: str, before: str = "", after: str = "") -> None:
        edit = Edit(signed.by, what, before, after, signed.because)
        dossier.note_edit(self.conn, incident, edit, self.now_ms)

    def keep_back(self, incident: Incident, into: int, kind: EchoKind, path: tuple[str, ...]) -> None:
        """Let the alerts that still fire make no incident of their own."""
        kept = [
            Echo(one, incident.service, into, path, incident.impact, self.now_ms, kind)
            for one in self.alive(incident.signals)
        ]
        echoes.note(self.conn, self.house, kept, self.now_ms)


def amend(conn: Connection, house: House, ref: str, order: Amendment, signed: Signed, now_ms: int) -> None:
    """Set fields of an incident for a person; each is the person's from then on."""
    desk = _Desk(conn, house, now_ms)
    row = desk.found(ref)
    if row.resolved_ms and (order.state or order.text):
        raise Conflict("it is over: open it again first")
    old = desk.noun(row)
    new = _amended(desk, old, order, signed)
    if order.state is IncidentState.RESOLVED:
        _close(desk, new, signed)
        return
    values: dict[str, object] = {"impact": new.impact.value, "state": new.state.value}
    if not row.resolved_ms and weight(new.impact) > weight(old.impact):
        soon_ms = max(now_ms + 1, old.said_ms + course.UPDATE_PAUSE_MS) + EARLY_MS
        values["next_update_ms"] = min(filter(None, (old.next_update_ms, soon_ms)))
        if new.impact is Impact.MAJOR:
            outbox.release(conn, old.id, now_ms)
    records.change_incident(conn, old.id, values)
    if not row.resolved_ms and (new.state, new.impact, new.hand.text) != (
        old.state,
        old.impact,
        old.hand.text,
    ):
        number = telling.publish(conn, house, new, "update", now_ms, f"{signed.by} amended it")
        if order.text and order.notify:
            outbox.withdraw(conn, old.id, "a newer update follows", ("update",))
            telling.tell_told(conn, house, new, Word("update", number), now_ms)


def _amended(desk: _Desk, old: Incident, order: Amendment, signed: Signed) -> Incident:
    """Write down each field that changes; return the incident with all of them."""
    locks: dict[Field, str] = {name: by for name, by in old.hand.locks.items() if name not in order.unlock}
    title = {} if Field.TITLE in order.unlock else old.hand.title
    text = {} if Field.TEXT in order.unlock else old.hand.text
    for name in sorted(order.unlock & old.hand.locks.keys()):
        desk.note(old.id, signed, f"unlock {name.value}")
    changes = (
        (Field.TITLE, _said(title), _said(order.title)),
        (Field.IMPACT, old.impact.value, order.impact.value if order.impact else ""),
        (Field.STATE, old.state.value, order.state.value if order.state else ""),
        (Field.TEXT, _said(text), _said(order.text)),
    )
    for name, before, after in changes:
        if after:
            locks[name] = signed.by
            desk.note(old.id, signed, name.value, before, after)
    hand = Hand(locks, order.title or title, _everywhere(desk.house, order.text) if order.text else text)
    dossier.set_more(desk.conn, old.id, {"hand": msgspec.json.encode(hand).decode()})
    return replace(old, hand=hand, impact=order.impact or old.impact, state=order.state or old.state)


def _said(words: Mapping[str, str]) -> str:
    return msgspec.json.encode(words).decode() if words else ""


def _everywhere(house: House, words: Mapping[str, str]) -> dict[str, str]:
    """Return words with those for readers of a language in which nobody wrote them."""
    home = str(house.config.language)
    return {**words, "": words.get(home) or words.get("en") or next(iter(words.values()))}


def _close(desk: _Desk, incident: Incident, signed: Signed) -> None:
    """End an incident for a person; its alerts that still fire open nothing until they fire anew."""
    desk.keep_back(incident, incident.id, EchoKind.CLOSED, (incident.service,))
    timeline = replace(incident.timeline, healed_ms=incident.timeline.healed_ms or desk.now_ms)
    course.end(desk.conn, desk.house, Ended(incident, timeline, False, f"{signed.by} closed it"), desk.now_ms)
    dossier.set_more(desk.conn, incident.id, {"closed_by": signed.by})


def retract(conn: Connection, house: House, ref: str, signed: Signed, wrong: Wrong, now_ms: int) -> None:
    """Take an incident back: it never was, and exactly those who were told of it hear so."""
    desk = _Desk(conn, house, now_ms)
    row = desk.found(ref)
    if row.state == IncidentState.RETRACTED:
        raise Conflict("it was taken back already")
    incident = replace(desk.noun(row), state=IncidentState.RETRACTED, wrong=wrong, next_update_ms=0)
    outbox.withdraw(conn, incident.id, "it was taken back", (*OF_AN_OPEN_ONE, "resolved"))
    reason = f"{signed.by} took it back"
    if not row.resolved_ms:
        desk.keep_back(incident, incident.id, EchoKind.CLOSED, (incident.service,))
        records.keep_snapshots(conn, incident.id)
    ended = {"resolved_ms": row.resolved_ms or now_ms, "next_update_ms": 0, "lost_ms": 0}
    records.change_incident(
        conn,
        incident.id,
        {**ended, "state": incident.state.value, "reason": reason, "healed_silently": False},
    )
    dossier.set_more(conn, incident.id, {"closed_by": signed.by, "unstable_ms": 0})
    desk.note(incident.id, signed, "retract", row.state, incident.state.value)
    number = telling.publish(conn, house, incident, "retracted", now_ms, reason)
    telling.tell_told(conn, house, incident, Word("retracted", number), now_ms)


def reopen(conn: Connection, house: House, ref: str, signed: Signed, now_ms: int) -> None:
    """Open an incident again that is over or was taken back; only a person ends it then, or unlocks it."""
    desk = _Desk(conn, house, now_ms)
    row = desk.found(ref)
    if not row.resolved_ms:
        raise Conflict("it is open")
    other = records.open_incidents(conn, [row.service]).get(row.service)
    if other is not None:
        raise Conflict(f"{row.service} has another open incident, {other.ref}: merge it into that one")
    old = desk.noun(row)
    echoes.end(conn, old.service, [one.key for one in old.signals], now_ms)
    hand = replace(old.hand, locks={**old.hand.locks, Field.STATE: signed.by})
    more = {"hand": msgspec.json.encode(hand).decode(), "closed_by": "", "backfilled": False}
    dossier.set_more(conn, old.id, more)
    desk.note(old.id, signed, "reopen", row.state, IncidentState.INVESTIGATING.value)
    reason = f"{signed.by} opened it again"
    timeline = replace(old.timeline, healed_ms=0, verified_ms=0)
    begun = replace(old, hand=hand, state=IncidentState.INVESTIGATING, timeline=timeline)
    incident = course.begin_anew(conn, house, begun, reason, now_ms)
    # Nobody asked what its alerts are like since it ended.
    speakers.rebuild(conn, house, now_ms, incident.id, incident.service)
    course.tell_anew(conn, house, incident, reason, now_ms)


def merge(conn: Connection, house: House, ref: str, into: str, signed: Signed, now_ms: int) -> None:
    """Make an incident part of another, open one, which tells everybody how it goes on."""
    desk = _Desk(conn, house, now_ms)
    row, target = desk.found(ref), desk.found(into)
    if row.id == target.id:
        raise Conflict("an incident cannot be part of itself")
    if target.resolved_ms:
        raise Conflict(f"{into} is over: only an open incident can take another in")
    if row.state == IncidentState.RETRACTED:
        raise Conflict("it was taken back, so there is nothing to merge")
    incident, whole = desk.noun(row), desk.noun(target)
    reason = f"{signed.by} merged it into {into}"
    _sink(desk, incident, whole, reason, is_open=not row.resolved_ms)
    fate = {"merged_into": whole.id, "closed_by": signed.by, "unstable_ms": 0}
    dossier.set_more(conn, incident.id, fate)
    desk.note(incident.id, signed, "merge", "", into)
    desk.note(whole.id, signed, "take in", "", ref)
    _hand_over(conn, incident.id, whole.id)
    onset_ms = min(filter(None, (incident.timeline.onset_ms, whole.timeline.onset_ms)), default=0)
    records.change_incident(conn, whole.id, {"onset_ms": onset_ms})
    [grown] = records.with_alerts(conn, [target])
    planning.tell_affected(conn, house, replace(grown, echoes=echoes.of_incident(conn, whole.id)), now_ms)


def _sink(desk: _Desk, incident: Incident, whole: Incident, reason: str, *, is_open: bool) -> None:
    """End an incident whose alerts are another's from now on."""
    conn, now_ms = desk.conn, desk.now_ms
    outbox.withdraw(conn, incident.id, "another incident tells of it", (*OF_AN_OPEN_ONE, "resolved"))
    if is_open:
        records.keep_snapshots(conn, incident.id)
        over = {"resolved_ms": now_ms, "next_update_ms": 0, "lost_ms": 0, "reason": reason}
        records.change_incident(conn, incident.id, {**over, "state": IncidentState.RESOLVED.value})
    if incident.service == whole.service:
        more = speakers.strangers(conn, whole.id, desk.alive(incident.signals))
        speakers.join(conn, desk.house, now_ms, [(whole, more)])
    else:
        desk.keep_back(incident, whole.id, EchoKind.MERGED, (incident.service, whole.service))
    ended = replace(incident, state=IncidentState.RESOLVED, next_update_ms=0)
    telling.publish_merged(conn, desk.house, ended, whole, now_ms, reason)


def _hand_over(conn: Connection, source: int, target: int) -> None:
    """Let whoever was told of one incident be told how the other goes on."""
    underway.write_down(conn, source)
    a, log = schema.audience, schema.delivery_log
    told = conn.execute(
        sa.select(a.c.person, a.c.grade, a.c.why, a.c.reason, a.c.notice)
        .join(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .where(a.c.incident == source, a.c.grade != "owner", log.c.state.in_(outbox.TOLD))
    )
    taken = sa.select(schema.incident.c.numbers).where(schema.incident.c.id == target)
    since = max(1, conn.execute(taken).scalar_one())
    rows = [{**row, "incident": target, "since_number": since} for row in told.mappings()]
    if rows:
        conn.execute(upsert(conn, a).on_conflict_do_nothing(), rows)


def backfill(conn: Connection, house: House, order: Backfill, signed: Signed, now_ms: int) -> str:
    """Write down an incident that no alert told of; return its public name."""
    if order.service not in house.catalogue.services:
        raise Unknown(f"there is no service {order.service[:64]!r}")
    other = records.open_incidents(conn, [order.service]).get(order.service)
    if other is not None and not order.until_ms:
        raise Conflict(f"{order.service} has an open incident, {other.ref}: amend that one")
    desk = _Desk(conn, house, now_ms)
    witness = _witness(order, signed, now_ms)
    over = bool(order.until_ms)
    locks = {Field.STATE: signed.by, Field.IMPACT: signed.by}
    locks |= {Field.TITLE: signed.by} if order.title else {}
    locks |= {Field.TEXT: signed.by} if order.text else {}
    text = _everywhere(house, order.text) if order.text else {}
    promise_ms = 0 if over else now_ms + telling.promise_ms(order.impact)
    incident = Incident(
        id=0,
        ref=course.reference(house.secret, order.service, (witness,), now_ms),
        service=order.service,
        impact=order.impact,
        first_impact=order.impact,
        state=IncidentState.RESOLVED if over else IncidentState.INVESTIGATING,
        opened_ms=order.from_ms if over else now_ms,
        timeline=Timeline(order.from_ms, order.from_ms, order.until_ms),
        next_update_ms=promise_ms,
        hand=Hand(locks, order.title, text),
    )
    reason = f"{signed.by} wrote it down"
    times = {"resolved_ms": order.until_ms, "next_update_ms": promise_ms, "reason": reason}
    incident = course.insert(conn, house, incident, times)
    kept = {"backfilled": over, "hand": msgspec.json.encode(incident.hand).decode()}
    dossier.set_more(conn, incident.id, kept)
    desk.note(incident.id, signed, "backfill", "", order.service)
    # The page tells of the trouble first, and then of its end.
    first = replace(incident, state=IncidentState.INVESTIGATING)
    telling.publish(conn, house, first, "first", now_ms, reason)
    if order.notify and not over:
        planning.tell_affected(conn, house, replace(incident, signals=(witness,)), now_ms)
    if over:
        telling.publish(conn, house, incident, "resolved", now_ms, reason)
    return incident.ref


def _witness(order: Backfill, signed: Signed, now_ms: int) -> Signal:
    """Return an alert that stands for a person's word, by which the audience is worked out."""
    labels = Labels.of(
        {"alertname": "ReportedByHand", "service": order.service, "impact": order.impact.value}
    )
    words = {"by": signed.by}
    ends_ms = order.until_ms or now_ms + 1
    return Signal(key_of(labels), labels, words, order.from_ms, ends_ms, now_ms, source="desk")
