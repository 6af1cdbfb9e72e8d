"""What a run says and asks: an assertion, a note for people, the call for a human, a question to people.

No step is taken for these: the worker judges them over what the run has seen so far, or waits for an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from model.duration import Duration, seconds
from model.misfit import Misfit, Problem
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.writing.clause import Clauses, Text
from remediations.writing.condition_words import Value

WITHIN_MAX: Final = Duration(24 * 3_600_000)
PEOPLE_MAX: Final = 3


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


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to people before what follows: ``say`` is what they read above the steps in question.

    They are waited for as long as ``within`` says; silence means no, and so does one no. A no fails this
    step. ``by`` is how many different people must say yes; left out one, or two where what cannot be undone
    may be done to several hosts at once. The run goes on only with a yes; while it waits, it holds its place
    among the runs of this host.
    """

    say: Text
    within: Duration = seconds(15 * 60)
    by: int | None = None

    def __post_init__(self) -> None:
        if not seconds(1) <= self.within <= WITHIN_MAX:
            raise Misfit(
                f"an approval is waited for from 1s to {WITHIN_MAX}", "write within: 15m", key="within"
            )
        if self.by is not None and not 1 <= self.by <= PEOPLE_MAX:
            raise Misfit(f"1 to {PEOPLE_MAX} people approve what follows", "write by: 1", key="by")


Speech = Assertion | Notice | Escalation | Approval


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it: ``failed`` ends the run as a failed step does, ``escalate`` calls a human."""

    text: str
    failed: bool = False
    escalate: bool = False


def is_speech(options: object) -> TypeGuard[Speech]:
    """Tell whether a task says something in place of doing something."""
    return isinstance(options, Speech)


def said(options: Speech, values: Mapping[str, Value]) -> Said:
    """Judge or fill in; raises ``Unsound`` where a condition has no answer."""
    if isinstance(options, Notice):
        return Said(options.text.said(values))
    if isinstance(options, Escalation):
        return Said(options.reason.said(values), escalate=True)
    if isinstance(options, Approval):
        return Said(options.say.said(values))
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
    elif isinstance(options, Approval):
        yield from options.say.strangers(known)


def plan(_options: Speech, _host: Host) -> Iterator[Step]:
    """Nothing is done."""
    return iter(())


def touches(_options: Speech) -> frozenset[str]:
    """Words touch nothing."""
    return frozenset()


APPROVE = Action("approve", Approval, plan, risk=Risk.READ_ONLY, touches=touches)
ASSERT = Action("assert", Assertion, plan, risk=Risk.READ_ONLY, touches=touches)
NOTIFY = Action("notify", Notice, plan, risk=Risk.READ_ONLY, touches=touches)
ESCALATE = Action("escalate", Escalation, plan, risk=Risk.READ_ONLY, touches=touches)
