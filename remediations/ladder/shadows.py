"""Shadows: playbooks that may not act yet decide as if they might, and what would have been is written down.

Guards are asked as in ``auto``, with what earlier proposals would have used up of budgets and cooldown. The
host is asked what humans want, read-only; of the desk nothing is asked, for an answer would be a lease.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Final

from model.alert import Alert, AlertState
from model.labels import Labels
from model.plugin import Unplannable
from remediations import guard
from remediations.asking.approval import shown
from remediations.attempt import Attempt
from remediations.hearing import NOTHING_HEARD, Heard, looked
from remediations.ladder import proposal
from remediations.ladder.proposal import Kind, Proposal
from remediations.question import Facts, Refused
from remediations.running.carrying import Hands
from remediations.running.crew import Crew
from remediations.running.journal import Journal, JournalLost
from remediations.surroundings import Surroundings
from remediations.tally import Tally
from remediations.writing.playbook import Mode, Playbook

HISTORY_MS: Final = 7 * 24 * 3_600_000
JOURNAL_RETRY_MS: Final = 15_000
APPROVAL: Final = "approval"
"""The guard that wants a person's word; a proposal waits for one anyway."""


@dataclass(slots=True, eq=False)
class Shadow:
    """One playbook beside one alert that fires."""

    playbook: Playbook
    alert: Alert
    proposal: Proposal
    retry_at_ms: int | None = None
    asking: bool = False

    def due_ms(self) -> int | None:
        """Return when it is to be looked at again, None where it waits for something else."""
        if self.asking or self.alert.unknown_since_ms is not None:
            return None
        return self.proposal.due_ms or self.retry_at_ms


