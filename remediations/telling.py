"""What is told of an alert whose healing waits or is refused, beside what a run of it has said; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from model.outcome import Healing, Outcome, Remedy
from remediations.asking.approval import people
from remediations.case import Case
from remediations.question import Refused, clock
from remediations.running import run as runs
from remediations.running.run import REASON_CHARACTERS_MAX, Run
from remediations.writing.playbook import Otherwise, Playbook

PASSING_MAX_MS: Final = 5 * 60_000


def unanswered(case: Case) -> Remedy:
    """Return what is told where no playbook answers."""
    reason = f"no playbook answers to {case.alert.name}"
    return Remedy(Healing.NONE, reason=reason, escalate=True, onset_ms=case.alert.active_at_ms)


def standing(case: Case, playbook: Playbook, status: Healing | Outcome, reason: str) -> Remedy:
    """Return what is told of a playbook that has begun nothing."""
    return Remedy(
        status,
        playbook.playbook,
        run=case.run.id if case.run else "",
        reason=reason[:REASON_CHARACTERS_MAX],
        escalate=playbook.otherwise is Otherwise.ESCALATE,
        onset_ms=case.alert.active_at_ms,
    )


def waiting(case: Case, playbook: Playbook, sentence: str) -> Remedy:
    """Return what is told while people are asked."""
    return _added(case, sentence) or standing(case, playbook, Healing.PROPOSED, sentence)


def at_work(case: Case, run: Run) -> Remedy:
    """Return what is told of a run whose steps are being taken, or which waits for people in their midst."""
    told, ask = runs.remedy(run), case.inquiry
    if ask is None:
        return told
    waits = (
        f"{run.playbook} waits for {people(ask.needs)} to approve what follows until {clock(ask.until_ms)}"
    )
    return replace(told, reason=f"{waits}: {ask.because}"[:REASON_CHARACTERS_MAX])


def refused(case: Case, playbook: Playbook, because: Refused, now_ms: int) -> Remedy | None:
    """Return what is told of a refusal; what lasts is added to what a run has said already.

    None is where nothing is told: the refusal passes, and the run said more.
    """
    if case.failed:
        return _added(case, because.reason) if because.lasting else None
    status, reason = Outcome.SKIPPED, because.reason
    if case.run is not None and case.run.outcome is Outcome.RECURRED:
        status, reason = Outcome.RECURRED, f"{case.run.reason}; {reason}"
    told = standing(case, playbook, status, reason)
    lasts = not because.planned and now_ms - case.passing_since_ms >= PASSING_MAX_MS
    return replace(told, escalate=told.escalate and (lasts or not because.passing))


def _added(case: Case, sentence: str) -> Remedy | None:
    """Return what the run of this episode that did not help has said, and this."""
    if not case.failed or case.run is None:
        return None
    reason = f"{runs.told(case.run)}; {sentence}"[:REASON_CHARACTERS_MAX]
    return replace(runs.remedy(case.run), reason=reason)
