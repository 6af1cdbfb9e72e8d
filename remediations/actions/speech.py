"""What a run says and asks of itself: an assertion, a note for people, the call for a human.

No step is taken for these: the worker judges them over what the run has seen so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from model.misfit import Misfit, Problem
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.clause import Clauses, Text
from remediations.condition_words import Value


@dataclass(frozen=True, slots=True)
class Assertion:
    """Conditions that must hold for the run to go on, and what is said where one does not."""

    that: Clauses
    fail_msg: Text = field(default=Text())

    def __post_init__(self) -> None:
        if not self.that.each:
            raise Misfit("an assertion has conditions", "write that: result.rc == 0", key="that")


@dataclass(frozen=True, slots=True)
class Notice:
    """A note that stands in the run's reason, for whoever reads it."""

    text: Text


@dataclass(frozen=True, slots=True)
class Escalation:
    """Why a human is needed, whatever this playbook does; it stands until the trouble is gone."""

    reason: Text


Speech = Assertion | Notice | Escalation


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it: ``failed`` ends the run as a failed step does, ``escalate`` calls a human."""

    text: str
    failed: bool = False
    escalate: bool = False


def is_speech(options: object) -> TypeGuard[Speech]:
    """Tell whether a task says something in place of doing something."""
    return isinstance(options, Assertion | Notice | Escalation)


def said(options: Speech, values: Mapping[str, Value]) -> Said:
    """Judge or fill in; raises ``Unsound`` where a condition has no answer."""
    if isinstance(options, Notice):
        return Said(options.text.said(values))
    if isinstance(options, Escalation):
        return Said(options.reason.said(values), escalate=True)
    for clause in options.that.each:
        if not clause.condition.holds(values):
            return Said(
                options.fail_msg.said(values) or f"this does not hold: {clause.condition}", failed=True
            )
    return Said("")


def strangers(options: object, known: frozenset[str]) -> Iterator[Problem]:
    """Yield each value that such a task starts from and that is not known there."""
    if isinstance(options, Assertion):
        yield from options.that.strangers(known)
        yield from options.fail_msg.strangers(known)
    elif isinstance(options, Notice):
        yield from options.text.strangers(known)
    elif isinstance(options, Escalation):
        yield from options.reason.strangers(known)


def plan(_options: Speech, _host: Host) -> Iterator[Step]:
    """Nothing is done."""
    return iter(())


def touches(_options: Speech) -> frozenset[str]:
    """Words touch nothing."""
    return frozenset()


ASSERT = Action("assert", Assertion, plan, risk=Risk.READ_ONLY, touches=touches)
NOTIFY = Action("notify", Notice, plan, risk=Risk.READ_ONLY, touches=touches)
ESCALATE = Action("escalate", Escalation, plan, risk=Risk.READ_ONLY, touches=touches)
