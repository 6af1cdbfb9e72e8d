"""Playbooks: which alerts they answer, what they do, how often they may, and what proves that it helped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from model.decode import Decoder, decode
from model.duration import Duration, seconds
from model.labels import Labels
from model.matcher import Matchers
from model.misfit import NOWHERE, Misfit, Place, Problem, Rejected
from model.step import Host, HumanAct, Result, Risk, Step
from model.yaml_tree import Node, Scalar
from remediations import budget
from remediations.breaker import USUAL, BreakerTerms
from remediations.budget import Budgets
from remediations.writing.gates import gates, misplaced
from remediations.writing.task import GIVEN, NESTING_MAX, TASKS_MAX, Task, Tasks, Turn

VERIFY_MAX: Final = Duration(24 * 3_600_000)
RUNS_AT_ONCE_MAX: Final = 4
PROMOTE_AFTER_MAX: Final = 100
APPROVAL_MAX: Final = Duration(24 * 3_600_000)
PEOPLE_MAX: Final = 5

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHARE: Final = re.compile(r"([1-9][0-9]?|100)%|[1-9][0-9]{0,3}")


class Name(str):
    """A playbook's name: small letters, digits and dashes."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Name:
        """Keep to what can stand in a path, a label and a sentence."""
        if not _NAME.fullmatch(text):
            raise Misfit(f"{text[:40]!r} is not a playbook's name", "write it like restart-nginx")
        return cls(text)


class Mode(StrEnum):
    """How far a playbook may go by itself."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    APPROVE = "approve"
    AUTO = "auto"


class Never(StrEnum):
    """Times at which a playbook keeps its hands off."""

    HUMAN_INTENT = "human_intent"
    AT_WORK = "at_work"
    MAINTENANCE = "maintenance"
    FREEZE = "freeze"


class Otherwise(StrEnum):
    """What follows when a playbook did not or must not help."""

    ESCALATE = "escalate"
    NOTHING = "nothing"


class Share(str):
    """Hosts at once, as a count or a percentage; counted by the desk, not on a single host."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read ``10%`` or ``2``."""
        if not _SHARE.fullmatch(text):
            raise Misfit(f"{text[:40]!r} is not a number of hosts", "write it like 10% or 2")
        return cls(text)


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """How many different people must approve a run, and for how long they are waited for.

    Left out, ``by`` is what the mode and the risk of the steps ask for. ``by: 0`` lets a playbook do by
    itself what cannot be undone; ``because`` says why that is right.
    """

    within: Duration = seconds(15 * 60)
    by: int | None = None
    because: str = ""

    def __post_init__(self) -> None:
        if not seconds(1) <= self.within <= APPROVAL_MAX:
            raise Misfit(
                f"an approval is waited for from 1s to {APPROVAL_MAX}", "write within: 15m", key="within"
            )
        if self.by is not None and not 0 <= self.by <= PEOPLE_MAX:
            raise Misfit(f"a run is approved by 0 to {PEOPLE_MAX} people", "write by: 1", key="by")
        if self.by == 0 and not self.because.strip():
            cure = 'write because: "..." with the reason beside it'
            raise Misfit("by: 0 lets it do what cannot be undone, and does not say why", cure, key="by")
        if self.by != 0 and self.because:
            cure = "leave it out, or write by: 0"
            raise Misfit("because says why nobody must approve, and somebody must", cure, key="because")


@dataclass(frozen=True, slots=True)
class Guard:
    """What must hold before a playbook acts; every guard is on unless it is written otherwise.

    ``at_once`` is how many runs that change something this host bears, this one counted. ``unless`` names
    alerts as ``on`` does: while one of them fires, this playbook's alert may only suffer from it.
    """

    cooldown: Duration = seconds(600)
    at_most: Budgets = budget.USUAL
    at_once: int = 1
    hosts_at_once: Share | None = None
    never_when: tuple[Never, ...] = tuple(Never)
    unless: tuple[Matchers, ...] = ()
    breaker: BreakerTerms = USUAL
    approval: ApprovalTerms = ApprovalTerms()

    def __post_init__(self) -> None:
        if not 1 <= self.at_once <= RUNS_AT_ONCE_MAX:
            raise Misfit(f"at_once is 1 to {RUNS_AT_ONCE_MAX} runs", "write at_once: 1", key="at_once")
        if any(matchers.matches({}) for matchers in self.unless):
            cure = 'name the alerts, like alertname="DatabaseDown"'
            raise Misfit("these matchers ask for no label, so it would never act", cure, key="unless")


