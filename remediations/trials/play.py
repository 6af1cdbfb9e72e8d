"""Plays a trial by what acts in earnest: the guards, the worker, the journal, the judgement, the undo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from model.alert import Alert, AlertState
from model.duration import Duration
from model.labels import Labels
from model.plugin import Unplannable
from model.step import HumanAct, Step
from remediations.attempt import Attempt
from remediations.guard import decide
from remediations.guards.wills import EVERY_PLAYBOOK
from remediations.healer import HISTORY_MS
from remediations.question import Facts, Refused, Sight
from remediations.running import run as runs
from remediations.running.carrying import Errand, ask, carry, given, undo
from remediations.running.journal import Journal
from remediations.running.run import NO_HELP, Carried, Run, Stage
from remediations.running.verify import judged, turns_ms
from remediations.trials import stage
from remediations.trials.file import UNPLANNABLE, Effect, Firing, Trial
from remediations.writing.playbook import Playbook

_UNSEEN: Final = Effect(Duration(0))


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a trial: a refusal, or a run with the steps that it took and took back.

    ``possible`` are all steps that could have been taken. ``unwritten`` are those of which the test does not
    say what came of them, ``journal`` is all text of the journal, ``said`` all that steps are and put out.
    """

    refused: Refused | None = None
    run: Run | None = None
    possible: tuple[Step, ...] = ()
    taken: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()
    unwritten: tuple[Step, ...] = ()
    journal: str = ""
    said: str = ""


def play(trial: Trial, playbook: Playbook) -> Played:
    """Try a playbook in the world of a test; nothing outside of memory is touched."""
    playbook = replace(playbook, mode=trial.mode) if trial.mode else playbook
    on = stage.Stage.of(trial)
    alert = _alert(trial.alert)
    try:
        possible = _possible(playbook, trial)
    except Unplannable as wrong:
        return Played(Refused(str(wrong), lasting=True, guard=UNPLANNABLE))
    refused = _refused(trial, playbook, alert, on)
    if refused is not None:
        return Played(refused, possible=possible)
    with closing(Journal(Path(":memory:"))) as journal:
        run, done = _carried(trial, playbook, alert, on, journal)
        taken = tuple(on.taken)
        if run.outcome in NO_HELP and done.undo:
            run = runs.undone(run, undo(run.id, done, on, journal, on.reins()).trouble)
            journal.save(run)
        said = "\n".join((*map(str, possible), *on.said))
        undone = tuple(on.taken[len(taken) :])
        return Played(None, run, possible, taken, undone, tuple(on.unwritten), _text(journal, run.id), said)


def _possible(playbook: Playbook, trial: Trial) -> tuple[Step, ...]:
    """Return every step that could be taken, or taken back."""
    back = (
        step
        for task in playbook.tasks
        for turn in task.turns
        for step in task.action.undo(turn.options, trial.facts)
    )
    return (*(one.step for one in playbook.plan(trial.facts)), *back)


def _alert(firing: Firing) -> Alert:
    return Alert(
        Labels.of(firing.labels),
        {},
        AlertState.FIRING,
        firing.value,
        stage.START_MS - firing.since.ms,
        stage.START_MS,
        unknown_since_ms=stage.START_MS if firing.unseen else None,
    )


def _refused(trial: Trial, playbook: Playbook, alert: Alert, on: stage.Stage) -> Refused | None:
    """Ask the guards, and what they need to know of humans only once all else agrees, as the healer does."""
    history = tuple(sorted(_history(trial, playbook), key=lambda one: one.started_ms))
    facts = _facts(trial, alert)
    verdict = decide(playbook, alert, facts, history, on.now_ms)
    if not isinstance(verdict, Refused):
        facts = _heard(trial, playbook, facts, on)
        verdict = decide(playbook, alert, facts, history, on.now_ms)
    return verdict if isinstance(verdict, Refused) else None


def _heard(trial: Trial, playbook: Playbook, facts: Facts, on: stage.Stage) -> Facts:
    """Add what is asked last: what a human wants, and for what changes something who else is at work."""
    host = trial.host
    human = playbook.human(ask(playbook.asks(trial.facts), on, lambda: on.stopped))
    if human is None and host.human:
        human = HumanAct(host.human)
    if playbook.read_only:
        return replace(facts, human=human)
    at_work = HumanAct(host.at_work, passing=True) if host.at_work else None
    return replace(facts, human=human, at_work=at_work, lease=host.lease)


def _history(trial: Trial, playbook: Playbook) -> list[Attempt]:
    return [
        Attempt(
            one.playbook or playbook.playbook,
            playbook.target,
            stage.START_MS - one.ago.ms,
            stage.START_MS - one.ago.ms + one.took.ms if one.outcome else None,
            one.outcome,
        )
        for one in trial.history
        if one.ago.ms < HISTORY_MS
    ]


def _facts(trial: Trial, alert: Alert) -> Facts:
    host = trial.host
    sight = Sight(host.sample_age.ms, host.sample_every.ms) if host.sample_age else None
    return Facts(
        stopped=host.stopped,
        busy=host.busy,
        under_way=host.under_way,
        holds={EVERY_PLAYBOOK: host.hold} if host.hold else {},
        pauses=host.pauses,
        sight=sight,
        firing=(alert, *map(_other, host.firing)),
        watched=frozenset(host.watched),
        approved=host.approved,
    )


def _other(labels: Mapping[str, str]) -> Alert:
    return Alert(Labels.of(labels), {}, AlertState.FIRING, 1.0, stage.START_MS, stage.START_MS)


def _carried(
    trial: Trial, playbook: Playbook, alert: Alert, on: stage.Stage, journal: Journal
) -> tuple[Run, Carried]:
    """Take the steps and judge their effect until the run is closed."""
    run = runs.begun(playbook, alert, on.now_ms)
    journal.save(run)
    errand = Errand(run.id, playbook, trial.facts, given(alert, trial.facts), on)
    done = carry(errand, on, journal, on.reins())
    run = runs.carried(run, playbook, done)
    while run.stage is Stage.VERIFYING:
        after_ms = on.now_ms - run.done_ms
        seen = _seen(trial.effect, after_ms)
        if seen.worse and run.acted_ms:
            run = runs.harmed(run, playbook, seen.worse, on.now_ms)
            break
        run = judged(run, playbook, seen.gone, on.now_ms)
        moments = (*(run.done_ms + one.at.ms for one in trial.effect), *turns_ms(run, playbook))
        # A run that is not closed at its last turn would wait for ever: then min() has nothing to take.
        on.now_ms = on.now_ms if run.outcome else min(at_ms for at_ms in moments if at_ms > on.now_ms)
    journal.save(run)
    return run, done


def _seen(effects: tuple[Effect, ...], after_ms: int) -> Effect:
    """Return what is seen so long after the last step; before the first is written, nothing is."""
    return next((one for one in reversed(effects) if one.at.ms <= after_ms), _UNSEEN)


def _text(journal: Journal, run: str) -> str:
    """Return all that the journal tells of a run, with its audit chain."""
    steps = (
        f"{one.step}\n{one.result.output}\n{one.result.reason}" if one.result else one.step
        for one in journal.steps(run)
    )
    told = (f"{one.reason}\n{one.trouble}" for one in journal.recent(0))
    return "\n".join((*steps, *told, *(entry.fact for entry in journal.audit())))
