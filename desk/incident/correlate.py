"""Which alerts make which incident: a pure decision, as data that carries its reason.

One service has one open incident at a time, whatever the number of its alerts. An alert ends when its
end is reported; one that merely falls silent has ended only while every known agent is still heard.
Where a service needs another that has an incident, only the creation of one of its own is suppressed:
never an end, and nothing is lost, since what outlasts the cause makes an incident then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from desk.catalogue import dependency
from desk.catalogue.catalogue import Catalogue
from desk.incident import flapping
from desk.incident.decision import (
    Decision,
    Echoed,
    Ended,
    Faded,
    Flapped,
    Ignored,
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
from desk.incident.incident import (
    Change,
    Echo,
    EchoKind,
    Field,
    Incident,
    Signal,
    Timeline,
    Turn,
    advance,
    weight,
)
from desk.incident.scene import ECHO_GRACE_MS, RESEND_GRACE_MS, Failure, Scene, Sight
from desk.incident.share import Weighed, weigh
from desk.state import Impact, IncidentState
from model.outcome import Healing, Outcome

REMEDY_GRACE_MS: Final = 120_000
LATE_MAX_MS: Final = 900_000

_WORKING: Final = (Healing.ACTING, Healing.VERIFYING)
_IN_VAIN: Final = (Outcome.FAILED, Outcome.INEFFECTIVE, Outcome.HARMFUL)


@dataclass(frozen=True, slots=True)
class _Case:
    """One service, what is new of it, and what is known of its surroundings."""

    catalogue: Catalogue
    scene: Scene
    service: str
    changes: tuple[Change, ...]
    echoes: tuple[Echo, ...]
    failed: Mapping[str, Failure]
    now_ms: int

    @property
    def turns(self) -> tuple[Turn, ...]:
        return self.scene.turns.get(self.service, ())

    def is_alive(self, signal: Signal) -> bool:
        return is_alive(signal, self.now_ms, self.scene.sight)

    def weigh(self, signals: Iterable[Signal]) -> Weighed:
        hosts = self.scene.hosts.get(self.service, frozenset())
        return weigh(self.catalogue, self.service, signals, hosts)

    def way(self) -> tuple[str, ...]:
        """Return the way to a failed service that this one cannot do without; empty without one."""
        if not self.catalogue.needs.get(self.service):
            return ()
        others = [name for name in self.failed if name != self.service]
        return dependency.brought_down(self.catalogue.needs, others).get(self.service, ()) if others else ()


def correlate(
    catalogue: Catalogue, scene: Scene, changes: Sequence[Change], now_ms: int
) -> tuple[Decision, ...]:
    """Decide what these changes and the time mean for every incident that is open or should be."""
    # The order in which a batch was posted means nothing.
    ordered = sorted(changes, key=lambda change: change.signal.key)
    news, decisions = _sorted_out(catalogue, ordered)
    echoes: dict[str, list[Echo]] = {}
    for echo in sorted(scene.echoes, key=lambda one: (one.signal.key, one.incident)):
        echoes.setdefault(echo.service, []).append(echo)
    failed = dict(scene.failed)
    for service in _upstream_first(catalogue, {*scene.open, *news, *echoes}):
        case = _Case(
            catalogue,
            scene,
            service,
            tuple(news.get(service, ())),
            tuple(echoes.get(service, ())),
            failed,
            now_ms,
        )
        incident = scene.open.get(service)
        made = tuple(_new(case) if incident is None else _known(case, incident))
        decisions += made
        _note(failed, service, made, now_ms)
    return tuple(decisions)


def _sorted_out(
    catalogue: Catalogue, changes: Iterable[Change]
) -> tuple[dict[str, list[Change]], list[Decision]]:
    """Return the changes by the service that they touch, and those that mean nothing to anybody."""
    ignored: list[Decision] = []
    news: dict[str, list[Change]] = {}
    for change in changes:
        touches = catalogue.touches(change.signal.labels)
        for touch in touches:
            if touch.impact is None:
                ignored.append(Ignored(change.signal, touch.service, touch.reason))
            elif touch.impact is Impact.UNKNOWN:
                reason = "the impact is unknown, so the service is shown as unknown"
                ignored.append(Ignored(change.signal, touch.service, reason))
            else:
                news.setdefault(touch.service, []).append(change)
        if not touches:
            ignored.append(Ignored(change.signal, "", "no live service shows this alert"))
    return news, ignored


def _upstream_first(catalogue: Catalogue, services: Iterable[str]) -> list[str]:
    """Return services so that each comes after all that it needs: a cause is known before its echoes."""
    needs = catalogue.needs
    return sorted(services, key=lambda name: (len(dependency.needed(needs, name)), name))


def _note(failed: dict[str, Failure], service: str, made: Iterable[Decision], now_ms: int) -> None:
    """Bring up to date which services have trouble."""
    for decision in made:
        if isinstance(decision, Opened):
            failed[service] = Failure(0)
        elif isinstance(decision, Reopened):
            failed[service] = Failure(decision.incident.id)
        elif isinstance(decision, Ended):
            failed[service] = Failure(decision.incident.id, now_ms)


def _new(case: _Case) -> Iterator[Decision]:
    """Decide for a service without an open incident."""
    yield from _faded(case)
    free, held = _free(case)
    if free:
        yield from _begin(case, free)
        return
    yield from _over_already(case, held)


def _faded(case: _Case) -> Iterator[Decision]:
    for echo in case.echoes:
        if not case.is_alive(_now(case, echo)):
            yield Faded(echo, "its alert has ended")


def _now(case: _Case, echo: Echo) -> Signal:
    """Return the alert of an echo as it was last heard."""
    newer = (change.signal for change in case.changes if change.signal.key == echo.signal.key)
    return next(newer, echo.signal)


def _free(case: _Case) -> tuple[tuple[Signal, ...], frozenset[str]]:
    """Return the firing alerts that may make an incident, and the keys of those that a person keeps back."""
    found = {change.signal.key: change.signal for change in case.changes}
    firing = {key: signal for key, signal in found.items() if signal.ends_ms > case.now_ms}
    held = set()
    for echo in case.echoes:
        signal = _now(case, echo)
        if _is_held(case, echo, signal):
            held.add(signal.key)
        elif case.is_alive(signal):
            firing[signal.key] = signal
    free = tuple(signal for key, signal in sorted(firing.items()) if key not in held)
    return free, frozenset(held)


def _is_held(case: _Case, echo: Echo, signal: Signal) -> bool:
    """Tell whether a person's word keeps this alert from making an incident of its own."""
    if echo.kind is EchoKind.CLOSED:
        # What begins after it was closed is another episode.
        return signal.starts_ms <= echo.since_ms
    if echo.kind is EchoKind.MERGED:
        return any(one.incident == echo.incident for one in case.failed.values())
    return False


