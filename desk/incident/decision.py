"""What can be decided about the incidents of a service: data, each with its reason as a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from desk.incident.incident import Echo, Incident, Signal, Timeline
from desk.state import Impact, IncidentState


@dataclass(frozen=True, slots=True)
class Opened:
    """A service has trouble and no open incident yet; ``unstable`` when it comes and goes."""

    service: str
    impact: Impact
    state: IncidentState
    signals: tuple[Signal, ...]
    timeline: Timeline
    reason: str
    unstable: bool = False


@dataclass(frozen=True, slots=True)
class Reopened:
    """The trouble is back so soon after its end that the same incident goes on."""

    incident: Incident
    impact: Impact
    state: IncidentState
    signals: tuple[Signal, ...]
    timeline: Timeline
    reason: str
    unstable: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Alerts belong to an incident that is open already; ``freed`` are the keys of those that were echoes."""

    incident: Incident
    signals: tuple[Signal, ...]
    freed: tuple[str, ...]
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
class Flapped:
    """It would end, but comes and goes: it stays open until it has been quiet for long enough."""

    incident: Incident
    timeline: Timeline
    reason: str


@dataclass(frozen=True, slots=True)
class Turned:
    """The trouble of an unstable incident came or went once more; nobody is told."""

    incident: Incident
    came: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """An unstable incident has stayed bad for so long that it is an ordinary one."""

    incident: Incident
    reason: str


@dataclass(frozen=True, slots=True)
class Echoed:
    """Alerts of a service make no incident of their own, since one that it needs has one.

    ``path`` runs from the service to the one at its end, whose incident accounts for them.
    """

    service: str
    path: tuple[str, ...]
    signals: tuple[Signal, ...]
    impact: Impact
    reason: str


@dataclass(frozen=True, slots=True)
class Faded:
    """An alert that made no incident of its own is over."""

    echo: Echo
    reason: str


@dataclass(frozen=True, slots=True)
class Traced:
    """An open incident has its cause in another one, whose service stands at the end of ``path``."""

    incident: Incident
    path: tuple[str, ...]
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


Decision = (
    Opened
    | Reopened
    | Joined
    | Moved
    | LostSight
    | Ended
    | Flapped
    | Turned
    | Settled
    | Echoed
    | Faded
    | Traced
    | WasOver
    | Ignored
)
