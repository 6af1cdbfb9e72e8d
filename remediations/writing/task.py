"""Tasks: what a playbook does, in Ansible's words and meaning (ansible-core 2.19, keyword_desc.yml).

Everything that could be done stands in the file: the items of a loop are written there and put into a task's
options when the file is read, so whatever a condition says later, each step is known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from model.decode import MISSING, Decoder, Missing, nearest
from model.duration import Duration, seconds
from model.misfit import Misfit, Place, Problem
from model.plugin import AnyAction
from model.step import STEP_TIMEOUT_S_MAX, Exec, Gather, Host, Step
from model.yaml_tree import Mapping, Node, Sequence
from remediations.actions import ACTIONS
from remediations.actions.speech import strangers
from remediations.writing.clause import NO_CLAUSES, Clauses
from remediations.writing.loop import expanded, items

TASKS_MAX: Final = 60
NESTING_MAX: Final = 4
RETRIES_MAX: Final = 100
DELAY_MAX: Final = seconds(600)
GIVEN: Final = frozenset({"labels", "alert", "facts"})
IN_RESCUE: Final = frozenset({"failed_task", "failed_result"})

_ACTIONS: Final = {action.name: action for action in ACTIONS}
_ELSEWHERE: Final = {
    "become": "the hand has its own rights; `beforehand privileges` prints them",
    "environment": "programs run in a clean environment",
    "delegate_to": "an agent acts on its own host only",
    "async": "a run waits for its steps; use timeout:",
    "notify": "write the step where it is needed, with when: result is changed",
    "tags": "write a playbook of its own",
    "template": "values are never filled into files; write the text itself with file:",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether and how often a task is done, and what counts as changed and as failed.

    With ``until`` a task is tried again ``retries`` times, ``delay`` apart, until that holds; with
    ``retries`` alone until it does not fail.
    """

    name: str = ""
    when: Clauses = NO_CLAUSES
    register: str = ""
    until: Clauses = NO_CLAUSES
    retries: int | None = None
    delay: Duration = seconds(5)
    changed_when: Clauses | None = None
    failed_when: Clauses | None = None
    ignore_errors: bool = False
    no_log: bool = False
    timeout: Duration | None = None

    def __post_init__(self) -> None:
        if self.timeout and not 100 <= self.timeout.ms <= STEP_TIMEOUT_S_MAX * 1000:
            raise Misfit(f"a step may take 100ms to {STEP_TIMEOUT_S_MAX:.0f}s", "write 60s", key="timeout")
        if self.retries is not None and not 1 <= self.retries <= RETRIES_MAX:
            raise Misfit(f"retries are 1 to {RETRIES_MAX}", "write retries: 3", key="retries")
        if self.delay > DELAY_MAX:
            raise Misfit(f"the delay is longer than {DELAY_MAX}", "write delay: 5s", key="delay")
        if self.register and (not self.register.isidentifier() or self.register in GIVEN | IN_RESCUE):
            raise Misfit(f"{self.register!r} cannot be registered", "write a name of its own", key="register")

    @property
    def attempts(self) -> int:
        """How often it is tried at most; Ansible's default are three retries."""
        if self.retries is None:
            return 4 if self.until.each else 1
        return 1 + self.retries


@dataclass(frozen=True, slots=True)
class BlockTerms:
    """Whether a block is done; ``when`` and ``no_log`` hold for each of its tasks."""

    name: str = ""
    when: Clauses = NO_CLAUSES
    ignore_errors: bool = False
    no_log: bool = False