@dataclass(frozen=True, slots=True)
class Expression:
    """A PromQL text as it stands in the file; the agent compiles it."""

    source: Scalar

    @classmethod
    def decode(cls, node: Node, _decoder: Decoder) -> Expression:
        """Take any text that is not empty."""
        if not isinstance(node, Scalar) or not node.text.strip():
            raise Misfit("an expression is a text", "write PromQL that is true when the trouble is over")
        return cls(node)

    @property
    def text(self) -> str:
        """The expression itself."""
        return self.source.text

    def at(self, offset: int) -> Place:
        """Return the place in the file of a character of the expression."""
        return self.source.at(offset)


@dataclass(frozen=True, slots=True)
class Verify:
    """The proof: within this time the trouble is gone, and it stays away for the hold.

    Without ``expr`` the alert's own expression is the proof; with it, both must agree.
    """

    expr: Expression | None = None
    within: Duration = seconds(120)
    hold: Duration = seconds(20)

    def __post_init__(self) -> None:
        if not seconds(1) <= self.within <= VERIFY_MAX:
            raise Misfit(f"the proof is awaited for 1s to {VERIFY_MAX}", "write within: 2m", key="within")
        if self.hold > self.within:
            raise Misfit(f"the hold of {self.hold} is longer than within", "write hold: 20s", key="hold")


@dataclass(frozen=True, slots=True)
class Planned:
    """One step that a run may take: what is done, how risky it is, and whether an action begins with it."""

    number: int
    step: Step
    risk: Risk
    begins: bool
    task: Task


@dataclass(frozen=True, slots=True)
class Playbook:
    """A promise: on which alerts, what, how often, how proved, what otherwise.

    ``promote_after`` is how often in a row it must have done well before the next mode is suggested: clean
    proposals while it observes or proposes, and then only once it was watched for 24h or would have begun 20
    times, whichever comes first; runs that helped while it needs approval. ``tasks`` are all of ``steps``,
    those of blocks as well; ``target`` is what their actions touch, sorted.
    """

    playbook: Name
    summary: str
    on: tuple[Matchers, ...]
    steps: Tasks
    verify: Verify | None = None
    mode: Mode = Mode.PROPOSE
    guard: Guard = Guard()
    otherwise: Otherwise = Otherwise.ESCALATE
    promote_after: int = 5
    place: Place = field(default=NOWHERE, compare=False)
    tasks: tuple[Task, ...] = field(init=False, compare=False, repr=False)
    target: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Guards ask for these all the time; what a playbook says never changes.
        object.__setattr__(self, "tasks", tuple(self.steps.walk()))
        object.__setattr__(self, "target", self._touched())
        if not self.on:
            raise Misfit(
                "a playbook answers to some alerts", "write on: ['alertname=\"NginxDown\"']", key="on"
            )
        if any(matchers.matches({}) for matchers in self.on):
            cure = 'name the alerts, like alertname="NginxDown"'
            raise Misfit("these matchers ask for no label", cure, key="on")
        if not 1 <= len(self.tasks) <= TASKS_MAX:
            raise Misfit(f"a playbook has 1 to {TASKS_MAX} steps", "write steps: [- ...]", key="steps")
        if self.steps.nesting > NESTING_MAX:
            cure = "take the playbook apart"
            raise Misfit(f"blocks are nested deeper than {NESTING_MAX}", cure, key="steps")
        if self.verify is None and not self.read_only:
            cure = "add verify: {within: 2m, hold: 20s}, with an expr if the alert's own is not enough"
            raise Misfit("a playbook that changes something needs verify", cure)
        if not 1 <= self.promote_after <= PROMOTE_AFTER_MAX:
            sentence = f"a promotion is suggested after 1 to {PROMOTE_AFTER_MAX} good turns"
            raise Misfit(sentence, "write promote_after: 5", key="promote_after")

    @property
    def read_only(self) -> bool:
        """Whether it only looks."""
        return all(task.action.risk is Risk.READ_ONLY for task in self.tasks)

    @property
    def acts(self) -> bool:
        """Whether it may act, be it once people have approved."""
        return self.mode in (Mode.APPROVE, Mode.AUTO)

    @property
    def irreversible(self) -> bool:
        """Whether any step of it cannot be taken back."""
        return any(task.action.risk is Risk.IRREVERSIBLE for task in self.tasks)

    def _touched(self) -> tuple[str, ...]:
        touched = (task.action.touches(turn.options) for task, turn in self._turns())
        return tuple(sorted(frozenset().union(*touched)))

    def plan(self, host: Host) -> tuple[Planned, ...]:
        """Return all steps that it could take on this host; may raise ``Unplannable``."""
        planned: list[Planned] = []
        for task, turn in self._turns():
            for index, step in enumerate(task.plan(turn, host)):
                number = len(planned) + 1
                planned.append(Planned(number, step, task.action.risk, begins=index == 0, task=task))
        return tuple(planned)

    def asks(self, host: Host) -> tuple[tuple[Step, ...], ...]:
        """Return for each turn of each task what is asked about a human's intent."""
        if Never.HUMAN_INTENT not in self.guard.never_when:
            return tuple(() for _ in self._turns())
        return tuple(tuple(task.action.asks(turn.options, host)) for task, turn in self._turns())

    def human(self, answers: Sequence[Sequence[Result]]) -> HumanAct | None:
        """Read the answers to ``asks``; the first sign of a human counts."""
        acts = (
            task.action.intent(turn.options, results)
            for (task, turn), results in zip(self._turns(), answers, strict=True)
        )
        return next((act for act in acts if act is not None), None)

    def _turns(self) -> Iterator[tuple[Task, Turn]]:
        return ((task, turn) for task in self.tasks for turn in task.turns)


