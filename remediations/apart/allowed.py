"""What the hand may be asked for: the steps of the enabled playbooks, each within its playbook's budget."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from model.duration import Duration
from model.plugin import Unplannable
from model.step import Host, Risk, Step
from remediations.apart.packing import pack
from remediations.apart.words import PACKET_BYTES_MAX, SPARE_BYTES, VALID_MS, VERSION, Request
from remediations.asking.approval import digest, digest_at, needed, needed_at
from remediations.asking.consent import KEYLESS, Consent, Identity, Purpose, consent, lacking
from remediations.budget import Budgets
from remediations.writing.gates import gates
from remediations.writing.playbook import Mode, Playbook
from remediations.writing.task import Block, Task, Tasks

_RUN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
# The agent counts from where it begins a run, the hand from where it hears of it.
_LATER_MS_MAX: Final = VALID_MS


@dataclass(frozen=True, slots=True)
class GateTerms:
    """What a playbook asks in its middle: its number, how many must agree, and the digest they agree to."""

    number: int
    needs: int
    plan: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one playbook may have done: ``looks`` at any time, ``acts`` in a run and within the budgets.

    ``acts_max`` is how many steps that change something one run can take, its retries and undo counted.
    ``target`` is what the playbook touches, ``mode`` how far it goes without a person, ``approval`` how many
    people must agree to a run, ``plan`` the digest of what they agree to. ``behind`` is the question that an
    act stands behind, wherever it stands in the playbook. What is ``hidden`` is written down nowhere.
    """

    playbook: str
    mode: Mode
    target: tuple[str, ...]
    looks: frozenset[Step]
    acts: frozenset[Step]
    acts_max: int
    budgets: Budgets
    approval: int
    plan: str
    hidden: frozenset[Step] = frozenset()
    behind: Mapping[Step, GateTerms] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The list of all that is allowed, by playbook; ``without`` says why a playbook has no place in it.

    ``identity`` is by what grants are known to be for this hand.
    """

    each: Mapping[str, Allowance] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    identity: Identity = KEYLESS


@dataclass(frozen=True, slots=True)
class Start:
    """A run that has changed something, since when, with how many steps, and who agreed to which ask.

    ``opened`` are those whom it asked in its middle, by the ask.
    """

    run: str
    playbook: str
    target: tuple[str, ...]
    began_ms: int
    acts: int = 1
    ask: str = ""
    by: tuple[str, ...] = ()
    opened: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """What a hand remembers: the runs that count, by their names, and for each ask the run that it served."""

    starts: Mapping[str, Start] = field(default_factory=dict)
    served: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a step that changes something may be taken: as what it counts, or why not."""

    start: Start | None = None
    because: str = ""


def compiled(playbooks: Iterable[Playbook], host: Host, identity: Identity = KEYLESS) -> Allowed:
    """Return what these playbooks may have done on this host; one that only observes may only ask."""
    each: dict[str, Allowance] = {}
    without: list[str] = []
    for playbook in playbooks:
        try:
            allowance = _allowance(playbook, host)
        except Unplannable as wrong:
            without.append(f"{playbook.playbook}: {wrong}")
            continue
        bulky = next(
            (step for step in sorted(allowance.acts | allowance.looks, key=str) if _bulky(step)), None
        )
        if bulky is None:
            each[playbook.playbook] = allowance
        else:
            without.append(f"{playbook.playbook}: the step {str(bulky)[:80]} is too long for a message")
    return Allowed(each, tuple(without), identity)


def _allowance(playbook: Playbook, host: Host) -> Allowance:
    looks = {step for steps in playbook.asks(host) for step in steps}
    acts: set[Step] = set()
    acts_max = 0
    if playbook.mode is not Mode.OBSERVE or playbook.read_only:
        for task in playbook.tasks:
            steps = tuple(_steps(task, host))
            if task.action.risk is Risk.READ_ONLY:
                looks |= set(steps)
            else:
                acts |= set(steps)
                acts_max += len(steps) * task.terms.attempts
    plan = digest(playbook, host)
    return Allowance(
        playbook.playbook,
        playbook.mode,
        playbook.target,
        frozenset(looks),
        frozenset(acts),
        acts_max,
        playbook.guard.at_most,
        needed(playbook),
        plan,
        frozenset(_hidden(playbook.steps, host, hide=False)),
        _behind(playbook, host, plan),
    )


def _behind(playbook: Playbook, host: Host, plan: str) -> Mapping[Step, GateTerms]:
    """Return the question that each act stands behind, of several places the first in the playbook.

    So what may be done unasked at one place is not asked about at another, which nobody could tell apart.
    """
    before = gates(playbook.steps).before
    found: dict[Step, GateTerms | None] = {}
    for task in playbook.tasks if before else ():
        for turn in task.turns if task.action.risk is not Risk.READ_ONLY else ():
            gate = before.get(id(turn))
            asks = GateTerms(gate.number, needed_at(gate, playbook), digest_at(gate, plan)) if gate else None
            for step in (*task.plan(turn, host), *task.action.undo(turn.options, host)):
                known = found.setdefault(step, asks)
                if asks is None or (known is not None and asks.number < known.number):
                    found[step] = asks
    return {step: asks for step, asks in found.items() if asks is not None}