_TERMS: Final = tuple(field.name for field in fields(Terms))
_PARTS: Final = ("block", "rescue", "always")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a loop, by the text of its item, with its options; without a loop there is one."""

    item: str
    options: Any


@dataclass(frozen=True, slots=True)
class Task:
    """One action with its options, for each turn of its loop, and the terms under which it is done."""

    action: AnyAction
    turns: tuple[Turn, ...]
    terms: Terms
    loops: bool
    place: Place

    @property
    def title(self) -> str:
        """What people call it."""
        return self.terms.name or self.action.name

    def strangers(self, known: frozenset[str]) -> Iterator[Problem]:
        """Yield each of its conditions that starts from a value which is not known there."""
        before = known | {"item"} if self.loops else known
        after = before | {self.terms.register}
        yield from self.terms.when.strangers(before)
        for clauses in (self.terms.until, self.terms.changed_when, self.terms.failed_when):
            yield from (clauses or Clauses()).strangers(after)
        for turn in self.turns:
            yield from strangers(turn.options, before)

    def plan(self, turn: Turn, host: Host) -> Iterator[Step]:
        """Yield what it would do on this host in one turn, its own time limit laid over each step."""
        for step in self.action.plan(turn.options, host):
            if self.terms.timeout and isinstance(step, Exec | Gather):
                yield replace(step, timeout_s=self.terms.timeout.s)
            else:
                yield step


@dataclass(frozen=True, slots=True)
class Block:
    """Tasks that belong together: ``rescue`` is done when one of them fails, ``always`` in any case."""

    block: Tasks
    rescue: Tasks
    always: Tasks
    terms: BlockTerms
    place: Place


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks and blocks in their order."""

    each: tuple[Task | Block, ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Tasks | Missing:
        """Read a list of tasks and of blocks of them."""
        if not isinstance(node, Sequence):
            raise Misfit("steps are a list", "write - before each step")
        found = [decoder.value(one, _Item) for one in node.items]
        return MISSING if MISSING in found else cls(tuple(found))

    def walk(self) -> Iterator[Task]:
        """Yield every task, those of blocks as well."""
        for one in self.each:
            if isinstance(one, Task):
                yield one
            else:
                for part in (one.block, one.rescue, one.always):
                    yield from part.walk()

    def strangers(self, known: frozenset[str]) -> Iterator[Problem]:
        """Yield each condition that starts from a value which nobody has given or registered before it."""
        for one in self.each:
            if isinstance(one, Task):
                yield from one.strangers(known)
                known |= {one.terms.register}
                continue
            yield from one.terms.when.strangers(known)
            for part, more in ((one.block, frozenset()), (one.rescue, IN_RESCUE), (one.always, frozenset())):
                yield from part.strangers(known | more)
                known |= part.registered()

    def registered(self) -> frozenset[str]:
        """Return the names under which results are kept."""
        return frozenset(task.terms.register for task in self.walk() if task.terms.register)

    @property
    def nesting(self) -> int:
        """How deep blocks stand in blocks."""
        blocks = [one for one in self.each if isinstance(one, Block)]
        inner = [part.nesting for one in blocks for part in (one.block, one.rescue, one.always)]
        return 1 + max(inner) if inner else 0


class _Item:
    """One item of a list of steps: a block where it has the key ``block``, else a task."""

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Task | Block | Missing:
        if not isinstance(node, Mapping):
            raise Misfit("a step is a mapping with one action", f"write {next(iter(_ACTIONS))}: ...")
        return _block(node, decoder) if node.get("block") is not None else _task(node, decoder)


def _block(node: Mapping, decoder: Decoder) -> Block | Missing:
    parts: dict[str, Tasks | Missing] = {
        key.text: decoder.value(child, Tasks) for key, child in node.pairs if key.text in _PARTS
    }
    terms = decoder.record(_without(node, _PARTS), BlockTerms)
    read = {name: part for name, part in parts.items() if part is not MISSING}
    if terms is MISSING or len(read) < len(parts):
        return MISSING
    if not read["block"].each:
        raise Misfit("the block is empty", "write the steps that belong together", key="block")
    block, rescue, always = (read.get(part, Tasks()) for part in _PARTS)
    return Block(block, rescue, always, terms, node.place)


def _task(node: Mapping, decoder: Decoder) -> Task | Missing:
    """Read a mapping with exactly one action key beside the terms, and one turn for each item of its loop."""
    known = len(decoder.problems)
    chosen = [(key, child) for key, child in node.pairs if key.text not in (*_TERMS, "loop")]
    for key, _ in chosen:
        if key.text not in _ACTIONS:
            cure = _ELSEWHERE.get(key.text) or nearest(key.text, [*_ACTIONS, *_TERMS, "loop", "block"])
            decoder.refuse(key.place, f"unknown action {key.text!r}", cure)
    terms = decoder.record(_without(node, [key.text for key, _ in chosen] + ["loop"]), Terms)
    loop = node.get("loop")
    texts = items(loop, decoder) if loop is not None else ("",)
    if len(decoder.problems) > known or terms is MISSING:
        return MISSING
    if len(chosen) != 1:
        raise Misfit(f"a step has one action, got {len(chosen)}", f"write one of {', '.join(_ACTIONS)}")
    action, child = _ACTIONS[chosen[0][0].text], chosen[0][1]
    nodes = [child if loop is None else expanded(child, item) for item in texts]
    options = [decoder.value(one, action.options) for one in nodes]
    if MISSING in options:
        return MISSING
    turns = tuple(Turn(str(item), found) for item, found in zip(texts, options, strict=True))
    return Task(action, turns, terms, loop is not None, node.place)


def _without(node: Mapping, keys: Iterable[str]) -> Mapping:
    gone = set(keys)
    return Mapping(tuple(pair for pair in node.pairs if pair[0].text not in gone), node.place)
