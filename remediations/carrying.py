"""A worker's part of a run: each step is written down, taken, and its result written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.step import Result, Risk, Step, vital
from remediations.hand import Hand
from remediations.journal import Journal, JournalLost
from remediations.playbook import Planned
from remediations.run import Carried


@dataclass(frozen=True, slots=True)
class Reins:
    """What holds a worker back, asked from its thread.

    ``halted`` ends a step in its middle. ``resolved`` and ``leaving`` (the agent wants to stop) are
    asked only where an action begins, so that a service is not left stopped between two steps.
    """

    halted: Callable[[], str]
    leaving: Callable[[], str]
    resolved: Callable[[], bool]


def carry(
    run: str, planned: Sequence[Planned], tools: tuple[Hand, Journal], reins: Reins, now: Now
) -> Carried:
    """Take the steps of a run until one fails, and return what came of them."""
    hand, journal = tools
    acted_ms, trouble = 0, ""
    for one in planned:
        if one.begins and reins.resolved():
            return Carried(now(), acted_ms, spared=not acted_ms)
        because = reins.halted() or (reins.leaving() if one.begins else "")
        if because:
            return Carried(now(), acted_ms, stopped=because)
        try:
            journal.intend(run, one.number, str(one.step), now())
            if one.risk is not Risk.READ_ONLY:
                acted_ms = acted_ms or now()
            result = hand.carry_out(one.step, reins.halted)
            journal.note(run, one.number, result, now())
        except JournalLost as lost:
            return Carried(now(), acted_ms, trouble=f"step {one.number} ({one.step}) stopped: {lost}")
        if result.stopped:
            return Carried(now(), acted_ms, stopped=result.stopped)
        if not result.ok and vital(one.step):
            trouble = f"step {one.number} ({one.step}) failed: {result.reason}"
            break
    return Carried(now(), acted_ms, trouble=trouble)


def ask(questions: Sequence[Sequence[Step]], hand: Hand, halted: Callable[[], str]) -> Answers:
    """Carry out read-only questions and return their results in the same order."""
    return tuple(tuple(hand.carry_out(step, halted) for step in steps) for steps in questions)


Now = Callable[[], int]
Answers = tuple[tuple[Result, ...], ...]
