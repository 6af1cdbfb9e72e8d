"""What a report, or time alone, does to the store: each call is one transaction's worth of truth.

An incident and its notices are written together: either both are there after a kill, or neither.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from sqlalchemy import Connection

from desk import correlate as decide
from desk import lessor, outbox, records, schema, telling
from desk.correlate import Ended, Ignored, Joined, LostSight, Moved, Opened, Sight, WasOver
from desk.escalation import patience_ends_ms, reason_to_escalate
from desk.incident import Change, Incident, Signal, weight
from desk.intake import is_news, merge, same_episode
from desk.outbox import MINUTE_MS
from desk.telling import House
from desk.view import Impact, IncidentState

UPDATE_PAUSE_MS: Final = 10 * MINUTE_MS
EXTENSION_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction left to do: ``due_ms`` is when time alone may change something, 0 for never."""

    changed: bool
    due_ms: int


def receive(conn: Connection, house: House, signals: Sequence[Signal], now_ms: int) -> Outcome:
    """Merge reported alerts into the store and carry out what they mean."""
    known = records.known_signals(conn, [signal.key for signal in signals])
    saved: list[Signal] = []
    changes: list[Change] = []
    for signal in signals:
        old = known.get(signal.key)
        merged = merge(old, signal, now_ms) if old else signal
        fresh = old is None or not same_episode(old, signal)
        lapsed = old is not None and old.ends_ms <= now_ms < merged.ends_ms
        news = old is None or fresh or lapsed or is_news(old, merged)
        if news:
            changes.append(Change(merged, fresh))
        # Hearing of an agent is the point of its Watchdog, so that is written each time.
        if news or signal.name == "Watchdog" or _outlasts(merged, old, now_ms):
            saved.append(merged)
    records.save_signals(conn, saved)
    records.save_doubts(conn, house.catalogue, (change.signal for change in changes))
    records.hear_agents(conn, saved)
    lessor.hear_members(conn, saved)
    touched = {
        touch.service
        for change in changes
        for touch in house.catalogue.touches(change.signal.labels)
        if touch.impact not in (None, Impact.UNKNOWN)
    }
    if not touched:
        return Outcome(False, 0)
    return Outcome(True, _carry_out(conn, house, changes, touched, now_ms))