@dataclass(slots=True)
class Shadows:
    """All shadows of an agent; used by the healer's thread, workers only ask the host.

    ``facts(alert, now_ms, heard)`` is what guards are told.
    """

    journal: Journal
    hands: Hands
    around: Surroundings
    crew: Crew
    facts: Callable[[Alert, int, Heard], Facts]
    tally: Tally
    _each: dict[Labels, dict[str, Shadow]] = field(default_factory=dict)
    _done: queue.SimpleQueue[tuple[Shadow, Future[Heard]]] = field(default_factory=queue.SimpleQueue)
    _changed: dict[str, Proposal] = field(default_factory=dict)

    def meet(self, playbook: Playbook, alert: Alert, now_ms: int) -> Proposal | None:
        """Let a playbook stand beside an alert that fires, until it is over; None without the journal.

        What a former life of the agent wrote of this episode is left as it is: nobody saw what was between.
        """
        fresh = proposal.met(playbook, alert, now_ms)
        beside = self._each.setdefault(alert.labels, {})
        known = beside.get(playbook.playbook)
        if known is not None and known.proposal.id == fresh.id:
            return known.proposal
        try:
            before = self.journal.proposal(fresh.id)
        except JournalLost:
            return None
        if before is not None:
            return before
        shadow = beside[playbook.playbook] = Shadow(playbook, alert, fresh)
        self._ask(shadow, now_ms)
        return shadow.proposal

    def hear(self, alert: Alert, now_ms: int) -> None:
        """Hear how an alert stands now; when it resolves, so does what stood beside it."""
        fires = alert.state is AlertState.FIRING
        beside = self._each.get(alert.labels, {}) if fires else self._each.pop(alert.labels, {})
        for shadow in beside.values():
            seen_again = shadow.alert.unknown_since_ms is not None and alert.unknown_since_ms is None
            shadow.alert = alert
            if not fires:
                ended_ms = now_ms if alert.resolved_at_ms is None else min(alert.resolved_at_ms, now_ms)
                self._keep(shadow, proposal.over(shadow.proposal, ended_ms))
            elif seen_again and shadow.retry_at_ms is not None:
                shadow.retry_at_ms = now_ms

    def overtake(self, labels: Labels) -> None:
        """Hear that another playbook begins a run for this alert."""
        for shadow in self._each.get(labels, {}).values():
            self._keep(shadow, proposal.overtaken(shadow.proposal))

    def tick(self, now_ms: int) -> frozenset[Labels]:
        """Take in what workers heard and do what is due; return the alerts of which there is news."""
        while not self._done.empty():
            shadow, job = self._done.get_nowait()
            shadow.asking = False
            if not job.cancelled() and self._lives(shadow):
                self._ask(shadow, now_ms, job.result())
        for shadow in tuple(self._all()):
            due_ms = shadow.due_ms()
            if due_ms is None or now_ms < due_ms:
                continue
            if shadow.proposal.would_ms:
                self._keep(shadow, proposal.lasting(shadow.proposal, now_ms))
            else:
                self._ask(shadow, now_ms)
        return self._write()

    def next_due_ms(self) -> int | None:
        """Return when ``tick`` is needed next."""
        dues = (shadow.due_ms() for shadow in self._all())
        return min((due for due in dues if due is not None), default=None)

    def _all(self) -> Iterator[Shadow]:
        return (shadow for beside in self._each.values() for shadow in beside.values())

    def _lives(self, shadow: Shadow) -> bool:
        return self._each.get(shadow.alert.labels, {}).get(shadow.playbook.playbook) is shadow

    def _ask(self, shadow: Shadow, now_ms: int, heard: Heard | None = None) -> None:
        """Ask the guards; a look at the host comes last."""
        shadow.retry_at_ms = None
        refused = self._refusal(shadow, now_ms, heard)
        if refused is not None:
            shadow.retry_at_ms = refused.retry_at_ms
            self._keep(shadow, proposal.refused(shadow.proposal, refused))
        elif heard is None and self._questions(shadow.playbook):
            self._look(shadow)
        else:
            steps = shown(shadow.playbook, self.around.host)
            self._keep(shadow, proposal.allowed(shadow.proposal, steps, now_ms))

    def _refusal(self, shadow: Shadow, now_ms: int, heard: Heard | None) -> Refused | None:
        """Return why this playbook would not act if it were allowed to, None where it would."""
        playbook = replace(shadow.playbook, mode=Mode.AUTO)
        try:
            playbook.plan(self.around.host)
            history = self._history(shadow, now_ms)
        except Unplannable as wrong:
            return Refused(str(wrong), guard="unplannable")
        except JournalLost as lost:
            return Refused(str(lost), now_ms + JOURNAL_RETRY_MS, guard="journal")
        facts = self.facts(shadow.alert, now_ms, heard or NOTHING_HEARD)
        verdict = guard.decide(playbook, shadow.alert, facts, history, now_ms)
        return verdict if isinstance(verdict, Refused) and verdict.guard != APPROVAL else None

    def _history(self, shadow: Shadow, now_ms: int) -> tuple[Attempt, ...]:
        """Return the runs that were, and those that would have been; what had come of these nobody knows."""
        playbook, since_ms = shadow.playbook, now_ms - HISTORY_MS
        runs = self.journal.attempts(playbook.playbook, playbook.target, since_ms)
        name, unwritten = playbook.playbook, self._changed.values()
        began = self.journal.would(name, since_ms)
        began |= {one.id: one.would_ms for one in unwritten if one.playbook == name and one.would_ms}
        would = (Attempt(name, playbook.target, at_ms) for at_ms in began.values())
        return tuple(sorted((*runs, *would), key=lambda one: one.started_ms))

    def _questions(self, playbook: Playbook) -> bool:
        return self.around.at_work is not None or any(playbook.asks(self.around.host))

    def _look(self, shadow: Shadow) -> None:
        """Have a worker look who wants the present state, and who is at work."""
        playbook, around, hand = shadow.playbook, self.around, self.hands.of(shadow.playbook.playbook)

        def done(job: Future[Heard]) -> None:
            self._done.put((shadow, job))
            around.wake()

        shadow.asking = True
        job = self.crew.send(lambda: looked(playbook, hand, around, around.stopped))
        job.add_done_callback(done)

    def _keep(self, shadow: Shadow, after: Proposal) -> None:
        """Let a proposal stand differently, in the journal at the next tick: many may change at once."""
        before, shadow.proposal = shadow.proposal, after
        if after != before:
            self._changed[after.id] = after
            if before.kind is Kind.OPEN and after.kind is not Kind.OPEN:
                self.tally.proposals[after.playbook, after.kind.value] += 1

    def _write(self) -> frozenset[Labels]:
        """Write what changed, and return the alerts that it is about; what is lost is not counted."""
        changed, self._changed = self._changed, {}
        if changed:
            # The guards refuse for the same reason, and say so.
            with contextlib.suppress(JournalLost):
                self.journal.propose(changed.values())
        return frozenset(one.labels for one in changed.values())