def _begin(case: _Case, free: tuple[Signal, ...]) -> Iterator[Decision]:
    """Decide what firing alerts begin: an echo of something else, an old incident anew, or a new one."""
    names = ", ".join(sorted({signal.name for signal in free}))
    weighed = case.weigh(free)
    way = case.way()
    if way:
        cause = case.failed[way[-1]].incident
        known = {echo.signal.key for echo in case.echoes if echo.incident == cause}
        more = tuple(signal for signal in free if signal.key not in known)
        if more:
            reason = f"{names} fires while {way[-1]}, which {case.service} needs, has an incident"
            yield Echoed(case.service, way, more, weighed.impact, reason)
        return
    unstable = flapping.is_unstable(case.turns, case.now_ms)
    past = case.scene.past.get(case.service)
    if past is None:
        reason = _because(f"{names} fires and {case.service} has no open incident", weighed)
        timeline = timeline_of(free)
        yield Opened(case.service, weighed.impact, _state_of(free), free, timeline, reason, unstable)
        return
    reason = _because(f"{names} fires so soon after the end that it is the same trouble", weighed)
    impact = past.impact if past.is_held(Field.IMPACT) else weighed.impact
    yield Reopened(past, impact, _state_of(free), free, _pinned(past, timeline_of(free)), reason, unstable)


def _because(sentence: str, weighed: Weighed) -> str:
    return f"{sentence}; {weighed.reason}" if weighed.reason else sentence


def _over_already(case: _Case, held: frozenset[str]) -> Iterator[Decision]:
    """Decide on alerts that had ended when they were heard of, and on those that a person closed."""
    known = {echo.signal.key for echo in case.echoes}
    late = []
    for change in case.changes:
        signal = change.signal
        if signal.key in held:
            yield Ignored(signal, case.service, "somebody closed its episode")
        elif signal.key in known:
            continue
        elif change.fresh and case.now_ms - signal.ends_ms < LATE_MAX_MS:
            late.append(signal)
        else:
            reason = "its episode is closed" if not change.fresh else "it ended too long ago"
            yield Ignored(signal, case.service, reason)
    way = case.way() if late else ()
    if way:
        reason = f"it came and went while {way[-1]} had an incident"
        yield from (Ignored(signal, case.service, reason) for signal in late)
    elif late:
        signals = tuple(late)
        reason = "it had ended before the desk first heard of it"
        impact = case.weigh(signals).impact
        yield WasOver(case.service, impact, signals, _closed(signals), _healed(signals), reason)


def _known(case: _Case, incident: Incident) -> Iterator[Decision]:
    """Decide for a service whose incident is open."""
    yield from _faded(case)
    joined = {signal.key for signal in incident.signals}
    free, _ = _free(case)
    more = tuple(signal for signal in free if signal.key not in joined)
    if more:
        echoes = {echo.signal.key for echo in case.echoes}
        freed = tuple(signal.key for signal in more if signal.key in echoes)
        yield Joined(incident, more, freed, f"{incident.service} has an open incident already")
    signals = (*incident.signals, *more)
    living = tuple(signal for signal in signals if case.is_alive(signal))
    way = () if incident.cause else case.way()
    if way:
        yield Traced(incident, way, f"{way[-1]}, which {case.service} needs, has an incident")
    awaited = [] if living else [signal for signal in signals if _is_awaited(signal, case.now_ms)]
    ending = (
        () if incident.is_held(Field.STATE) else tuple(_turning(case, incident, signals, living, awaited))
    )
    yield from ending
    if any(isinstance(decision, Ended | Flapped) for decision in ending):
        return
    yield from _moving(case, incident, signals, living, awaited)
    unseen = [signal for signal in living if signal.ends_ms <= case.now_ms]
    if case.scene.sight.blind and unseen and len(unseen) == len(living) and not incident.lost_ms:
        yield LostSight(incident, "its agent is not heard, so nobody knows whether it has ended")