def _outlasts(new: Signal, old: Signal | None, now_ms: int) -> bool:
    """Tell whether an end moved far enough to be written; a repetition as such is not worth a write."""
    assert old is not None, "an alert that is not known is news"
    return new.ends_ms - old.ends_ms >= min(EXTENSION_MS, (new.ends_ms - now_ms) // 8)


def tick(conn: Connection, house: House, now_ms: int) -> Outcome:
    """Carry out what time alone means for every open incident."""
    return Outcome(True, _carry_out(conn, house, (), None, now_ms))


def _carry_out(
    conn: Connection, house: House, changes: Sequence[Change], services: Iterable[str] | None, now_ms: int
) -> int:
    """Decide, apply, and look at what is open now; return when to look again."""
    sight = records.sight(conn, house.started_ms, now_ms)
    services = None if services is None else tuple(services)
    incidents = records.open_incidents(conn, services)
    decisions = decide.correlate(house.catalogue, incidents, changes, now_ms, sight)
    for decision in decisions:
        if isinstance(decision, Opened):
            _open(conn, house, decision, now_ms)
        elif isinstance(decision, Joined):
            _join(conn, house, decision, now_ms)
        elif isinstance(decision, Moved):
            _move(conn, house, decision, now_ms)
        elif isinstance(decision, LostSight):
            records.change_incident(
                conn, decision.incident.id, {"lost_ms": now_ms, "reason": decision.reason}
            )
        elif isinstance(decision, Ended):
            _end(conn, house, decision, now_ms)
        elif isinstance(decision, WasOver):
            _record(conn, house, decision, now_ms)
    changed = any(not isinstance(decision, Ignored) for decision in decisions)
    still_open = records.open_incidents(conn, services) if changed else incidents
    return min(
        filter(None, (_look_after(conn, house, one, now_ms, sight) for one in still_open.values())), default=0
    )


def _look_after(conn: Connection, house: House, incident: Incident, now_ms: int, sight: Sight) -> int:
    """Escalate, keep the promise of the next update; return when this incident is due again."""
    if incident.lost_ms and any(signal.ends_ms > now_ms for signal in incident.signals):
        records.change_incident(conn, incident.id, {"lost_ms": 0})
        incident = replace(incident, lost_ms=0)
    patience_ms = house.config.hold.ms
    reason = "" if incident.escalated_ms else reason_to_escalate(incident, patience_ms, now_ms)
    if reason:
        telling.escalate(conn, house, incident, reason, now_ms)
        incident = replace(incident, escalated_ms=now_ms)
    if incident.next_update_ms <= now_ms:
        incident = _keep_promise(conn, house, incident, now_ms)
    due = (decide.next_due_ms(incident, now_ms, sight), patience_ends_ms(incident, patience_ms))
    return min((moment for moment in due if moment > now_ms), default=0)


def _open(conn: Connection, house: House, decision: Opened, now_ms: int) -> None:
    """Open an incident, with its first notices in the same transaction."""
    promise_ms = now_ms + telling.promise_ms(decision.impact)
    incident = replace(_begun(house, decision, decision.state, now_ms), next_update_ms=promise_ms)
    incident = _insert(conn, incident, {"reason": decision.reason, "next_update_ms": promise_ms})
    telling.publish(conn, house, incident, "first", now_ms, decision.reason)
    telling.tell_affected(conn, house, incident, now_ms)


def _begun(house: House, decision: Opened | WasOver, state: IncidentState, now_ms: int) -> Incident:
    """Return the incident that a decision begins, before it is written."""
    return Incident(
        id=0,
        ref=reference(house.secret, decision.service, decision.signals, now_ms),
        service=decision.service,
        impact=decision.impact,
        first_impact=decision.impact,
        state=state,
        opened_ms=now_ms,
        timeline=decision.timeline,
        signals=decision.signals,
    )


def _insert(conn: Connection, incident: Incident, more: Mapping[str, object]) -> Incident:
    """Write an incident and its alerts; return it with its id."""
    key = conn.execute(
        schema.incident.insert().values(
            ref=incident.ref,
            service=incident.service,
            impact=incident.impact.value,
            first_impact=incident.first_impact.value,
            state=incident.state.value,
            opened_ms=incident.opened_ms,
            **records.moments(incident.timeline),
            **more,
        )
    ).inserted_primary_key
    assert key is not None, "an insert of one row names its key"
    incident = replace(incident, id=int(key[0]))
    records.link_alerts(conn, incident.id, incident.signals)
    return incident


def _join(conn: Connection, house: House, decision: Joined, now_ms: int) -> None:
    """Add alerts, and tell those whom they affect in addition."""
    old = decision.incident
    records.link_alerts(conn, old.id, decision.signals)
    grown = replace(old, signals=(*old.signals, *decision.signals))
    # The weight of the new alerts decides about the hold of whoever they add.
    impact = decide.worst(house.catalogue, old.service, grown.signals)
    telling.tell_affected(conn, house, replace(grown, impact=max(old.impact, impact, key=weight)), now_ms)


def _move(conn: Connection, house: House, decision: Moved, now_ms: int) -> None:
    """Change state, impact and timeline; say so on the page where people would see a difference."""
    old = decision.incident
    worse = weight(decision.impact) > weight(old.impact)
    next_update_ms = old.next_update_ms
    if worse:
        # Whoever was told of less hears of more soon, but never twice within the pause.
        next_update_ms = min(next_update_ms, max(now_ms + 1, old.said_ms + UPDATE_PAUSE_MS))
        if decision.impact is Impact.MAJOR:
            outbox.release(conn, old.id, now_ms)
    records.change_incident(
        conn,
        old.id,
        {
            "state": decision.state.value,
            "impact": decision.impact.value,
            "next_update_ms": next_update_ms,
            **records.moments(decision.timeline),
        },
    )
    if worse or decision.state is not old.state:
        new = replace(old, state=decision.state, impact=decision.impact, timeline=decision.timeline)
        telling.publish(conn, house, new, "update", now_ms, decision.reason)


def _keep_promise(conn: Connection, house: House, incident: Incident, now_ms: int) -> Incident:
    """Say how it stands, even when nothing is new, and promise the next time."""
    next_update_ms = now_ms + telling.promise_ms(incident.impact)
    incident = replace(incident, next_update_ms=next_update_ms)
    records.change_incident(conn, incident.id, {"next_update_ms": next_update_ms})
    number = telling.publish(conn, house, incident, "update", now_ms, "the promised time of the next update")
    outbox.withdraw(conn, incident.id, "a newer update follows", ("update",))
    telling.tell_told(conn, house, incident, "update", number, now_ms)
    return incident


def _end(conn: Connection, house: House, decision: Ended, now_ms: int) -> None:
    """Close an incident; whoever was told of it hears so, and nobody else."""
    incident = replace(decision.incident, state=IncidentState.RESOLVED, timeline=decision.timeline)
    told = bool(outbox.told_people(conn, incident.id))
    outbox.withdraw(conn, incident.id, "it was over before this was sent", ("first", "update"))
    records.change_incident(
        conn,
        incident.id,
        {
            "state": incident.state.value,
            "resolved_ms": now_ms,
            "next_update_ms": 0,
            "lost_ms": 0,
            "healed_silently": decision.healed and not told,
            "reason": decision.reason,
            **records.moments(decision.timeline),
        },
    )
    records.keep_snapshots(conn, incident.id, incident.signals)
    number = telling.publish(conn, house, incident, "resolved", now_ms, decision.reason)
    if told:
        telling.tell_told(conn, house, incident, "resolved", number, now_ms)


def _record(conn: Connection, house: House, decision: WasOver, now_ms: int) -> None:
    """Write down an episode that was over when the desk heard of it; it is news to nobody."""
    incident = _begun(house, decision, IncidentState.RESOLVED, now_ms)
    over = {"resolved_ms": now_ms, "healed_silently": decision.healed, "reason": decision.reason}
    incident = _insert(conn, incident, over)
    records.keep_snapshots(conn, incident.id, incident.signals)
    telling.publish(conn, house, incident, "resolved", now_ms, decision.reason)


def reference(secret: bytes, service: str, signals: Sequence[Signal], now_ms: int) -> str:
    """Return the public name of an incident: it tells nothing, and no two desks share one."""
    said = msgspec.json.encode([service, now_ms, *sorted(signal.key for signal in signals)])
    return hmac.new(secret, b"incident " + said, hashlib.sha256).hexdigest()[:12]
