"""The ladder: observe, propose, approve, auto. What a playbook has shown on its rung, and what follows; pure.

Nothing is promoted by itself: a human writes the next ``mode`` into the playbook. A run that did harm takes a
playbook down to ``propose`` at once, until a human reinstates it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from model.duration import Duration, seconds
from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.breaker import State
from remediations.ladder.proposal import REASON_CHARACTERS_MAX, Kind, Proposal
from remediations.writing.playbook import Mode, Playbook

RUNGS: Final = (Mode.OBSERVE, Mode.PROPOSE, Mode.APPROVE, Mode.AUTO)
WATCHED_LEAST: Final = seconds(24 * 3600)
WOULD_FIRES_LEAST: Final = 20
"""A playbook is watched for a day, or for so many occasions, whichever comes first."""

_ACTS: Final = frozenset({Mode.APPROVE, Mode.AUTO})
_DECIDED: Final = frozenset({Kind.CLEAN, Kind.NEEDLESS})


@dataclass(frozen=True, slots=True)
class Demotion:
    """A run did harm, and its playbook only proposes since then."""

    playbook: str
    run: str
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a playbook has shown on its rung since ``since_ms``, oldest first, in this edition of it."""

    since_ms: int
    proposals: tuple[Proposal, ...] = ()
    runs: tuple[Attempt, ...] = ()

    def count(self, kind: Kind) -> int:
        """Return how many proposals became this."""
        return sum(one.kind is kind for one in self.proposals)

    @property
    def would_fires(self) -> int:
        """How often it would have begun."""
        return sum(one.would_ms > 0 for one in self.proposals)

    @property
    def clean_in_a_row(self) -> int:
        """How many of the last proposals were clean; those that a guard blocked prove nothing either way."""
        return _in_a_row(one.kind is Kind.CLEAN for one in self.proposals if one.kind in _DECIDED)

    @property
    def fixed_in_a_row(self) -> int:
        """How many of the last runs helped for good."""
        ended = (one.outcome for one in self.runs if one.outcome not in (None, Outcome.SKIPPED))
        return _in_a_row(outcome is Outcome.FIXED for outcome in ended)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The mode that a playbook has earned, None where it has not, and the reason as a sentence."""

    mode: Mode | None
    reason: str


@dataclass(frozen=True, slots=True)
class Rung:
    """Where a playbook stands on the ladder: the mode that is written, the one in force, and why."""

    playbook: str
    written: Mode
    in_force: Mode
    evidence: Evidence
    suggestion: Suggestion
    demotion: Demotion | None = None


def in_force(playbook: Playbook, demotion: Demotion | None) -> Mode:
    """Return how far a playbook may go by itself now; what only looks has nothing to prove."""
    if playbook.read_only:
        return Mode.AUTO
    return Mode.PROPOSE if demotion is not None and playbook.mode in _ACTS else playbook.mode


def rung(
    playbook: Playbook, demotion: Demotion | None, evidence: Evidence, breaker: State, now_ms: int
) -> Rung:
    """Return where a playbook, with the mode that is written, stands."""
    mode = in_force(playbook, demotion)
    earned = _suggestion(playbook, mode, demotion, evidence, breaker, now_ms)
    return Rung(playbook.playbook, playbook.mode, mode, evidence, earned, demotion)


def told(playbook: Playbook, stands: Rung | None, found: Proposal | None, steps: Iterable[str]) -> str:
    """Return what people are told of a playbook that proposes, its steps as far as there is room."""
    words = [f"{playbook.playbook} only proposes"]
    if stands is not None and stands.demotion is not None:
        words[0] += ", because it is demoted"
    if found is not None and found.guard:
        words.append(f"now it would not act, because {found.reason}")
    earned = f"; {stands.suggestion.reason}" if stands is not None and stands.suggestion.mode else ""
    words.append(f"it would {'; '.join(steps)}")
    return "; ".join(words)[: REASON_CHARACTERS_MAX - len(earned)] + earned


def _suggestion(
    playbook: Playbook,
    mode: Mode,
    demotion: Demotion | None,
    evidence: Evidence,
    breaker: State,
    now_ms: int,
) -> Suggestion:
    if playbook.read_only:
        return Suggestion(None, "it only looks, so it has nothing to prove")
    if demotion is not None:
        return Suggestion(None, f"it is demoted: {demotion.reason}")
    if mode is Mode.AUTO:
        return Suggestion(None, "it acts by itself")
    if breaker is not State.CLOSED:
        return Suggestion(None, "its last runs did not help, and its breaker remembers them")
    missing = _missing(playbook, mode, evidence, now_ms)
    if missing:
        return Suggestion(None, missing)
    above = RUNGS[RUNGS.index(mode) + 1]
    return Suggestion(above, f"{_shown(playbook, mode, evidence)}; promotion to {above} is suggested")


def _missing(playbook: Playbook, mode: Mode, evidence: Evidence, now_ms: int) -> str:
    """Return what the evidence lacks, or the empty text."""
    least = playbook.promote_after
    if mode is Mode.APPROVE:
        fixed = evidence.fixed_in_a_row
        return f"{fixed} of {least} approved runs in a row helped" if fixed < least else ""
    clean, watched_ms = evidence.clean_in_a_row, max(0, now_ms - evidence.since_ms)
    if clean < least:
        return f"{clean} of {least} proposals in a row were clean"
    if watched_ms < WATCHED_LEAST.ms and evidence.would_fires < WOULD_FIRES_LEAST:
        watched = Duration(watched_ms // 60_000 * 60_000)
        occasions = f"{evidence.would_fires} of {WOULD_FIRES_LEAST} occasions"
        return (
            f"{clean} proposals in a row were clean; watched for {watched} of {WATCHED_LEAST}, or {occasions}"
        )
    return ""


def _shown(playbook: Playbook, mode: Mode, evidence: Evidence) -> str:
    if mode is Mode.APPROVE:
        return f"{playbook.playbook} has helped {_times(evidence.fixed_in_a_row)} with approval"
    verb = "observed" if mode is Mode.OBSERVE else "proposed"
    return f"{playbook.playbook} has {verb} well {_times(evidence.clean_in_a_row)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times in a row"


def _in_a_row(good: Iterable[bool]) -> int:
    """Return how many at the end are good."""
    each: Sequence[bool] = tuple(good)
    return next((count for count, one in enumerate(reversed(each)) if not one), len(each))