def _turning(
    case: _Case,
    incident: Incident,
    signals: tuple[Signal, ...],
    living: Sequence[Signal],
    awaited: Sequence[Signal],
) -> Iterator[Decision]:
    """Decide whether it ends, or comes and goes."""
    there = bool(living or awaited)
    if incident.unstable_ms:
        calm_ms = case.now_ms - flapping.calm_since_ms(case.turns, incident.unstable_ms)
        if there != flapping.last_came(case.turns):
            yield Turned(incident, there, "it is unstable, so one turn more is no news")
        elif calm_ms >= flapping.CALM_MS and there:
            yield Settled(incident, "it did not go away for half an hour, so it is unstable no more")
        elif calm_ms >= flapping.CALM_MS:
            yield Ended(
                incident, _finished(incident, signals), healed=False, reason="it was quiet for half an hour"
            )
    elif not there and flapping.is_unstable(case.turns, case.now_ms):
        timeline = _pinned(incident, timeline_of(signals)) if signals else incident.timeline
        yield Flapped(incident, timeline, flapping.said(case.turns, case.now_ms))
    elif not there:
        healed = _healed(signals)
        reason = "a playbook fixed it and proved it" if healed else "every alert has ended"
        yield Ended(incident, _finished(incident, signals), healed, reason)


def _moving(
    case: _Case,
    incident: Incident,
    signals: tuple[Signal, ...],
    living: Sequence[Signal],
    awaited: Sequence[Signal],
) -> Iterator[Decision]:
    """Decide on the state, the impact and the timeline, as far as no person set them."""
    weighed = case.weigh(living)
    impact = incident.impact
    if not incident.is_held(Field.IMPACT):
        impact = max(incident.impact, weighed.impact, key=weight)
    state = incident.state
    if not incident.is_held(Field.STATE):
        state = _state_of(living) if living else IncidentState.MONITORING
        # Hope that did not come true does not undo what is known.
        if advance(state) < advance(incident.state):
            state = IncidentState.IDENTIFIED
    timeline = _pinned(incident, timeline_of(signals)) if signals else incident.timeline
    if (state, impact, timeline) != (incident.state, incident.impact, incident.timeline):
        reason = _why(living, awaited, state)
        yield Moved(incident, state, impact, timeline, _because(reason, weighed) if living else reason)


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
    moments = [incident.word_due_ms]
    for signal in incident.signals:
        moments += [signal.ends_ms, signal.ends_ms + REMEDY_GRACE_MS]
    moments.append(sight.started_ms + RESEND_GRACE_MS)
    if incident.unstable_ms:
        moments.append(flapping.calm_since_ms(incident.turns, incident.unstable_ms) + flapping.CALM_MS)
    return min((moment for moment in moments if moment > now_ms), default=0)


def freed(scene: Scene, decisions: Iterable[Decision]) -> frozenset[str]:
    """Return the services of which alerts that were kept back are to become something else."""
    kept = {(echo.service, echo.signal.key) for echo in scene.echoes}
    found = set()
    for one in decisions if kept else ():
        if isinstance(one, Opened | Echoed | Reopened | Joined):
            service = one.service if isinstance(one, Opened | Echoed) else one.incident.service
            if any((service, signal.key) in kept for signal in one.signals):
                found.add(service)
    return frozenset(found)


def echo_due_ms(scene: Scene, now_ms: int) -> int:
    """Return when what was kept back could make an incident of its own; 0 when nothing waits."""
    moments = [echo.signal.ends_ms for echo in scene.echoes]
    if scene.echoes:
        moments += [one.ended_ms + ECHO_GRACE_MS for one in scene.failed.values() if one.ended_ms]
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


def _pinned(incident: Incident, timeline: Timeline) -> Timeline:
    """Return a timeline that begins no later than was known: alerts that fire anew forget their start."""
    known = incident.timeline
    return replace(
        timeline,
        onset_ms=min(filter(None, (known.onset_ms, timeline.onset_ms)), default=0),
        noticed_ms=min(filter(None, (known.noticed_ms, timeline.noticed_ms)), default=0),
    )


def _finished(incident: Incident, signals: Sequence[Signal]) -> Timeline:
    """Return the whole timeline of an incident that ends now; one made by hand may have no alerts."""
    return _pinned(incident, _closed(signals)) if signals else incident.timeline


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
    return f"its alerts fire, so it is {state.value}" if living else f"no alert fires, so it is {state.value}"
