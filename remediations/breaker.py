"""The effectiveness breaker: a playbook that does not help is kept from trying on; pure, told by its past.

It opens after ``ineffective`` runs in a row that did not help, after ``recurrences`` cures that did not last,
both within ``window``, and at once after one that did harm. It stays open for ``cooldown``, twice as long
each time up to a day; then one run may prove itself, with approval. All that it knows stands in the journal,
so a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.outcome import Outcome
from remediations.attempt import Attempt

COOLDOWN_MAX: Final = seconds(24 * 3600)
WINDOW_MAX: Final = seconds(24 * 3600)

_NO_HELP: Final = frozenset({Outcome.INEFFECTIVE, Outcome.FAILED})


class State(StrEnum):
    """How the breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerTerms:
    """When a playbook that does not help is stopped, and for how long at first."""

    ineffective: int = 2
    recurrences: int = 3
    window: Duration = seconds(4 * 3600)
    cooldown: Duration = seconds(3600)

    def __post_init__(self) -> None:
        for key, count in (("ineffective", self.ineffective), ("recurrences", self.recurrences)):
            if not 1 <= count <= 20:
                raise Misfit(f"{key} is 1 to 20 runs", f"write {key}: 2", key=key)
        for key, time in (("window", self.window), ("cooldown", self.cooldown)):
            if not seconds(1) <= time <= WINDOW_MAX:
                raise Misfit(f"{key} is 1s to {WINDOW_MAX}", f"write {key}: 1h", key=key)


USUAL: Final = BreakerTerms()


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a breaker stands: which attempts opened it, and how often in a row it was opened."""

    state: State = State.CLOSED
    until_ms: int = 0
    openings: int = 0
    tries: tuple[Attempt, ...] = ()

    def at(self, now_ms: int) -> Breaker:
        """Return how it stands at this time."""
        if self.state is State.OPEN and now_ms >= self.until_ms:
            return replace(self, state=State.HALF_OPEN)
        return self


def replayed(attempts: Iterable[Attempt], terms: BreakerTerms) -> Breaker:
    """Return the breaker after these attempts of one playbook at one target, oldest first."""
    breaker = Breaker()
    recent: tuple[Attempt, ...] = ()
    for attempt in attempts:
        if attempt.outcome is None or attempt.outcome is Outcome.SKIPPED or attempt.ended_ms is None:
            continue
        breaker = breaker.at(attempt.started_ms)
        if attempt.outcome is Outcome.FIXED:
            if breaker.state is State.HALF_OPEN:
                breaker = Breaker()
            recent = tuple(one for one in recent if one.outcome not in _NO_HELP)
            continue
        since_ms = attempt.ended_ms - terms.window.ms
        recent = (*(one for one in recent if one.last_ms > since_ms), attempt)
        if breaker.state is State.HALF_OPEN or _too_much(recent, terms):
            breaker = _opened(breaker, recent, attempt.ended_ms, terms)
            recent = ()
    return breaker


def _too_much(recent: Sequence[Attempt], terms: BreakerTerms) -> bool:
    outcomes = [one.outcome for one in recent]
    no_help = sum(outcome in _NO_HELP for outcome in outcomes)
    return (
        Outcome.HARMFUL in outcomes
        or no_help >= terms.ineffective
        or outcomes.count(Outcome.RECURRED) >= terms.recurrences
    )


def _opened(before: Breaker, tries: tuple[Attempt, ...], at_ms: int, terms: BreakerTerms) -> Breaker:
    wait_ms = min(terms.cooldown.ms * 2**before.openings, COOLDOWN_MAX.ms)
    return Breaker(State.OPEN, at_ms + wait_ms, min(before.openings + 1, 20), tries)
