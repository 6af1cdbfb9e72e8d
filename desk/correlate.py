"""Which alerts make which incident: a pure decision, as data that carries its reason.

One service has one open incident at a time, whatever the number of its alerts. An alert ends when its
end is reported; one that merely falls silent has ended only while every known agent is still heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from desk.catalogue import Catalogue
from desk.incident import Change, Incident, Signal, Timeline, advance, weight
from desk.view import Impact, IncidentState
from model.outcome import Healing, Outcome

REMEDY_GRACE_MS: Final = 120_000
LATE_MAX_MS: Final = 900_000
RESEND_GRACE_MS: Final = 90_000

_WORKING: Final = (Healing.ACTING, Healing.VERIFYING)
_IN_VAIN: Final = (Outcome.FAILED, Outcome.INEFFECTIVE, Outcome.HARMFUL)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the desk can trust about silence: ``blind`` when an agent that it knows is not heard.

    What was last heard before ``started_ms`` is given a while to speak again, because it was the desk
    that did not listen.
    """

    blind: bool
    started_ms: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A service has trouble and no open incident yet."""

    service: str
    impact: Impact
    state: IncidentState
    signals: tuple[Signal, ...]
    timeline: Timeline
    reason: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Alerts belong to an incident that is open already."""

    incident: Incident
    signals: tuple[Signal, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """An open incident changes its state, its impact or its timeline."""

    incident: Incident
    state: IncidentState
    impact: Impact
    timeline: Timeline
    reason: str


@dataclass(frozen=True, slots=True)
class LostSight:
    """The alerts of an open incident fell silent together with an agent: it stays open and unknown."""

    incident: Incident
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Every alert of an incident has ended; ``healed`` when a playbook did it and proved it."""

    incident: Incident
    timeline: Timeline
    healed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class WasOver:
    """An episode was over before the desk heard of it: it is recorded, and nobody is told."""

    service: str
    impact: Impact
    signals: tuple[Signal, ...]
    timeline: Timeline
    healed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An alert makes no incident for this service."""

    signal: Signal
    service: str
    reason: str


Decision = Opened | Joined | Moved | LostSight | Ended | WasOver | Ignored


def correlate(
    catalogue: Catalogue,
    open_incidents: Mapping[str, Incident],
    changes: Sequence[Change],
    now_ms: int,
    sight: Sight,
) -> tuple[Decision, ...]:
    """Decide what these changes and the time mean for every incident that is open or should be."""
    decisions: list[Decision] = []
    news: dict[str, list[Change]] = {service: [] for service in open_incidents}
    for change in changes:
        touches = catalogue.touches(change.signal.labels)
        for touch in touches:
            if touch.impact is None:
                decisions.append(Ignored(change.signal, touch.service, touch.reason))
            elif touch.impact is Impact.UNKNOWN:
                reason = "the impact is unknown, so the service is shown as unknown"
                decisions.append(Ignored(change.signal, touch.service, reason))
            else:
                news.setdefault(touch.service, []).append(change)
        if not touches:
            decisions.append(Ignored(change.signal, "", "no live service shows this alert"))
    for service, of_service in sorted(news.items()):
        incident = open_incidents.get(service)
        if incident is None:
            decisions += _new(catalogue, service, of_service, now_ms)
        else:
            decisions += _known(catalogue, incident, of_service, now_ms, sight)
    return tuple(decisions)


def _new(catalogue: Catalogue, service: str, changes: Sequence[Change], now_ms: int) -> Iterable[Decision]:
    """Decide for a service without an open incident."""
    live = tuple(change.signal for change in changes if change.signal.ends_ms > now_ms)
    if live:
        names = ", ".join(sorted({signal.name for signal in live}))
        yield Opened(
            service,
            worst(catalogue, service, live),
            _state_of(live),
            live,
            timeline_of(live),
            f"{names} fires and {service} has no open incident",
        )
        return
    late = []
    for change in changes:
        age_ms = now_ms - change.signal.ends_ms
        if change.fresh and age_ms < LATE_MAX_MS:
            late.append(change.signal)
        else:
            reason = "its episode is closed" if not change.fresh else "it ended too long ago"
            yield Ignored(change.signal, service, reason)
    if late:
        signals = tuple(late)
        reason = "it had ended before the desk first heard of it"
        yield WasOver(
            service, worst(catalogue, service, signals), signals, _closed(signals), _healed(signals), reason
        )


def _known(
    catalogue: Catalogue, incident: Incident, changes: Sequence[Change], now_ms: int, sight: Sight
) -> Iterable[Decision]:
    """Decide for a service whose incident is open."""
    known = {signal.key for signal in incident.signals}
    more = tuple(
        change.signal
        for change in changes
        if change.signal.key not in known and change.signal.ends_ms > now_ms
    )
    if more:
        yield Joined(incident, more, f"{incident.service} has an open incident already")
    signals = (*incident.signals, *more)
    living = tuple(signal for signal in signals if is_alive(signal, now_ms, sight))
    impact = max(incident.impact, worst(catalogue, incident.service, signals), key=weight)
    awaited = [] if living else [signal for signal in signals if _is_awaited(signal, now_ms)]
    if not living and not awaited:
        healed = _healed(signals)
        reason = "a playbook fixed it and proved it" if healed else "every alert has ended"
        yield Ended(incident, _closed(signals), healed, reason)
        return
    state = _state_of(living) if living else IncidentState.MONITORING
    # Hope that did not come true does not undo what is known.
    if advance(state) < advance(incident.state):
        state = IncidentState.IDENTIFIED
    timeline = timeline_of(signals)
    if (state, impact, timeline) != (incident.state, incident.impact, incident.timeline):
        yield Moved(incident, state, impact, timeline, _why(living, awaited, state))
    unseen = [signal for signal in living if signal.ends_ms <= now_ms]
    if sight.blind and unseen and len(unseen) == len(living) and not incident.lost_ms:
        yield LostSight(incident, "its agent is not heard, so nobody knows whether it has ended")


def is_alive(signal: Signal, now_ms: int, sight: Sight) -> bool:
    """Tell whether an alert counts as firing: until its end is reported, or its silence can be believed."""
    if signal.ends_ms > now_ms:
        return True
    if signal.over:
        return False
    unheard = signal.updated_ms < sight.started_ms and now_ms < sight.started_ms + RESEND_GRACE_MS
    return sight.blind or unheard


def _is_awaited(signal: Signal, now_ms: int) -> bool:
    """Tell whether a remedy of an ended alert is still to be closed, within its grace."""
    remedy = signal.remedy
    return remedy is not None and remedy.status in _WORKING and now_ms < signal.ends_ms + REMEDY_GRACE_MS


def next_due_ms(incident: Incident, now_ms: int, sight: Sight) -> int:
    """Return when time alone could change this incident; 0 when it could not."""
    moments = [incident.next_update_ms]
    for signal in incident.signals:
        moments += [signal.ends_ms, signal.ends_ms + REMEDY_GRACE_MS]
    moments.append(sight.started_ms + RESEND_GRACE_MS)
    return min((moment for moment in moments if moment > now_ms), default=0)


def _state_of(living: Sequence[Signal]) -> IncidentState:
    """Return the state of the alert that is least advanced."""
    return min((_state(signal) for signal in living), key=advance)


def _state(signal: Signal) -> IncidentState:
    remedy = signal.remedy
    if remedy is not None and remedy.status is Healing.ACTING:
        return IncidentState.IDENTIFIED
    if remedy is not None and remedy.status in (Healing.VERIFYING, Outcome.FIXED):
        return IncidentState.MONITORING
    return IncidentState.INVESTIGATING


def worst(catalogue: Catalogue, service: str, signals: Sequence[Signal]) -> Impact:
    """Return the heaviest impact of these alerts on a service."""
    impacts = (catalogue.touch(service, signal.labels).impact for signal in signals)
    return max((impact for impact in impacts if impact), key=weight, default=Impact.UNKNOWN)


def timeline_of(signals: Sequence[Signal]) -> Timeline:
    """Return what firing alerts say of the beginning; an onset never lies after the alert."""
    noticed_ms = min(signal.starts_ms for signal in signals)
    onsets = [remedy.onset_ms for signal in signals if (remedy := signal.remedy) and remedy.onset_ms]
    healed = [remedy.healed_ms if (remedy := signal.remedy) else 0 for signal in signals]
    verified = [remedy.verified_ms if (remedy := signal.remedy) else 0 for signal in signals]
    return Timeline(
        min([noticed_ms, *onsets]),
        noticed_ms,
        max(healed) if all(healed) else 0,
        max(verified) if all(verified) else 0,
    )


def _closed(signals: Sequence[Signal]) -> Timeline:
    """Return the whole timeline of alerts that have all ended; without a remedy the end is the healing."""
    begun = timeline_of(signals)
    healed_ms = max((remedy.healed_ms if (remedy := one.remedy) else 0) or one.ends_ms for one in signals)
    verified_ms = max(remedy.verified_ms if (remedy := one.remedy) else 0 for one in signals)
    return Timeline(begun.onset_ms, begun.noticed_ms, healed_ms, verified_ms)


def _healed(signals: Sequence[Signal]) -> bool:
    """Tell whether a playbook ended this: one is proven to have worked and none to have failed."""
    found = [remedy.status for signal in signals if (remedy := signal.remedy)]
    return Outcome.FIXED in found and not any(status in _IN_VAIN for status in found)


def _why(living: Sequence[Signal], awaited: Sequence[Signal], state: IncidentState) -> str:
    for signal in (*living, *awaited):
        remedy = signal.remedy
        if remedy is not None:
            said = f": {remedy.reason}" if remedy.reason else ""
            return f"the remedy {remedy.playbook or 'of no playbook'} is {remedy.status.value}{said}"
    return f"{len(living)} alerts fire, so it is {state.value}"
