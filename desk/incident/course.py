"""The course of an incident in the store: each step with its notices, within the caller's transaction."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery import outbox, sequel
from desk.delivery.outbox import MINUTE_MS
from desk.delivery.sequel import Heard
from desk.forecast import foretold
from desk.house import House
from desk.incident import dossier, echoes, records, speakers
from desk.incident.decision import (
    Decision,
    Echoed,
    Ended,
    Faded,
    Flapped,
    Joined,
    LostSight,
    Moved,
    Opened,
    Reopened,
    Settled,
    Traced,
    Turned,
    WasOver,
)
from desk.incident.incident import EARLY_MS, Cause, Echo, Field, Incident, Signal, weight
from desk.incident.share import weigh
from desk.notice import digest, planning, telling
from desk.notice.compose import Kind
from desk.notice.telling import Word
from desk.state import Impact, IncidentState

UPDATE_PAUSE_MS: Final = 10 * MINUTE_MS
_BEGINNING: Final = ("onset_ms", "noticed_ms")
OF_AN_OPEN_ONE: Final[tuple[Kind, ...]] = ("first", "update", "reopened", "unstable")


def carry_out(conn: Connection, house: House, decisions: Sequence[Decision], now_ms: int) -> bool:
    """Write down what was decided, and plan who hears of it.

    Tell whether there is more to it than alerts that joined others of their kind.
    """
    joined = [one for one in decisions if isinstance(one, Joined)]
    news: frozenset[int] = frozenset()
    if joined:
        news = speakers.join(conn, house, now_ms, [(one.incident, one.signals) for one in joined])
    changed = False
    for decision in decisions:
        step = _STEPS.get(type(decision))
        if isinstance(decision, Joined):
            told = _join(conn, house, decision, now_ms, news=decision.incident.id in news)
            changed = changed or told or bool(decision.freed)
        elif isinstance(decision, Echoed):
            changed = _echo(conn, house, decision, now_ms) or changed
        elif step is not None:
            step(conn, house, decision, now_ms)
            changed = True
    return changed


def _open(conn: Connection, house: House, decision: Opened, now_ms: int) -> None:
    """Open an incident, with its first notices in the same transaction."""
    promise_ms = now_ms + telling.promise_ms(decision.impact)
    incident = replace(_begun(house, decision, decision.state, now_ms), next_update_ms=promise_ms)
    incident = insert(conn, house, incident, {"reason": decision.reason, "next_update_ms": promise_ms})
    dossier.note_turn(conn, incident.service, now_ms, came=True)
    echoes.end(conn, incident.service, [one.key for one in decision.signals], now_ms)
    if decision.unstable:
        incident = _unstable(conn, incident, now_ms)
    telling.publish(
        conn, house, incident, "unstable" if decision.unstable else "first", now_ms, decision.reason
    )
    planning.tell_affected(conn, house, incident, now_ms)


def _reopen(conn: Connection, house: House, decision: Reopened, now_ms: int) -> None:
    """Let an incident go on that had ended: whoever was told of the end hears that it is back."""
    dossier.note_turn(conn, decision.incident.service, now_ms, came=True)
    echoes.end(conn, decision.incident.service, [one.key for one in decision.signals], now_ms)
    incident = replace(
        decision.incident,
        impact=decision.impact,
        state=decision.state,
        signals=decision.signals,
        timeline=decision.timeline,
    )
    incident = begin_anew(conn, house, incident, decision.reason, now_ms)
    if decision.unstable:
        incident = _unstable(conn, incident, now_ms)
    tell_anew(conn, house, incident, decision.reason, now_ms)


def begin_anew(conn: Connection, house: House, incident: Incident, reason: str, now_ms: int) -> Incident:
    """Open an incident that had ended once more; return it as it stands then."""
    incident = replace(
        incident,
        reopened_ms=now_ms,
        escalated_ms=0,
        next_update_ms=now_ms + telling.promise_ms(incident.impact),
    )
    records.change_incident(
        conn,
        incident.id,
        {
            "state": incident.state.value,
            "impact": incident.impact.value,
            "resolved_ms": 0,
            "escalated_ms": 0,
            "healed_silently": False,
            "next_update_ms": incident.next_update_ms,
            "reason": reason,
            **records.moments(incident.timeline),
        },
    )
    dossier.set_more(conn, incident.id, {"reopened_ms": now_ms})
    foretold.note(conn, incident.service, incident.id, now_ms)
    link = schema.incident_alert
    kept = (link.c.incident == incident.id) & (link.c.snapshot != "")
    conn.execute(sa.update(link).where(kept).values(snapshot=""))
    more = speakers.strangers(conn, incident.id, incident.signals)
    speakers.join(conn, house, now_ms, [(incident, more)])
    return incident


def tell_anew(conn: Connection, house: House, incident: Incident, reason: str, now_ms: int) -> None:
    """Say that it is back to those who heard of it, and that it is there to those who never did."""
    kind: Kind = "unstable" if incident.unstable_ms else "reopened"
    number = telling.publish(conn, house, incident, kind, now_ms, reason)
    outbox.withdraw(conn, incident.id, "it is back", ("resolved",))
    heard = Heard.ALL if incident.unstable_ms else Heard.END
    telling.tell_told(conn, house, incident, Word(kind, number, heard, held=True), now_ms)
    planning.tell_affected(conn, house, incident, now_ms, again=True)


def _unstable(conn: Connection, incident: Incident, now_ms: int) -> Incident:
    """Note that it comes and goes; nothing is promised until it has been quiet for long."""
    records.change_incident(conn, incident.id, {"next_update_ms": 0})
    dossier.set_more(conn, incident.id, {"unstable_ms": now_ms})
    return replace(incident, unstable_ms=now_ms, next_update_ms=0)


def _flap(conn: Connection, house: House, decision: Flapped, now_ms: int) -> None:
    """Keep it open although it would end, and say once that it comes and goes."""
    incident = _unstable(conn, decision.incident, now_ms)
    dossier.note_turn(conn, incident.service, now_ms, came=False)
    # What began earlier than was known is not to be forgotten, for the alert that says so may be silent then.
    since = {name: at_ms for name, at_ms in records.moments(decision.timeline).items() if name in _BEGINNING}
    records.change_incident(conn, incident.id, {"reason": decision.reason, **since})
    outbox.withdraw(conn, incident.id, "it comes and goes", OF_AN_OPEN_ONE)
    number = telling.publish(conn, house, incident, "unstable", now_ms, decision.reason)
    telling.tell_told(conn, house, incident, Word("unstable", number), now_ms)
    planning.tell_affected(conn, house, incident, now_ms, again=True)


def _turn(conn: Connection, _: House, decision: Turned, now_ms: int) -> None:
    dossier.note_turn(conn, decision.incident.service, now_ms, came=decision.came)


def _settle(conn: Connection, house: House, decision: Settled, now_ms: int) -> None:
    """Go on as with any incident; the next news is promised again."""
    promise_ms = now_ms + telling.promise_ms(decision.incident.impact)
    incident = replace(decision.incident, unstable_ms=0, next_update_ms=promise_ms)
    dossier.set_more(conn, incident.id, {"unstable_ms": 0})
    records.change_incident(conn, incident.id, {"next_update_ms": promise_ms, "reason": decision.reason})
    number = telling.publish(conn, house, incident, "update", now_ms, decision.reason)
    telling.tell_told(conn, house, incident, Word("update", number), now_ms)


def _echo(conn: Connection, house: House, decision: Echoed, now_ms: int) -> bool:
    """Write alerts down beside the incident that accounts for them, and tell whom they touch in addition.

    Return whether there can be anybody.
    """
    number = dossier.newest_incident(conn, decision.path[-1])
    behind = [
        Echo(signal, decision.service, number, decision.path, decision.impact, now_ms)
        for signal in decision.signals
    ]
    news = echoes.note(conn, house, behind, now_ms)
    foretold.note(conn, decision.service, number, now_ms)
    if not news:
        return False
    cause = records.open_incidents(conn, [decision.path[-1]]).get(decision.path[-1])
    if cause is not None:
        whole = replace(cause, echoes=echoes.of_incident(conn, cause.id))
        planning.tell_affected(conn, house, whole, now_ms)
    return True


def _fade(conn: Connection, _: House, decision: Faded, now_ms: int) -> None:
    echoes.fade(conn, decision.echo, now_ms)


def _trace(conn: Connection, house: House, decision: Traced, now_ms: int) -> None:
    """Name the cause."""
    cause = dossier.newest_incident(conn, decision.path[-1])
    path = msgspec.json.encode(list(decision.path)).decode()
    dossier.set_more(conn, decision.incident.id, {"cause": cause, "path": path})
    incident = replace(decision.incident, cause=Cause(cause, decision.path))
    if not incident.unstable_ms:
        telling.publish(conn, house, incident, "update", now_ms, decision.reason)


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


def insert(conn: Connection, house: House, incident: Incident, more: Mapping[str, object]) -> Incident:
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
    speakers.join(conn, house, incident.opened_ms, [(incident, incident.signals)])
    if incident.state is not IncidentState.RESOLVED:
        foretold.note(conn, incident.service, incident.id, incident.opened_ms)
    return incident


def _join(conn: Connection, house: House, decision: Joined, now_ms: int, *, news: bool) -> bool:
    """Tell those whom alerts that were added affect in addition; return whether any could be."""
    old = decision.incident
    echoes.end(conn, old.service, decision.freed, now_ms)
    # What fails elsewhere may add people too, but only to a service that others need.
    if not news and not house.catalogue.is_needed(old.service):
        return False
    grown = replace(old, signals=(*old.signals, *decision.signals))
    if not old.is_held(Field.IMPACT):
        # The weight of the new alerts decides about the hold of whoever they add.
        impact = weigh(house.catalogue, old.service, decision.signals, ()).impact
        grown = replace(grown, impact=max(old.impact, impact, key=weight))
    planning.tell_affected(conn, house, grown, now_ms)
    return True


def _move(conn: Connection, house: House, decision: Moved, now_ms: int) -> None:
    """Change state, impact and timeline; say so on the page where people would see a difference."""
    old = decision.incident
    worse = weight(decision.impact) > weight(old.impact)
    values: dict[str, object] = {"state": decision.state.value, "impact": decision.impact.value}
    if worse and not old.unstable_ms:
        # Whoever was told of less hears of more soon, but never twice within the pause.
        soon_ms = max(now_ms + 1, old.said_ms + UPDATE_PAUSE_MS)
        values["next_update_ms"] = min(old.next_update_ms, soon_ms + EARLY_MS)
    if worse and decision.impact is Impact.MAJOR:
        outbox.release(conn, old.id, now_ms)
    records.change_incident(conn, old.id, {**values, **records.moments(decision.timeline)})
    # What comes and goes is said once, and not at each turn.
    if worse or (decision.state is not old.state and not old.unstable_ms):
        new = replace(old, state=decision.state, impact=decision.impact, timeline=decision.timeline)
        telling.publish(conn, house, new, "update", now_ms, decision.reason)


def _lose(conn: Connection, _: House, decision: LostSight, now_ms: int) -> None:
    records.change_incident(conn, decision.incident.id, {"lost_ms": now_ms, "reason": decision.reason})


def keep_promise(conn: Connection, house: House, incident: Incident, now_ms: int) -> Incident:
    """Say how it stands, even when nothing is new, and promise the next time."""
    next_update_ms = now_ms + telling.promise_ms(incident.impact)
    incident = replace(incident, next_update_ms=next_update_ms)
    records.change_incident(conn, incident.id, {"next_update_ms": next_update_ms})
    number = telling.publish(conn, house, incident, "update", now_ms, "the promised time of the next update")
    outbox.withdraw(conn, incident.id, "a newer update follows", ("update",))
    telling.tell_told(conn, house, incident, Word("update", number), now_ms)
    return incident


def _end(conn: Connection, house: House, decision: Ended, now_ms: int) -> None:
    dossier.note_turn(conn, decision.incident.service, now_ms, came=False)
    end(conn, house, decision, now_ms)


def end(conn: Connection, house: House, decision: Ended, now_ms: int) -> None:
    """Close an incident; whoever was told of it hears so, and nobody else."""
    incident = replace(decision.incident, state=IncidentState.RESOLVED, timeline=decision.timeline)
    heard = telling.believers(incident)
    told = sequel.anybody(conn, incident.id, heard)
    outbox.withdraw(conn, incident.id, "it was over before this was sent", OF_AN_OPEN_ONE)
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
    if incident.unstable_ms:
        dossier.set_more(conn, incident.id, {"unstable_ms": 0})
        incident = replace(incident, unstable_ms=0)
    digest.healed(conn, house, incident.id, now_ms)
    records.keep_snapshots(conn, incident.id)
    number = telling.publish(conn, house, incident, "resolved", now_ms, decision.reason)
    telling.tell_told(conn, house, incident, Word("resolved", number, heard), now_ms)


def _record(conn: Connection, house: House, decision: WasOver, now_ms: int) -> None:
    """Write down an episode that was over when the desk heard of it; it is news to nobody."""
    incident = _begun(house, decision, IncidentState.RESOLVED, now_ms)
    over = {"resolved_ms": now_ms, "healed_silently": decision.healed, "reason": decision.reason}
    incident = insert(conn, house, incident, over)
    records.keep_snapshots(conn, incident.id)
    telling.publish(conn, house, incident, "resolved", now_ms, decision.reason)


def reference(secret: bytes, service: str, signals: Sequence[Signal], now_ms: int) -> str:
    """Return the public name of an incident: it tells nothing, and no two desks share one."""
    said = msgspec.json.encode([service, now_ms, *sorted(signal.key for signal in signals)])
    return hmac.new(secret, b"incident " + said, hashlib.sha256).hexdigest()[:12]


_Step = Callable[[Connection, House, Any, int], None]

_STEPS: Final[Mapping[type, _Step]] = {
    Opened: _open,
    Reopened: _reopen,
    Moved: _move,
    LostSight: _lose,
    Ended: _end,
    Flapped: _flap,
    Turned: _turn,
    Settled: _settle,
    Faded: _fade,
    Traced: _trace,
    WasOver: _record,
}
