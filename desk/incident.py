"""The nouns of the desk: an alert as it is held here, and the incident that alerts make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from desk.view import Impact, IncidentState
from model.labels import Labels
from model.outcome import Remedy

_RANKS: Final = (Impact.UNKNOWN, Impact.MINOR, Impact.DEGRADED, Impact.PARTIAL, Impact.MAJOR)
_ADVANCE: Final = (
    IncidentState.INVESTIGATING,
    IncidentState.IDENTIFIED,
    IncidentState.MONITORING,
    IncidentState.RESOLVED,
)


def weight(impact: Impact) -> int:
    """Return how heavy an impact is, from unknown (0) to major (4)."""
    return _RANKS.index(impact)


def advance(state: IncidentState) -> int:
    """Return how far an incident is on its way, from investigating (0) to resolved (3)."""
    return _ADVANCE.index(state)


@dataclass(frozen=True, slots=True)
class Signal:
    """One alert as the desk holds it; its identity is its labels, and times are ms since 1970 in UTC.

    ``ends_ms`` lies ahead while it fires. ``guessed`` says that nobody named the end and the desk set it;
    ``over`` says that somebody reported the end, as against a word that never came again. ``remedy`` is how
    its healing stands, as its agent reports it in the annotations.
    """

    key: str
    labels: Labels
    annotations: Mapping[str, str]
    starts_ms: int
    ends_ms: int
    updated_ms: int
    guessed: bool = False
    over: bool = False
    source: str = ""
    remedy: Remedy | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Read once: every decision about an incident asks each of its alerts several times.
        object.__setattr__(self, "remedy", Remedy.of(self.annotations))

    @property
    def name(self) -> str:
        """The rule's name for it."""
        return self.labels.get("alertname")


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that was just reported; ``fresh`` says that this is the first word of this episode."""

    signal: Signal
    fresh: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The moments of an episode in ms since 1970 in UTC; 0 stands for a moment not reached.

    ``onset_ms`` is the first bad sample, ``noticed_ms`` the first alert, ``healed_ms`` the first good
    sample after it and ``verified_ms`` the proof that it lasts.
    """

    onset_ms: int = 0
    noticed_ms: int = 0
    healed_ms: int = 0
    verified_ms: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """One open episode of one service, with the alerts that belong to it."""

    id: int
    ref: str
    service: str
    impact: Impact
    first_impact: Impact
    state: IncidentState
    opened_ms: int
    timeline: Timeline
    signals: tuple[Signal, ...] = ()
    told_ms: int = 0
    escalated_ms: int = 0
    next_update_ms: int = 0
    said_ms: int = 0  # when people were last written to
    lost_ms: int = 0  # since when its alerts cannot be seen