def _steps(task: Task, host: Host) -> Iterator[Step]:
    for turn in task.turns:
        yield from task.plan(turn, host)
        yield from task.action.undo(turn.options, host)


def _hidden(tasks: Tasks, host: Host, *, hide: bool) -> Iterator[Step]:
    """Yield the steps of what says no_log, itself or through its block."""
    for one in tasks.each:
        hidden = hide or one.terms.no_log
        if isinstance(one, Block):
            for part in (one.block, one.rescue, one.always):
                yield from _hidden(part, host, hide=hidden)
        elif hidden:
            yield from _steps(one, host)


def _bulky(step: Step) -> bool:
    return len(pack(step)) > PACKET_BYTES_MAX - SPARE_BYTES


def refusal(asked: Request, once: str, allowed: Allowed, since_boot_ms: int) -> str:
    """Return why a request is refused whatever was done before, or the empty text."""
    if asked.version != VERSION:
        return f"the agent speaks version {asked.version} and the hand {VERSION}; upgrade and restart both"
    if asked.once != once:
        return "this request was made for another connection"
    if not 0 <= since_boot_ms - asked.issued_ms <= VALID_MS:
        return f"the plan is older than {Duration(VALID_MS)}"
    return _unlisted(asked, allowed)


def _unlisted(asked: Request, allowed: Allowed) -> str:
    allowance = allowed.each.get(asked.playbook)
    if allowance is None:
        return f"no enabled playbook is called {asked.playbook[:80]!r}"
    if asked.run and not _RUN.fullmatch(asked.run):
        return f"{asked.run[:80]!r} cannot be the name of a run"
    if asked.step in allowance.looks:
        return ""
    if asked.step not in allowance.acts:
        return f"{asked.playbook} has no such step"
    return "" if asked.run else "a step that changes something belongs to a run"


def changes(asked: Request, allowance: Allowance) -> bool:
    """Tell whether a step that was not refused counts."""
    return asked.step not in allowance.looks and not asked.check


def judged(asked: Request, allowed: Allowed, past: Past, now_ms: int) -> Verdict:
    """Judge a step that was not refused and changes something, by what was done before and who agreed."""
    allowance, known = allowed.each[asked.playbook], past.starts.get(asked.run)
    if known is not None and known.playbook != asked.playbook:
        return Verdict(because=f"the run {asked.run} belongs to {known.playbook}")
    purpose = Purpose(asked.playbook, allowance.plan, known.ask if known else "")
    said = consent(asked.grants, purpose, allowed.identity, past.served, now_ms)
    because = lacking(said, allowance.approval) or overdrawn(allowance, asked.run, past, said, now_ms)
    question = allowance.behind.get(asked.step)
    opened: dict[str, tuple[str, ...]] = {}
    if question is not None and not because:
        yes = _answered(asked, question, known, allowed.identity, past, now_ms)
        lacks, opened = lacking(yes, question.needs), {yes.ask: yes.by}
        because = (
            f"the step stands behind question {question.number} of its playbook: {lacks}" if lacks else ""
        )
    if because:
        return Verdict(because=because)
    start = Start(
        asked.run, asked.playbook, allowance.target, now_ms, ask=said.ask, by=said.by, opened=opened
    )
    return Verdict(start)


def _answered(
    asked: Request, question: GateTerms, known: Start | None, identity: Identity, past: Past, now_ms: int
) -> Consent:
    """Return who agreed to a question in the middle; one that the run went on with holds to its end."""
    opened = known.opened if known else {}
    before = (one.ask for one in asked.grants if one.plan == question.plan and one.ask in opened)
    purpose = Purpose(asked.playbook, question.plan, next(before, ""))
    return consent(asked.grants, purpose, identity, past.served, now_ms)


def overdrawn(allowance: Allowance, run: str, past: Past, said: Consent, now_ms: int) -> str:
    """Return why one more step of this run would be beyond what its playbook may, or the empty text.

    Budgets are those that the guards keep. Beyond the one that latches a person must agree; the count begins
    anew with such a run.
    """
    known = past.starts.get(run)
    if known is not None:
        spent = known.acts >= allowance.acts_max
        return f"the run {run} has taken all {allowance.acts_max} steps that it can have" if spent else ""
    mine = [
        one
        for one in past.starts.values()
        if one.playbook == allowance.playbook and one.target == allowance.target
    ]
    for budget in allowance.budgets:
        window_ms = budget.per.ms - min(_LATER_MS_MAX, budget.per.ms // 10)
        recent = [one for one in mine if one.began_ms > now_ms - window_ms]
        latches = budget is allowance.budgets.latch
        if len(_since_approval(recent) if latches else recent) < budget.runs_max:
            continue
        sentence = f"{allowance.playbook} has had {budget.runs_max} runs in {budget.per}"
        if not latches:
            return f"{sentence}, which is all that it may have"
        if lacking(said, 1):
            return f"{sentence}, beyond which {lacking(said, 1)}"
    return ""


def _since_approval(starts: Iterable[Start]) -> list[Start]:
    """Return the last run that somebody agreed to and those after it, or all where there is none."""
    counted: list[Start] = []
    for one in sorted(starts, key=lambda one: one.began_ms):
        if one.ask:
            counted = []
        counted.append(one)
    return counted