def load_playbook(data: bytes, file: str) -> Playbook:
    """Return the playbook of a file, or raise ``Rejected`` with every mistake in it."""
    playbook = decode(data, file, Playbook)
    problems = (*playbook.steps.strangers(GIVEN), *misplaced(playbook.steps), *_unapproved(playbook))
    if problems:
        raise Rejected(problems)
    return playbook


def _unapproved(playbook: Playbook) -> Iterator[Problem]:
    """Yield where fewer people are to approve than the mode means, or than what it risks allows."""
    by, share = playbook.guard.approval.by, playbook.guard.hosts_at_once
    if by == 0 and playbook.mode is Mode.APPROVE:
        yield Problem(playbook.place, "mode: approve and by: 0 contradict each other", "write mode: auto")
    if by in (0, 1) and playbook.irreversible and share not in (None, "1"):
        sentence = "what cannot be undone on several hosts at once is approved by two people"
        yield Problem(playbook.place, sentence, "write by: 2, or hosts_at_once: 1")
    if playbook.irreversible and share not in (None, "1"):
        for gate in gates(playbook.steps).each:
            if gate.asks.by == 1:
                sentence = "what cannot be undone on several hosts at once is approved by two people"
                yield Problem(playbook.place, sentence, "write approve: {by: 2}, or hosts_at_once: 1")


def together(playbooks: Iterable[Playbook]) -> tuple[Playbook, ...]:
    """Return the playbooks in their order, or raise ``Rejected`` where two have one name."""
    known: dict[str, Playbook] = {}
    problems = []
    for playbook in playbooks:
        first = known.setdefault(playbook.playbook, playbook)
        if first is not playbook:
            sentence = f"the playbook {playbook.playbook!r} is given twice, first in {first.place}"
            problems.append(Problem(playbook.place, sentence, "give it another name"))
    if problems:
        raise Rejected(tuple(problems))
    return tuple(known.values())


def answering(playbooks: Iterable[Playbook], labels: Labels) -> tuple[Playbook, ...]:
    """Return the playbooks that answer to these labels, in the order in which they are tried."""
    return tuple(one for one in playbooks if any(each.matches(labels) for each in one.on))
