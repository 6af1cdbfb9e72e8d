"""What the healer needs of the agent around it, as functions, so that a simulation can be that agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from model.alert import Alert
from model.grant import Grant
from model.labels import Labels
from model.step import Host, HumanAct
from remediations.question import Sight
from remediations.writing.playbook import Playbook


def _no_pauses() -> Mapping[str, str]:
    return {}


def _nothing_worse(_alert: Alert, _since_ms: int) -> str:
    return ""


def _no_sight(_alert: Alert, _now_ms: int) -> Sight | None:
    return None


def _nothing_watched() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class People:
    """How people are asked for their approval.

    ``host`` is how they know this host. ``name`` gives an ask an id that nobody can guess, ``answers``
    returns what was brought so far, whoever made it, and ``genuine`` tells whether a person did.
    """

    host: str
    name: Callable[[], str]
    answers: Callable[[], Sequence[Grant]]
    genuine: Callable[[Grant], bool]


def _none_given(_labels: Labels, _leases: int) -> None:
    return None


def _none_left(_under_way: frozenset[Labels]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the healer needs of the agent.

    Workers call ``stopped``, ``wake``, ``now``, ``at_work``, ``lease``, ``give_back`` and ``settle``, the
    loop all others.

    ``judge_effect(playbook, alert, since_ms, now_ms)`` tells whether the trouble is gone by samples
    taken after ``since_ms``, None when there are none. ``ask_fresh(playbook, alert)`` asks for such
    samples now; it is called again at growing distances until the run is judged.
    ``on_change`` says that a remedy changed, ``wake`` that ``tick`` should be called now. ``stopped``
    is the kill switch's sentence or ''. ``pauses`` maps what keeps from acting for now, such as
    ``maintenance``, ``freeze``, ``warm-up`` and ``doubt``, to a sentence; ``holds`` does so for a playbook
    that somebody holds back, or '' for all. ``worse(alert, since_ms)`` names an alert of the same service
    that is graver and began to fire since then, or is ''. ``sight(alert, now_ms)`` tells how fresh the
    samples behind an alert are, None where no probe stands behind it; ``watched`` names all groups that the
    agent watches. ``at_work`` tells of somebody who changes the host just now; ``lease(playbook, alert)``
    is why the desk does not let this host act, or ''; both are None where nobody is to be asked.
    ``give_back(labels, leases)`` ends so many leases that were given for an alert once its run is over, and
    ``settle(under_way)`` those of a life before, but for the alerts whose runs still go on.
    ``people`` is None where nobody can approve anything.
    """

    judge_effect: Callable[[Playbook, Alert, int, int], bool | None]
    ask_fresh: Callable[[Playbook, Alert], None]
    on_change: Callable[[], None]
    wake: Callable[[], None]
    stopped: Callable[[], str]
    now: Callable[[], int]
    host: Host
    pauses: Callable[[], Mapping[str, str]] = field(default=_no_pauses)
    worse: Callable[[Alert, int], str] = field(default=_nothing_worse)
    holds: Callable[[], Mapping[str, str]] = field(default=_no_pauses)
    sight: Callable[[Alert, int], Sight | None] = field(default=_no_sight)
    watched: Callable[[], frozenset[str]] = field(default=_nothing_watched)
    at_work: Callable[[], HumanAct | None] | None = None
    lease: Callable[[Playbook, Alert], str] | None = None
    give_back: Callable[[Labels, int], None] = field(default=_none_given)
    settle: Callable[[frozenset[Labels]], None] = field(default=_none_left)
    people: People | None = None
