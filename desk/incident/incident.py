"""The nouns of the desk: an alert as it is held here, and the incident that alerts make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from desk.state import Impact, IncidentState
from model.labels import Labels
from model.outcome import Remedy

WATCHDOG: Final = "Watchdog"
"""The name of the alert that fires for as long as its agent lives."""

EARLY_MS: Final = 60_000  # so long before its promised moment an update is published

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
    def host(self) -> str:
        """The host whose agent posted it; of an alert from elsewhere, what it is about."""
        return self.annotations.get("beforehand_host") or self.labels.get("instance")

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


class EchoKind(StrEnum):
    """Why an alert makes no incident of its own."""

    UPSTREAM = "upstream"
    """Its service needs one that has an incident."""
    MERGED = "merged"
    """Somebody merged its incident into another."""
    CLOSED = "closed"
    """Somebody closed or took back its incident while it fired."""


@dataclass(frozen=True, slots=True)
class Echo:
    """An alert that makes no incident of its own, since the incident of this number accounts for it.

    ``path`` runs from the alert's service to the one that has the incident; ``impact`` is what the alert
    means for its own service.
    """

    signal: Signal
    service: str
    incident: int
    path: tuple[str, ...]
    impact: Impact
    since_ms: int
    kind: EchoKind = EchoKind.UPSTREAM


@dataclass(frozen=True, slots=True)
class Cause:
    """The incident that another one comes from; ``path`` runs from the service to the cause's."""

    incident: int
    path: tuple[str, ...]

    @property
    def service(self) -> str:
        """The service where it began."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Turn:
    """The trouble of a service came, or went."""

    at_ms: int
    came: bool


class Field(StrEnum):
    """What a person may set in an incident; automation then leaves it alone."""

    TITLE = "title"
    IMPACT = "impact"
    STATE = "state"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Hand:
    """What people said of an incident; ``locks`` names who set each field, the words are by language."""

    locks: Mapping[Field, str] = field(default_factory=dict)
    title: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)


NO_HAND: Final = Hand()


@dataclass(frozen=True, slots=True)
class Incident:
    """One open episode of one service, with the alerts that belong to it.

    ``echoes`` are alerts of services that need this one; they make no incident while this one is open.
    """

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
    reopened_ms: int = 0  # when it last began anew after an end
    unstable_ms: int = 0  # since when it comes and goes
    echoes: tuple[Echo, ...] = ()
    cause: Cause | None = None
    turns: tuple[Turn, ...] = ()
    hand: Hand = NO_HAND
    wrong: Literal["measured", "others", "drill"] = "measured"  # why it was taken back

    @property
    def begun_ms(self) -> int:
        """When it was opened, or last opened again: what waits for a healer waits from then on."""
        return max(self.opened_ms, self.reopened_ms)

    @property
    def word_due_ms(self) -> int:
        """When the promised update is published, 0 for never: early enough to be delivered in time."""
        return max(1, self.next_update_ms - EARLY_MS) if self.next_update_ms else 0

    def is_held(self, name: Field) -> bool:
        """Tell whether a person set this field, so that automation leaves it alone."""
        return name in self.hand.locks
