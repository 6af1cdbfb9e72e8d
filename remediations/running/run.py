"""One run of a playbook against one alert, and how it goes from state to state; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from model.alert import Alert
from model.labels import Labels
from model.outcome import Healing, Outcome, Remedy
from remediations.running.trace import Back
from remediations.writing.playbook import Otherwise, Playbook

REASON_CHARACTERS_MAX = 500
NO_HELP = frozenset({Outcome.FAILED, Outcome.INEFFECTIVE, Outcome.HARMFUL})
RESTARTED = "the agent was restarted in the middle; its steps are not repeated"
DEMOTED = "from now on it only proposes, until `beforehand reinstate`"
UNBEGUN = "the agent was restarted before anything was changed"


class Stage(StrEnum):
    """Where a run stands; one that is undoing has its outcome already."""

    ACTING = "acting"
    VERIFYING = "verifying"
    UNDOING = "undoing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Run:
    """A run; times are milliseconds since 1970 in UTC, 0 where not reached.

    ``fired_ms`` tells the episode of the alert, ``onset_ms`` its first bad sample, ``acted_ms`` the
    first step that changes something, ``done_ms`` the end of the last step, ``healed_ms`` the first
    good judgement of those that last, ``verified_ms`` the end of the hold. ``trouble`` says which
    step failed, ``notes`` what its steps have to tell people.
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a run's steps: ``acted_ms`` is 0 when nothing that changes the host was begun.

    ``trouble`` is set where a step failed, ``stopped`` where the kill switch ended it, and ``spared``
    where the alert resolved before anything was changed. ``steps`` counts what was taken, ``undo`` would take
    it back, in this order, and ``lost`` tells what cannot be taken back any more. ``notes`` are for people to
    read, ``escalate`` calls for one of them.
    """

    done_ms: int
    acted_ms: int = 0
    trouble: str = ""
    stopped: str = ""
    spared: bool = False
    steps: int = 0
    undo: tuple[Back, ...] = ()
    lost: tuple[str, ...] = ()
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
    """Return the run after its steps: mostly it now waits for their effect."""
    after = _stood(run, playbook, what)
    return replace(after, notes=what.notes, escalate=after.escalate or what.escalate)


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
    if what.trouble and not what.acted_ms:
        return closed(run, playbook.otherwise, Outcome.FAILED, what.trouble, what.done_ms)
    reason = f"{what.trouble}; whether it helped all the same is awaited" if what.trouble else ""
    return replace(
        run,
        stage=Stage.VERIFYING,
        reason=reason or f"{playbook.playbook} is done; its effect is awaited",
        # Nobody has to wait for the proof that a failed step did not help.
        escalate=run.escalate or (bool(what.trouble) and playbook.otherwise is Otherwise.ESCALATE),
    )


def recovered(run: Run, what: Carried, now_ms: int) -> Run:
    """Return an unfinished run after a restart: what it began is judged by its effect from now on.

    One that had begun nothing is over, for what helps from now on is none of its doing.
    """
    if not what.acted_ms:
        return closed(run, Otherwise.NOTHING, Outcome.SKIPPED, UNBEGUN, now_ms)
    return replace(
        run,
        stage=Stage.VERIFYING,
        acted_ms=run.acted_ms or what.acted_ms,
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
    """Return the run ended as harmful: something worse began after its first step; somebody hears of it."""
    reason = f"{worse} began to fire after {playbook.playbook} had acted; {DEMOTED}"
    return closed(run, Otherwise.ESCALATE, Outcome.HARMFUL, reason, now_ms)


def undoing(run: Run, what: Carried | None) -> Run:
    """Return a run that ended badly as one whose changes are being taken back, where there are any."""
    bad = run.stage is Stage.CLOSED and run.outcome in NO_HELP
    takes_back = what is not None and bool(what.undo or what.lost)
    return replace(run, stage=Stage.UNDOING) if bad and takes_back else run


def undone(run: Run, trouble: str) -> Run:
    """Return a closed run that tells what it had changed was taken back; a human hears of what was not."""
    told = f"it could not be undone: {trouble}" if trouble else "what it had changed was undone"
    reason = f"{run.reason[: REASON_CHARACTERS_MAX // 2]}; {told}"[:REASON_CHARACTERS_MAX]
    return replace(run, stage=Stage.CLOSED, reason=reason, escalate=run.escalate or bool(trouble))


def told(run: Run) -> str:
    """Return the notes of a run and its reason as one text; the reason has at least half of the room."""
    room = REASON_CHARACTERS_MAX - min(len(run.reason), REASON_CHARACTERS_MAX // 2)
    notes = "".join(f"{note.rstrip('.')}. " for note in run.notes)[:room]
    return f"{notes}{run.reason}"[:REASON_CHARACTERS_MAX]


def remedy(run: Run) -> Remedy:
    """Return what the desk is told of a run."""
    going = Healing.ACTING if run.stage is Stage.ACTING else Healing.VERIFYING
    return Remedy(
        status=run.outcome or going,
        playbook=run.playbook,
        run=run.id,
        reason=told(run),
        escalate=run.escalate,
        onset_ms=run.onset_ms,
        acted_ms=run.acted_ms,
        healed_ms=run.healed_ms,
        verified_ms=run.verified_ms,
    )
