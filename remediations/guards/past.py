"""Guards that latch: what did not help, what helps for a while only, and what two playbooks undo in turn.

Each latch is read from the journal, so a restart forgets none. A run that was begun while a latch held was
approved by somebody; it starts the count anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.breaker import State, replayed
from remediations.question import Question, Refused, clock, table

CURES_WITHIN_MS: Final = 24 * 3_600_000
SWING_WITHIN_MS: Final = 30 * 60_000

_APPROVE: Final = "it runs again once somebody approves it"


def breaker(asked: Question) -> Refused | None:
    """Keep what does not help from trying on; after its time, one run may prove itself if somebody agrees."""
    found = replayed(asked.history, asked.playbook.guard.breaker).at(asked.now_ms)
    if found.state is State.CLOSED:
        return None
    name, tries = asked.playbook.playbook, table(found.tries)
    if found.state is State.OPEN:
        sentence = f"{name} is stopped until {clock(found.until_ms)}, because it did not help ({tries})"
        return Refused(sentence, found.until_ms, lasting=True)
    if asked.facts.approved:
        return None
    sentence = f"{name} did not help ({tries}); one run may prove itself once somebody approves it"
    return Refused(sentence, lasting=True, approvable=True)


def spent(asked: Question) -> Refused | None:
    """Stay refused once the longest budget is used up: whatever needs that many runs needs a human."""
    longest = asked.playbook.guard.at_most.latch
    if longest is None or asked.facts.approved:
        return None

    def used_up(attempts: Sequence[Attempt]) -> bool:
        return _crowded(attempts, longest.runs_max, longest.per.ms)

    counted = _since_approval(asked.history, used_up)
    if not used_up(counted):
        return None
    sentence = f"{asked.playbook.playbook} used up its {longest} ({table(counted)}); {_APPROVE}"
    return Refused(sentence, lasting=True, approvable=True)


def symptom_loop(asked: Question) -> Refused | None:
    """Stop curing what keeps coming back: each cure so far was followed by this question."""
    most = asked.playbook.guard.breaker.recurrences
    if asked.facts.approved or asked.playbook.read_only:
        return None

    def loops(attempts: Sequence[Attempt]) -> bool:
        return _crowded(attempts, most, CURES_WITHIN_MS)

    cures = [one for one in asked.history if one.outcome in (Outcome.FIXED, Outcome.RECURRED)]
    counted = _since_approval(cures, loops)
    if not loops(counted):
        return None
    sentence = (
        f"this is a problem, not an incident: {asked.playbook.playbook} helped {len(counted)} times"
        f" within 24h and it came back each time ({table(counted)}); {_APPROVE}"
    )
    return Refused(sentence, lasting=True, approvable=True)


def oscillation(asked: Question) -> Refused | None:
    """Stop two playbooks that answer each other on one thing within half an hour; both are asked this."""
    if asked.facts.approved:
        return None
    last = sorted((*asked.history, *asked.others), key=lambda one: one.started_ms)[-3:]
    names = [one.playbook for one in last]
    swings = len(last) == 3 and names[0] == names[2] != names[1]
    if not swings or last[2].started_ms - last[0].started_ms > SWING_WITHIN_MS:
        return None
    things = ", ".join(asked.playbook.target)
    sentence = f"{names[0]} and {names[1]} work on {things} in turn ({table(last)}); {_APPROVE}"
    return Refused(sentence, lasting=True, approvable=True)


def _crowded(attempts: Sequence[Attempt], count: int, within_ms: int) -> bool:
    """Tell whether so many began within so long a time, whenever that was."""
    pairs = zip(attempts, attempts[count - 1 :], strict=False)
    return any(last.started_ms - first.started_ms < within_ms for first, last in pairs)


def _since_approval(
    attempts: Sequence[Attempt], latched: Callable[[Sequence[Attempt]], bool]
) -> Sequence[Attempt]:
    counted: list[Attempt] = []
    for attempt in attempts:
        if latched(counted):
            counted = []
        counted.append(attempt)
    return counted
