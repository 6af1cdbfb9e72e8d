"""Gates: what a playbook asks people in its middle, and which of its steps stand behind each question; pure.

A step stands behind a question where a run that keeps to the playbook reaches it only by a yes. So what
follows in the same list does, and what follows the block, unless that can be left without a yes: by its
``rescue``, its ``when`` or its ``ignore_errors``. What ``rescue`` and ``always`` say is done after a no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from model.misfit import Problem
from model.step import Risk
from remediations.actions.speech import Approval
from remediations.writing.task import Block, Task, Tasks, Terms


@dataclass(frozen=True, slots=True)
class Gate:
    """One question of a playbook: its number, counted from 1 in the order of the steps, and what it asks."""

    number: int
    asks: Approval


@dataclass(frozen=True, slots=True)
class Gates:
    """All questions of a playbook; both maps are by the identity of a turn.

    ``asked`` is what a turn asks, ``before`` the last question that a turn stands behind.
    """

    asked: Mapping[int, Gate] = field(default_factory=dict)
    before: Mapping[int, Gate] = field(default_factory=dict)

    @property
    def each(self) -> tuple[Gate, ...]:
        """The questions in their order."""
        return tuple(self.asked.values())


def gates(steps: Tasks) -> Gates:
    """Return the questions in these steps, and what stands behind each."""
    asked: dict[int, Gate] = {}
    before: dict[int, Gate] = {}

    def walk(tasks: Tasks, gate: Gate | None) -> Gate | None:
        """Return the question that what follows these stands behind."""
        for one in tasks.each:
            gate = block(one, gate) if isinstance(one, Block) else task(one, gate)
        return gate

    def task(one: Task, gate: Gate | None) -> Gate | None:
        for turn in one.turns:
            if isinstance(turn.options, Approval):
                gate = asked[id(turn)] = Gate(len(asked) + 1, turn.options)
            elif gate is not None:
                before[id(turn)] = gate
        return gate

    def block(one: Block, gate: Gate | None) -> Gate | None:
        after = walk(one.block, gate)
        walk(one.rescue, gate)
        last = walk(one.always, gate)
        if one.terms.when.each or one.terms.ignore_errors:
            return gate
        if last is not gate:
            return last
        return gate if one.rescue.each else after

    walk(steps, None)
    return Gates(asked, before)


def misplaced(steps: Tasks) -> Iterator[Problem]:
    """Yield each question that could be left out, is put more than once, or that nothing stands behind."""
    found = gates(steps)
    guarded = {
        found.before[id(turn)].number
        for one in steps.walk()
        if one.action.risk is not Risk.READ_ONLY
        for turn in one.turns
        if id(turn) in found.before
    }
    for one in steps.walk():
        if not isinstance(one.turns[0].options, Approval):
            continue
        if one.terms.when.each:
            cure = "write it on a block that holds this step and what it is about"
            yield Problem(one.place, "a question that may be skipped lets nobody decide", cure)
        if one.loops or _again(one.terms):
            yield Problem(
                one.place, "people are asked once", "leave out loop, until, retries and failed_when"
            )
        if not any(found.asked[id(turn)].number in guarded for turn in one.turns):
            cure = "put it before the step that it is about"
            yield Problem(one.place, "no step that changes something stands behind this question", cure)


def _again(terms: Terms) -> bool:
    """Tell whether a task is tried again, or what came of it is said by a condition."""
    judged = terms.failed_when is not None or terms.changed_when is not None
    return judged or bool(terms.until.each) or terms.retries is not None
