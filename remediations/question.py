"""What guards are asked, what they may look at, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from model.alert import Alert
from model.step import HumanAct
from remediations.attempt import Attempt
from remediations.writing.playbook import Playbook

SOON_MS: Final = 1_000
LATER_MS: Final = 15_000
HUMAN_MS: Final = 60_000
ATTEMPTS_TOLD_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Allowed:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why not, as a sentence; ``retry_at_ms`` is None when asking again would not help.

    ``passing`` means that it should be over soon, so that nobody is called unless it lasts, and ``planned``
    that nobody is called however long it does. ``lasting`` says that this playbook is out for so long that
    the next one which answers may be tried. ``approvable`` says that nothing is missing but the approval of
    a person. ``guard`` is the one that refused.
    """

    reason: str
    retry_at_ms: int | None = None
    passing: bool = False
    planned: bool = False
    lasting: bool = False
    approvable: bool = False
    guard: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """How fresh the samples behind an alert are: the age of the oldest, and how far apart they are.

    ``lasts_ms`` is how long a look may last: of a target that hangs each one takes that long.
    """

    age_ms: int
    every_ms: int
    lasts_ms: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at this moment.

    ``busy`` maps each thing that a run works on to its playbook. ``under_way`` counts the runs that change
    something, ``looking`` those that only look. ``human`` wants the present state of the target, ``at_work``
    is who changes this host just now. ``holds`` maps a playbook, or '' for all, to the sentence of
    the human who holds it back. ``pauses`` maps what keeps from acting for now to its sentence. ``firing``
    are all alerts that fire on this agent, ``watched`` the groups that it watches. ``lease`` says why the
    desk does not let this host act, or is ''. ``approved`` says that enough people approved this run.
    """

    stopped: str = ""
    busy: Mapping[str, str] = field(default_factory=dict)
    under_way: int = 0
    looking: int = 0
    human: HumanAct | None = None
    at_work: HumanAct | None = None
    holds: Mapping[str, str] = field(default_factory=dict)
    pauses: Mapping[str, str] = field(default_factory=dict)
    sight: Sight | None = None
    firing: Sequence[Alert] = ()
    watched: frozenset[str] = frozenset()
    lease: str = ""
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a guard may look at; histories are oldest first.

    ``history`` holds this playbook's attempts, ``others`` those of other playbooks at the same things.
    """

    playbook: Playbook
    alert: Alert
    facts: Facts
    history: Sequence[Attempt]
    others: Sequence[Attempt]
    now_ms: int


def clock(at_ms: int) -> str:
    """Return a moment's time of day in UTC, as it stands in sentences."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S} UTC"


def table(attempts: Sequence[Attempt]) -> str:
    """Return when each of the last attempts began and what came of it, in one line."""
    return ", ".join(
        f"{datetime.fromtimestamp(one.started_ms / 1000, UTC):%H:%M} {one.outcome or 'under way'}"
        for one in attempts[-ATTEMPTS_TOLD_MAX:]
    )
