"""May this playbook act on this alert now? Pure, and every no comes with its sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from model.alert import Alert
from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.breaker import Breaker, replayed
from remediations.guards import around, pace, past, seeing, wills
from remediations.question import Allowed, Facts, Question, Refused
from remediations.writing.playbook import Playbook

GUARDS: Final[Mapping[str, Callable[[Question], Refused | None]]] = {
    "firing": seeing.firing,
    "mode": wills.mode,
    "kill_switch": wills.kill_switch,
    "hold": wills.hold,
    "seen": seeing.seen,
    "fresh": seeing.fresh,
    "pause": wills.pauses,
    "alone": pace.alone,
    "upstream": around.upstream,
    "common_cause": around.common_cause,
    "spent": past.spent,
    "symptom_loop": past.symptom_loop,
    "oscillation": past.oscillation,
    "breaker": past.breaker,
    "cooldown": pace.cooldown,
    "budget": pace.budget,
    "human": wills.human,
    "at_work": wills.at_work,
    "lease": wills.lease,
    "approval": wills.approval,
}
"""In the order in which they are asked; the names are those of the metrics."""


def decide(
    playbook: Playbook, alert: Alert, facts: Facts, history: Sequence[Attempt], now_ms: int
) -> Allowed | Refused:
    """Ask every guard in turn; the first no is the answer.

    It is approvable only where every no is. The history, oldest first, may hold attempts of any playbook;
    those that touch nothing of this one's target do not count.
    """
    question = _question(playbook, alert, facts, history, now_ms)
    first: Refused | None = None
    for name, guard in GUARDS.items():
        refused = guard(question)
        if refused is None:
            continue
        if not refused.approvable:
            return _firmly(first, refused) if first else replace(refused, guard=name)
        first = first or replace(refused, guard=name)
    return first or Allowed()


def answers(
    playbook: Playbook, alert: Alert, facts: Facts, history: Sequence[Attempt], now_ms: int
) -> Mapping[str, Refused | None]:
    """Return what each guard says, whatever the others do."""
    question = _question(playbook, alert, facts, history, now_ms)
    return {name: guard(question) for name, guard in GUARDS.items()}


def _question(
    playbook: Playbook, alert: Alert, facts: Facts, history: Sequence[Attempt], now_ms: int
) -> Question:
    target = playbook.target
    known = [one for one in history if _counts(one, playbook, target)]
    mine = tuple(one for one in known if _same(one, playbook, target))
    others = tuple(one for one in known if one.playbook != playbook.playbook)
    return Question(playbook, alert, facts, mine, others, now_ms)


def _firmly(first: Refused, later: Refused) -> Refused:
    """Return the first no as one that no approval lifts, because a later one would stand all the same."""
    retries = [one.retry_at_ms for one in (first, later) if one.retry_at_ms is not None]
    return replace(first, approvable=False, retry_at_ms=min(retries, default=None))


def breaker_of(playbook: Playbook, history: Sequence[Attempt], now_ms: int) -> Breaker:
    """Return how a playbook's breaker stands."""
    target = playbook.target
    mine = [one for one in history if _counts(one, playbook, target) and _same(one, playbook, target)]
    return replayed(mine, playbook.guard.breaker).at(now_ms)


def _same(attempt: Attempt, playbook: Playbook, target: tuple[str, ...]) -> bool:
    return attempt.playbook == playbook.playbook and attempt.target == target


def _counts(attempt: Attempt, playbook: Playbook, target: tuple[str, ...]) -> bool:
    """Tell whether an attempt was at this target; one that was ended before it changed anything is none."""
    if not _same(attempt, playbook, target) and not set(attempt.target) & set(target):
        return False
    return attempt.outcome is not Outcome.SKIPPED or playbook.read_only
