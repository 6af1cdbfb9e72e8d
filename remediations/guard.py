"""May this playbook act on this alert now? Pure, and every no comes with its sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from model.alert import Alert, AlertState
from model.outcome import Outcome
from model.step import HumanAct
from remediations.attempt import Attempt
from remediations.breaker import State, replayed
from remediations.playbook import Mode, Never, Playbook

RUNS_AT_ONCE_MAX: Final = 4
SOON_MS: Final = 1_000
LATER_MS: Final = 15_000
HUMAN_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Allowed:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why not, as a sentence; ``retry_at_ms`` is None when asking again would not help.

    ``passing`` means that it is over soon, so that nobody needs to be called for it.
    """

    reason: str
    retry_at_ms: int | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at this moment; ``busy`` maps each thing that a run works on to its playbook."""

    stopped: str = ""
    busy: Mapping[str, str] = field(default_factory=dict)
    under_way: int = 0
    human: HumanAct | None = None
    pauses: Mapping[str, str] = field(default_factory=dict)
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a guard may look at; the history holds this playbook's attempts, oldest first."""

    playbook: Playbook
    alert: Alert
    facts: Facts
    history: Sequence[Attempt]
    now_ms: int


def decide(
    playbook: Playbook, alert: Alert, facts: Facts, history: Sequence[Attempt], now_ms: int
) -> Allowed | Refused:
    """Ask every guard in turn; the first no is the answer."""
    mine = tuple(one for one in history if _counts(one, playbook))
    question = Question(playbook, alert, facts, mine, now_ms)
    refusals = (guard(question) for guard in GUARDS)
    return next((refused for refused in refusals if refused), Allowed())


def _counts(attempt: Attempt, playbook: Playbook) -> bool:
    """Tell whether an attempt was this playbook's; one that was ended before it changed anything is none."""
    if attempt.playbook != playbook.playbook or attempt.target != playbook.target:
        return False
    return playbook.read_only or attempt.outcome is not Outcome.SKIPPED


def _firing(asked: Question) -> Refused | None:
    if asked.alert.state is AlertState.FIRING:
        return None
    return Refused(f"{asked.alert.name} is {asked.alert.state.value}, not firing")


def _mode(asked: Question) -> Refused | None:
    mode = asked.playbook.mode
    if mode is Mode.AUTO:
        return None
    word = "observes" if mode is Mode.OBSERVE else "proposes"
    return Refused(f"{asked.playbook.playbook} only {word}; set mode: auto to let it act")


def _kill_switch(asked: Question) -> Refused | None:
    return Refused(asked.facts.stopped, asked.now_ms + SOON_MS) if asked.facts.stopped else None


def _seen(asked: Question) -> Refused | None:
    since_ms = asked.alert.unknown_since_ms
    if since_ms is None:
        return None
    sentence = f"what {asked.alert.name} looks at cannot be seen since {clock(since_ms)}"
    return Refused(sentence, asked.now_ms + LATER_MS, passing=True)


def _pauses(asked: Question) -> Refused | None:
    for never in asked.playbook.guard.never_when:
        if never in asked.facts.pauses:
            planned = never is Never.MAINTENANCE
            return Refused(asked.facts.pauses[never], asked.now_ms + LATER_MS, passing=planned)
    return None


def _cooldown(asked: Question) -> Refused | None:
    over_ms = max((one.last_ms for one in asked.history), default=0) + asked.playbook.guard.cooldown.ms
    if not asked.history or asked.now_ms >= over_ms:
        return None
    return Refused(f"{asked.playbook.playbook} is cooling down until {clock(over_ms)}", over_ms)


def _budget(asked: Question) -> Refused | None:
    budget = asked.playbook.guard.at_most
    recent = sorted(one.started_ms for one in asked.history if one.started_ms > asked.now_ms - budget.per.ms)
    if len(recent) < budget.runs_max:
        return None
    free_ms = recent[-budget.runs_max] + budget.per.ms
    sentence = (
        f"{asked.playbook.playbook} ran {len(recent)} times; it may {budget}, again at {clock(free_ms)}"
    )
    return Refused(sentence, free_ms)


def _alone(asked: Question) -> Refused | None:
    for thing in asked.playbook.target:
        if thing in asked.facts.busy:
            sentence = f"{asked.facts.busy[thing]} works on {thing} already"
            return Refused(sentence, asked.now_ms + SOON_MS, passing=True)
    if asked.facts.under_way >= RUNS_AT_ONCE_MAX:
        sentence = f"{asked.facts.under_way} runs are under way already"
        return Refused(sentence, asked.now_ms + SOON_MS, passing=True)
    return None


def _breaker(asked: Question) -> Refused | None:
    """Keep what does not help from trying on; after its time, one run may prove itself if somebody agrees."""
    breaker = replayed(asked.history, asked.playbook.guard.breaker).at(asked.now_ms)
    if breaker.state is State.CLOSED:
        return None
    name, outcomes = asked.playbook.playbook, ", ".join(one.outcome or "" for one in breaker.tries)
    if breaker.state is State.OPEN:
        sentence = f"{name} is stopped until {clock(breaker.until_ms)}, because it did not help ({outcomes})"
        return Refused(sentence, breaker.until_ms)
    if asked.facts.approved:
        return None
    return Refused(f"{name} did not help ({outcomes}); one run may prove itself once somebody approves it")


def _human(asked: Question) -> Refused | None:
    human = asked.facts.human
    if human is None or Never.HUMAN_INTENT not in asked.playbook.guard.never_when:
        return None
    if not human.certain and asked.history and asked.history[-1].outcome in _OUR_TRACES:
        return None
    wait_ms = LATER_MS if human.passing else HUMAN_MS
    return Refused(human.reason, asked.now_ms + wait_ms, passing=human.passing)


# After a run of ours that did not end well, a service that looks stopped on purpose was stopped by us.
_OUR_TRACES: Final = (Outcome.FAILED, Outcome.INEFFECTIVE, Outcome.HARMFUL)

GUARDS: Final[tuple[Callable[[Question], Refused | None], ...]] = (
    _firing,
    _mode,
    _kill_switch,
    _seen,
    _pauses,
    _alone,
    _cooldown,
    _budget,
    _breaker,
    _human,
)


def clock(at_ms: int) -> str:
    """Return a moment's time of day in UTC, as it stands in sentences."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S} UTC"
