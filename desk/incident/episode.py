"""What a report, or time alone, does to the store: each call is one transaction's worth of truth.

An incident and its notices are written together: either both are there after a kill, or neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from desk.alertmanager import silence_book
from desk.approval import approvals, lessor
from desk.forecast import book as forecast_book
from desk.house import House
from desk.incident import correlate as decide
from desk.incident import course, dossier, echoes, records, speakers
from desk.incident.decision import Decision, Joined
from desk.incident.escalation import patience_ends_ms, reason_to_escalate
from desk.incident.incident import WATCHDOG, Change, Incident, Signal
from desk.incident.scene import Scene, Sight
from desk.intake import alert_rows, heartbeat
from desk.intake.merging import is_news, merge, outlasts, same_episode
from desk.maintenance import book as maintenance_book
from desk.notice import digest, telling
from desk.state import Impact
from desk.ways import canary_watch, stand_in


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction left to do: ``due_ms`` is when time alone may change something, 0 for never.

    ``stand`` are the alerts that it was about, as they stand in the store with it.
    """

    changed: bool
    due_ms: int
    stand: Sequence[Signal] = ()


def receive(conn: Connection, house: House, signals: Sequence[Signal], now_ms: int) -> Outcome:
    """Merge reported alerts into the store and carry out what they mean."""
    known = alert_rows.former_signals(conn, signals)
    heard = _weighed(known, signals, now_ms)
    saved, changes = heard.saved, heard.changes
    house.standing.forget(saved)
    alert_rows.save_signals(conn, saved)
    # What was never heard of before is of no incident yet.
    returned = [change.signal for change in changes if change.signal.key in known]
    if returned:
        speakers.hear(conn, house, now_ms, returned)
    asked = approvals.hear(conn, house, [change.signal for change in changes], now_ms)
    touches = {change.signal.key: house.catalogue.touches(change.signal.labels) for change in changes}
    records.save_doubts(conn, ((change.signal, touches[change.signal.key]) for change in changes))
    watchdogs = [one for one in saved if one.name == WATCHDOG]
    records.hear_agents(conn, watchdogs)
    lessor.hear_members(conn, watchdogs)
    audible = silence_book.heard(conn, changes, now_ms)
    foreseen = forecast_book.hear(conn, house, audible, now_ms)
    touched = {
        touch.service
        for change in audible
        for touch in touches[change.signal.key]
        if touch.impact not in (None, Impact.UNKNOWN)
    }
    if not touched and not foreseen:
        return Outcome(asked, 0, heard.stand)
    dues = [_carry_out(conn, house, audible, touched, now_ms)] if touched else []
    dues += [forecast_book.tick(conn, house, now_ms)] if foreseen else []
    return Outcome(True, min(filter(None, dues), default=0), heard.stand)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What reports come to: the rows to write, what is news, and every alert as it stands then."""

    saved: Sequence[Signal]
    changes: Sequence[Change]
    stand: Sequence[Signal]


def _weighed(known: Mapping[str, Signal], signals: Sequence[Signal], now_ms: int) -> _Heard:
    """Weigh reports against what is known of their alerts."""
    saved: list[Signal] = []
    changes: list[Change] = []
    stand: list[Signal] = []
    for signal in signals:
        old = known.get(signal.key)
        if old is None:
            changes.append(Change(signal, fresh=True))
            saved.append(signal)
            stand.append(signal)
            continue
        merged = merge(old, signal, now_ms)
        fresh = not same_episode(old, signal)
        lapsed = old.ends_ms <= now_ms < merged.ends_ms
        news = fresh or lapsed or is_news(old, merged)
        if news:
            changes.append(Change(merged, fresh))
        # Hearing of an agent is the point of its Watchdog, so that is written each time.
        written = news or signal.name == WATCHDOG or outlasts(old.ends_ms, merged.ends_ms, now_ms)
        if written:
            saved.append(merged)
        stand.append(merged if written else old)
    return _Heard(saved, changes, stand)


def tick(conn: Connection, house: House, now_ms: int) -> Outcome:
    """Carry out what time alone means: for incidents, silences and planned work, and for silent agents."""
    quiet = heartbeat.news(conn, house.started_ms, now_ms)
    if quiet:
        receive(conn, house, quiet, now_ms)
        heartbeat.doubt(conn, quiet, now_ms)
    hushed = canary_watch.news(conn, house, now_ms)
    if hushed:
        receive(conn, house, hushed, now_ms)
    work_due_ms = maintenance_book.tick(conn, house, now_ms)
    free = (*silence_book.released(conn, now_ms), *maintenance_book.released(conn, house, now_ms))
    forecast_book.hear(conn, house, free, now_ms)
    due_ms = _carry_out(conn, house, free, None, now_ms)
    foreseen_due_ms = forecast_book.tick(conn, house, now_ms)
    stand_in.tick(conn, house, now_ms)
    digest_due_ms = digest.tick(conn, house.catalogue, house.config, now_ms)
    return Outcome(True, min(filter(None, (due_ms, work_due_ms, foreseen_due_ms, digest_due_ms)), default=0))


def _carry_out(
    conn: Connection, house: House, changes: Sequence[Change], services: Collection[str] | None, now_ms: int
) -> int:
    """Decide, apply, and look at what is open now; return when to look again."""
    speakers.refresh(conn, house, now_ms, services)
    echoes.refresh(conn, house, now_ms, services)
    look = partial(dossier.scene, conn, house, services, now_ms)
    keys = [change.signal.key for change in changes]
    scene = look(keys)
    decided = decide.correlate(house.catalogue, scene, changes, now_ms)
    freed = decide.freed(scene, decided)
    if freed:
        # Whatever was kept back of these services is to be something else now, and not only what speaks.
        scene = look(keys, freed)
        decided = decide.correlate(house.catalogue, scene, changes, now_ms)
    decisions = maintenance_book.unexplained(conn, decided)
    if course.carry_out(conn, house, decisions, now_ms):
        scene = look()
    else:
        scene = replace(scene, open=_grown(scene, decisions))
    dues = [_look_after(conn, house, one, now_ms, scene.sight) for one in scene.open.values()]
    return min(filter(None, (*dues, decide.echo_due_ms(scene, now_ms))), default=0)


def _grown(scene: Scene, decisions: Sequence[Decision]) -> Mapping[str, Incident]:
    """Return the open incidents with the alerts that joined them."""
    joined = [one for one in decisions if isinstance(one, Joined)]
    return {
        **scene.open,
        **{
            one.incident.service: replace(one.incident, signals=(*one.incident.signals, *one.signals))
            for one in joined
        },
    }


def _look_after(conn: Connection, house: House, incident: Incident, now_ms: int, sight: Sight) -> int:
    """Escalate, keep the promise of the next update; return when this incident is due again."""
    if incident.lost_ms and any(signal.ends_ms > now_ms for signal in incident.signals):
        records.change_incident(conn, incident.id, {"lost_ms": 0})
        incident = replace(incident, lost_ms=0)
    patience_ms = house.config.hold.ms
    reason = ""
    if not incident.escalated_ms:
        unasked = telling.unasked(house, incident, now_ms)
        reason = unasked or reason_to_escalate(incident, patience_ms, now_ms)
    if reason:
        telling.escalate(conn, house, incident, reason, now_ms)
        incident = replace(incident, escalated_ms=now_ms)
    # Of what comes and goes nothing is promised.
    if 0 < incident.word_due_ms <= now_ms:
        incident = course.keep_promise(conn, house, incident, now_ms)
    due = (decide.next_due_ms(incident, now_ms, sight), patience_ends_ms(incident, patience_ms))
    return min((moment for moment in due if moment > now_ms), default=0)
