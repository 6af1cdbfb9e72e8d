"""One run of a playbook against one alert, and how it goes from state to state; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from model.alert import Alert
from model.labels import Labels
from model.outcome import Healing, Outcome, Remedy
from model.step import Step
from remediations.playbook import Otherwise, Playbook

REASON_CHARACTERS_MAX = 500
RESTARTED = "the agent was restarted in the middle; its steps are not repeated"


class Stage(StrEnum):
    """Where a run stands."""

    ACTING = "acting"
    VERIFYING = "verifying"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Run:
    """A run; times are milliseconds since 1970 in UTC, 0 where not reached.

    ``fired_ms`` tells the episode of the alert, ``onset_ms`` its first bad sample, ``acted_ms`` the
    first step that changes something, ``done_ms`` the end of the last step, ``healed_ms`` the first
    good judgement of those that last, ``verified_ms`` the end of the hold. ``trouble`` says which
    step failed.
    """

    id: str
    playbook: str
    target: tuple[str, ...]
    labels: Labels
    fired_ms: int
    onset_ms: int
    started_ms: int
    stage: Stage = Stage.ACTING
    acted_ms: int = 0
    done_ms: int = 0
    healed_ms: int = 0
    verified_ms: int = 0
    ended_ms: int = 0
    outcome: Outcome | None = None
    reason: str = ""
    trouble: str = ""
    escalate: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a run's steps: ``acted_ms`` is 0 when nothing that changes the host was begun.

    ``trouble`` is set where a step failed, ``stopped`` where the kill switch ended it, and ``spared``
    where the alert resolved before anything was changed. ``steps`` counts what was taken, ``undo`` would take
    it back, in this order. ``notes`` are for people to read, ``escalate`` calls for one of them.
    """

    done_ms: int
    acted_ms: int = 0
    trouble: str = ""
    stopped: str = ""
    spared: bool = False
    steps: int = 0
    undo: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    escalate: bool = False


def begun(playbook: Playbook, alert: Alert, now_ms: int) -> Run:
    """Return a new run; one alert has one run at a time, so its fingerprint and the time name it."""
    return Run(
        id=f"{alert.labels.fingerprint()}-{now_ms}",
        playbook=playbook.playbook,
        target=playbook.target,
        labels=alert.labels,
        fired_ms=alert.fired_at_ms or now_ms,
        onset_ms=alert.active_at_ms,
        started_ms=now_ms,
        reason=f"{playbook.playbook} is at work",
    )


def carried(run: Run, playbook: Playbook, what: Carried) -> Run:
    """Return the run after its steps: mostly it now waits for their effect; notes stand before the reason."""
    after = _stood(run, playbook, what)
    reason = ". ".join((*(note.rstrip(".") for note in what.notes), after.reason))
    return replace(after, reason=reason[:REASON_CHARACTERS_MAX], escalate=after.escalate or what.escalate)


def _stood(run: Run, playbook: Playbook, what: Carried) -> Run:
    run = replace(run, acted_ms=what.acted_ms, done_ms=what.done_ms, trouble=what.trouble)
    if what.stopped:
        outcome = Outcome.FAILED if what.acted_ms else Outcome.SKIPPED
        return closed(run, playbook.otherwise, outcome, what.stopped, what.done_ms)
    if what.spared:
        reason = "the alert resolved by itself before anything was changed"
        return closed(run, Otherwise.NOTHING, Outcome.SKIPPED, reason, what.done_ms)
    if playbook.read_only:
        reason = what.trouble or f"{playbook.playbook} gathered evidence; it changes nothing"
        return closed(run, playbook.otherwise, Outcome.SKIPPED, reason, what.done_ms)
    reason = f"{what.trouble}; whether it helped all the same is awaited" if what.trouble else ""
    return replace(
        run,
        stage=Stage.VERIFYING,
        reason=reason or f"{playbook.playbook} is done; its effect is awaited",
        # Nobody has to wait for the proof that a failed step did not help.
        escalate=run.escalate or (bool(what.trouble) and playbook.otherwise is Otherwise.ESCALATE),
    )


def recovered(run: Run, now_ms: int) -> Run:
    """Return an unfinished run after a restart: what it began is judged by its effect from now on."""
    return replace(
        run,
        stage=Stage.VERIFYING,
        acted_ms=run.acted_ms or run.started_ms,
        done_ms=now_ms,
        healed_ms=0,
        reason=RESTARTED,
    )


def closed(run: Run, otherwise: Otherwise, outcome: Outcome, reason: str, now_ms: int) -> Run:
    """Return the run with its end; where the trouble is still there, ``otherwise`` tells what follows."""
    return replace(
        run,
        stage=Stage.CLOSED,
        outcome=outcome,
        reason=reason[:REASON_CHARACTERS_MAX],
        escalate=(run.escalate or otherwise is Otherwise.ESCALATE) and outcome is not Outcome.FIXED,
        ended_ms=now_ms,
    )


def harmed(run: Run, playbook: Playbook, worse: str, now_ms: int) -> Run:
    """Return the run ended as harmful: something worse began after its first step."""
    reason = f"{worse} began to fire after {playbook.playbook} had acted"
    return closed(run, playbook.otherwise, Outcome.HARMFUL, reason, now_ms)


def undone(run: Run, trouble: str) -> Run:
    """Return a closed run that tells whether what it had changed was taken back."""
    told = f"it could not be undone: {trouble}" if trouble else "what it had changed was undone"
    return replace(run, reason=f"{run.reason[: REASON_CHARACTERS_MAX // 2]}; {told}"[:REASON_CHARACTERS_MAX])


def remedy(run: Run) -> Remedy:
    """Return what the desk is told of a run."""
    going = Healing.ACTING if run.stage is Stage.ACTING else Healing.VERIFYING
    return Remedy(
        status=run.outcome or going,
        playbook=run.playbook,
        run=run.id,
        reason=run.reason,
        escalate=run.escalate,
        onset_ms=run.onset_ms,
        acted_ms=run.acted_ms,
        healed_ms=run.healed_ms,
        verified_ms=run.verified_ms,
    )
