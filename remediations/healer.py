"""The healer: hears of alerts, asks the guards, lets workers take steps and judges what came of them.

Decisions are made on one thread, the agent's loop, which calls everything here but ``Surroundings``'
``stopped`` and ``wake``. Workers only carry steps; their results wait in a queue for ``tick``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from model.alert import Alert, AlertState
from model.duration import Duration
from model.grant import Grant
from model.labels import Labels
from model.outcome import Healing, Outcome, Remedy
from model.plugin import Unplannable
from remediations import guard, hearing, telling
from remediations.asking.approval import Ask, Stands, shown
from remediations.asking.asked import Ended
from remediations.asking.asking import Asking
from remediations.asking.inquiry import Inquiry
from remediations.attempt import Attempt
from remediations.breaker import State
from remediations.case import ASK_FIRST_MS, RECURRENCE_MS, Case
from remediations.choice import asked_once, choice
from remediations.hearing import NOTHING_HEARD, Heard
from remediations.ladder.rungs import Rungs
from remediations.ladder.shadows import Shadows
from remediations.question import SOON_MS, Facts, Refused
from remediations.running import run as runs
from remediations.running.carrying import Asks, Errand, Hands, Nobody, Undone, carry, given, undo
from remediations.running.crew import Crew, Threads
from remediations.running.halt import Halt
from remediations.running.journal import Journal, JournalLost
from remediations.running.recovery import carried_before, taken_up
from remediations.running.run import REASON_CHARACTERS_MAX, Carried, Run, Stage
from remediations.running.verify import judged
from remediations.surroundings import Surroundings
from remediations.tally import Tally
from remediations.writing.playbook import Mode, Playbook, answering

HISTORY_MS: Final = 7 * 24 * 3_600_000
KEPT_MS: Final = 90 * 24 * 3_600_000
TIDY_EVERY_MS: Final = 60_000
JOURNAL_RETRY_MS: Final = 15_000


Job = Heard | Carried | Undone


class Healer:
    """Heals what its playbooks answer to; call ``recover`` once before anything else."""

    def __init__(
        self,
        playbooks: Iterable[Playbook],
        journal: Journal,
        hands: Hands,
        around: Surroundings,
        crew: Crew | None = None,
    ) -> None:
        self.tally = Tally()
        self.rungs = Rungs(playbooks, journal, around.host, around.now())
        self._journal = journal
        self._hands = hands
        self._around = around
        self._cases: dict[Labels, Case] = {}
        self._asking = Asking(journal, around.host, around.people)
        self._crew = crew or Threads()
        self._halt = Halt(around.stopped, self._crew, around.now)
        self._done: queue.SimpleQueue[tuple[Case, Future[Job]]] = queue.SimpleQueue()
        self._shadows = Shadows(journal, hands, around, self._crew, self.facts, self.tally)
        self._ticked_ms = 0
        self._tidied_ms = 0

    def consider(self, alert: Alert, now_ms: int) -> None:
        """Hear of an alert that started firing, became unknown or known again, or resolved.

        After ``recover`` every alert that still fires is to be considered once.
        """
        case = self._cases.get(alert.labels)
        fresh = case is None or case.alert.fired_at_ms != alert.fired_at_ms
        if case is None:
            if alert.state is not AlertState.FIRING:
                return
            case = self._cases[alert.labels] = Case(alert, now_ms)
        seen_again = case.alert.unknown_since_ms is not None and alert.unknown_since_ms is None
        case.alert, case.changed_ms = alert, now_ms
        self._shadows.hear(alert, now_ms)
        if alert.state is not AlertState.FIRING:
            case.retry_at_ms = None
            case.resolved.set()
            case.asked, case.approved = self._asking.withdrawn(case.asked, now_ms), False
        elif not case.busy and fresh:
            self._episode(case, now_ms)
        elif case.waits(now_ms) or (seen_again and not case.busy and case.retry_at_ms is not None):
            self._decide(case, now_ms)

    def tick(self, now_ms: int) -> None:
        """Take in what workers did, judge effects on the newest samples, ask guards again in time."""
        self._ticked_ms = now_ms
        while not self._done.empty():
            self._finish(*self._done.get_nowait(), now_ms)
        for case in tuple(self._cases.values()):
            if case.verifying:
                self._verify(case, now_ms)
            elif case.run is not None and case.run.stage is Stage.ACTING and not case.asking:
                self._tell(case, telling.at_work(case, case.run))
            elif case.waits(now_ms):
                self._decide(case, now_ms)
            if case.lets_go:
                self._let_go(case)
        self._climb(now_ms)
        if now_ms - self._tidied_ms >= TIDY_EVERY_MS:
            self._tidy(now_ms)

    def next_due_ms(self) -> int | None:
        """Return when ``tick`` is needed next, if no worker wakes it before."""
        dues = [case.due_ms(self._ticked_ms) for case in self._cases.values()]
        dues.append(self._shadows.next_due_ms())
        return min((due for due in dues if due is not None), default=None)

    def remedy(self, labels: Labels) -> Remedy:
        """Return how the healing of an alert stands."""
        case = self._cases.get(labels)
        return case.remedy if case else Remedy()

    def ask(self, labels: Labels) -> Ask | None:
        """Return what people are asked about an alert just now."""
        case = self._cases.get(labels)
        return case.ask if case else None

    def undecided(self, labels: Labels) -> bool:
        """Tell whether a worker asks the host just now what may be done about an alert."""
        case = self._cases.get(labels)
        return case is not None and case.asking

    def recover(self, now_ms: int) -> None:
        """Take up after a restart: unfinished runs are judged by their effect, no step is repeated."""
        named: dict[str, Playbook] = {playbook.playbook: playbook for playbook in self.rungs.playbooks}
        self._asking.recover(now_ms)
        latest = {run.labels: run for run in self._journal.recent(now_ms - 2 * RECURRENCE_MS)}
        latest.update({run.labels: run for run in self._journal.unfinished()})
        for labels, run in latest.items():
            # Whether it still fires is for the rules to say; until they do, nothing new is begun for it.
            alert = Alert(labels, {}, AlertState.RESOLVED, 0.0, run.onset_ms, run.fired_ms)
            case = self._cases[labels] = Case(alert, now_ms, runs.remedy(run), named.get(run.playbook), run)
            case.called, case.asked = run.escalate, self._asking.about(alert)
            if run.stage is not Stage.CLOSED:
                self._take_up(case, run, now_ms)
            if (case.retries or case.waits_for_people) and not case.busy:
                case.retry_at_ms = now_ms
        going = frozenset(labels for labels, case in self._cases.items() if case.busy)
        self._aside(lambda: self._around.settle(going))

    def use(self, playbooks: Iterable[Playbook]) -> None:
        """Take other playbooks from now on; runs that are under way keep theirs."""
        self.rungs.use(playbooks, self._around.now())

    def close(self) -> None:
        """Let steps that are under way end, no longer than 5 s, and keep their runs for ``recover``."""
        self._crew.close()

    def _take_up(self, case: Case, run: Run, now_ms: int) -> None:
        """Go on with what the journal tells of a run: its undo, or the wait for its effect."""
        steps, case.leases = self._journal.steps(run.id), 1
        case.carried = carried_before(steps, case.playbook, self._around.host, now_ms)
        if run.stage is not Stage.UNDOING:
            gone = case.playbook is None
            self._turn(case, taken_up(run, steps, case.carried, now_ms, gone=gone))
        self._take_back(case)
        if case.verifying:
            self._await(case, now_ms)

    def _episode(self, case: Case, now_ms: int) -> None:
        """An alert fires anew: what fixed it before did not last, or it is a first time."""
        if case.run is not None and case.recurs(now_ms):
            after = Duration(max(0, now_ms - case.run.verified_ms) // 1000 * 1000)
            reason = f"it came back {after} after {case.run.playbook} had helped"
            self._turn(case, replace(case.run, outcome=Outcome.RECURRED, reason=reason))
        else:
            case.run, case.remedy = None, Remedy()
        case.called, case.passing_since_ms, case.refused_by = False, 0, ("", "")
        self._asking.withdrawn(case.asked, now_ms)
        case.asked, case.approved = self._asking.about(case.alert), False
        self._decide(case, now_ms)

    def _decide(self, case: Case, now_ms: int, heard: Heard | None = None) -> None:
        """Ask the guards of the first playbook that is not out for long; a look at the host comes last."""
        case.retry_at_ms = None
        if case.alert.state is not AlertState.FIRING:
            return
        ladder = self._spoken(case, now_ms)
        if case.waits_for_people and not self._answered(case, ladder, now_ms):
            return
        if not ladder:
            self._tell(case, telling.unanswered(case))
            return
        about, askable = case.playbook if heard else None, self._asking.possible and not case.approved
        chosen = choice(
            filter(case.may_try, ladder),
            lambda one: self._refusal(case, one, heard if one is about else None, now_ms),
            askable=askable,
        )
        case.playbook = playbook = chosen.playbook
        if chosen.refused is not None and not chosen.wanted:
            self._refuse(case, playbook, chosen.refused, now_ms)
            case.look_again_in_time()
        elif not playbook.acts:
            self._propose(case, playbook, now_ms)
        elif playbook is not about and hearing.questions(playbook, self._around):
            self._listen(case, playbook, begins=not chosen.wanted)
        elif chosen.refused is not None:
            self._ask(case, playbook, chosen.refused, now_ms)
        else:
            self._start(case, playbook, now_ms)

    def _ask(self, case: Case, playbook: Playbook, refused: Refused, now_ms: int) -> None:
        try:
            case.asked = self._asking.ask(playbook, case.alert, refused.reason, now_ms)
        except JournalLost as lost:
            self._refuse(case, playbook, _lost(lost, now_ms), now_ms)
            return
        self.tally.refusals[playbook.playbook, refused.guard] += 1
        self._answered(case, (playbook,), now_ms)

    def _answered(self, case: Case, ladder: Sequence[Playbook], now_ms: int) -> bool:
        """Hear what people answered to an open ask; tell whether that decides it, be it a yes or a no."""
        assert case.asked is not None, "somebody was asked"
        try:
            case.asked, stands = self._asking.heard(case.asked, ladder, now_ms)
        except JournalLost:
            case.approved, case.retry_at_ms = False, now_ms + JOURNAL_RETRY_MS
            return False
        case.approved = stands.stands is Stands.ENOUGH
        if stands.stands is Stands.WAITING:
            case.retry_at_ms = now_ms + SOON_MS
            case.playbook = next(one for one in ladder if one.playbook == case.asked.ask.playbook)
            self._tell(case, telling.waiting(case, case.playbook, stands.sentence))
        return stands.stands is not Stands.WAITING

    def _spoken(self, case: Case, now_ms: int) -> tuple[Playbook, ...]:
        """Return the playbooks that answer, in their order; of those that only observe nobody hears."""
        each = answering(self.rungs.playbooks, case.alert.labels)
        for one in each:
            if one.mode is Mode.OBSERVE:
                self._shadows.meet(one, case.alert, now_ms)
        heard = (one for one in each if one.mode is not Mode.OBSERVE)
        return tuple(sorted(heard, key=self.rungs.demoted))

    def _climb(self, now_ms: int) -> None:
        """Hear what the shadows have found, and who was reinstated; both may change what is told."""
        changed = self.rungs.refresh(now_ms)
        news = self._shadows.tick(now_ms)
        for labels, case in tuple(self._cases.items()) if changed or news else ():
            if case.busy or case.playbook is None or case.playbook.acts or case.waits_for_people:
                continue
            if case.playbook.playbook in changed:
                self._decide(case, now_ms)
            elif labels in news:
                self._propose(case, case.playbook, now_ms)

    def _refusal(self, case: Case, playbook: Playbook, heard: Heard | None, now_ms: int) -> Refused | None:
        """Return why a playbook may not act, None where it may."""
        try:
            playbook.plan(self._around.host)
            history = self._history(playbook, now_ms)
        except Unplannable as wrong:
            return Refused(str(wrong), lasting=True, guard="unplannable")
        except JournalLost as lost:
            return _lost(lost, now_ms)
        facts = self.facts(case.alert, now_ms, heard or NOTHING_HEARD, approved=case.approved)
        verdict = guard.decide(playbook, case.alert, facts, history, now_ms)
        if not isinstance(verdict, Refused):
            return None
        return asked_once(verdict, case.asked) if verdict.approvable and case.asked else verdict

    def _history(self, playbook: Playbook, now_ms: int) -> tuple[Attempt, ...]:
        return self._journal.attempts(playbook.playbook, playbook.target, now_ms - HISTORY_MS)

    def _listen(self, case: Case, playbook: Playbook, *, begins: bool) -> None:
        """Have a worker look whether somebody is at work, and where it begins then, ask the desk."""
        alert, around, hand = case.alert, self._around, self._hands.of(playbook.playbook)

        def listened() -> Heard:
            if begins:
                return hearing.listened(playbook, alert, hand, around, self._halt.halted)
            return hearing.looked(playbook, hand, around, self._halt.halted)

        case.asking = True
        self._submit(case, listened)

    def facts(
        self, alert: Alert, now_ms: int, heard: Heard = NOTHING_HEARD, *, approved: bool = False
    ) -> Facts:
        """Return what guards are told of this moment and this alert."""
        return hearing.facts(self._cases.values(), self._around, alert, now_ms, heard, approved=approved)

    def breakers(self, now_ms: int) -> dict[str, State]:
        """Return how the breaker of each playbook stands; raises ``JournalLost``."""
        return {
            one.playbook: guard.breaker_of(one, self._history(one, now_ms), now_ms).state
            for one in self.rungs.playbooks
        }

    def _start(self, case: Case, playbook: Playbook, now_ms: int) -> None:
        # Whoever was called for this episode stays called until it is fixed.
        run = replace(runs.begun(playbook, case.alert, now_ms), escalate=case.called)
        try:
            if case.approved and case.asked is not None:
                case.asked = self._asking.end(case.asked, Ended.USED, run.id, now_ms, run.id)
            self._journal.save(run)
        except JournalLost as lost:
            self._refuse(case, playbook, _lost(lost, now_ms), now_ms)
            return
        if not playbook.read_only:
            self._shadows.overtake(case.alert.labels)
        case.passing_since_ms, case.approved = 0, False
        case.run, case.resolved = run, threading.Event()
        reins = self._halt.reins(case.resolved)
        host, grants = self._around.host, self._asking.granted(run.id)
        people = self._inquiry(case, playbook, run, grants)
        errand = Errand(run.id, playbook, host, given(case.alert, host), people)
        hand = self._hands.of(playbook.playbook, grants)
        self._submit(case, lambda: carry(errand, hand, self._journal, reins))
        self._tell(case, runs.remedy(run))

    def _inquiry(self, case: Case, playbook: Playbook, run: Run, grants: tuple[Grant, ...]) -> Asks:
        """Return the way from a run to people; what its worker asks is told by the loop."""
        around = self._around

        def told(ask: Ask | None) -> None:
            case.inquiry = ask
            around.wake()

        if around.people is None:
            return Nobody()
        return Inquiry(run, playbook, around.host, self._journal, self._hands, around.people, told, grants)

    def _submit(self, case: Case, work: Callable[[], Job]) -> None:
        job = self._crew.send(work)
        job.add_done_callback(lambda done: self._hand_in(case, done))

    def _let_go(self, case: Case) -> None:
        """Give back what was leased for a run that is over, or that never began."""
        labels, leases = case.alert.labels, case.leases
        case.leases = 0
        self._aside(lambda: self._around.give_back(labels, leases))

    def _aside(self, work: Callable[[], None]) -> None:
        """Have a worker do what nobody waits for; a bug in it is logged where it is raised."""
        self._crew.send(work).add_done_callback(lambda job: job.cancelled() or job.result())

    def _hand_in(self, case: Case, job: Future[Job]) -> None:
        """Called by a worker when it is done."""
        self._done.put((case, job))
        self._around.wake()

    def _finish(self, case: Case, job: Future[Job], now_ms: int) -> None:
        """Take in what a worker did; a bug in it is raised here, after its run was closed."""
        case.asking, run, playbook = False, case.run, case.playbook
        assert playbook is not None, "workers are only sent for a playbook"
        if job.cancelled():
            return
        if job.exception() is not None and run is not None and run.stage is Stage.ACTING:
            reason = f"a bug ended the run: {job.exception()!r}"
            steps = self._journal.steps(run.id)
            case.carried = carried_before(steps, playbook, self._around.host, now_ms)
            self._turn(case, runs.closed(run, playbook.otherwise, Outcome.FAILED, reason, now_ms))
            self._take_back(case)
        done = job.result()
        if isinstance(done, Heard):
            case.leases += done.leased
            self._decide(case, now_ms, done)
            return
        assert run is not None, "steps are only carried for a run"
        if isinstance(done, Undone):
            if self._crew.leaving and done.trouble:
                return  # the next life goes on with it
            case.carried = None
            self._turn(case, runs.undone(run, done.trouble))
        else:
            case.carried = done
            self._turn(case, runs.carried(run, playbook, done))
            self._take_back(case)
        if case.verifying:
            self._await(case, now_ms)
        elif case.retries:
            case.retry_at_ms = now_ms

    def _await(self, case: Case, now_ms: int) -> None:
        case.ask_at_ms, case.ask_after_ms = now_ms, ASK_FIRST_MS
        self._ask_fresh(case, now_ms)

    def _ask_fresh(self, case: Case, now_ms: int) -> None:
        if case.verifying and case.playbook is not None and case.asks_fresh(now_ms):
            self._around.ask_fresh(case.playbook, case.alert)

    def _verify(self, case: Case, now_ms: int) -> None:
        run, playbook = case.run, case.playbook
        assert run is not None, "only a run is verified"
        assert playbook is not None, "a run has a playbook"
        worse = self._around.worse(case.alert, run.acted_ms) if run.acted_ms else ""
        gone = self._around.judge_effect(playbook, case.alert, run.done_ms, now_ms)
        after = runs.harmed(run, playbook, worse, now_ms) if worse else judged(run, playbook, gone, now_ms)
        if after != run:
            self._turn(case, after)
            self._take_back(case)
        self._ask_fresh(case, now_ms)
        if case.retries:
            case.retry_at_ms = now_ms

    def _take_back(self, case: Case) -> None:
        """Undo what a run changed, where it did not help; that waits for no other run: it may end harm."""
        run, done, reins = case.run, case.carried, self._halt.reins(case.resolved)
        if run is None or done is None or not case.undoing:
            return
        if not done.undo:
            case.carried = None
            self._turn(case, runs.undone(run, "; ".join(done.lost)))
        else:
            hand = self._hands.of(run.playbook, self._asking.granted(run.id))
            self._submit(case, lambda: undo(run.id, done, hand, self._journal, reins))

    def _propose(self, case: Case, playbook: Playbook, now_ms: int) -> None:
        if case.failed and case.run is not None and case.run.playbook == playbook.playbook:
            return  # what it did is told, and that it only proposes now
        try:
            steps = shown(playbook, self._around.host)
        except Unplannable as wrong:
            self._refuse(case, playbook, Refused(str(wrong), guard="unplannable"), now_ms)
            return
        known = self._shadows.meet(playbook, case.alert, now_ms)
        reason = self.rungs.told(playbook, known, steps, now_ms)
        self._tell(case, telling.standing(case, playbook, Healing.PROPOSED, reason))

    def _refuse(self, case: Case, playbook: Playbook, refused: Refused, now_ms: int) -> None:
        """Say why nothing is done; what lasts is added to what a run of this episode has said already."""
        case.retry_at_ms = refused.retry_at_ms
        if (playbook.playbook, refused.guard) != case.refused_by:
            case.refused_by = (playbook.playbook, refused.guard)
            self.tally.refusals[case.refused_by] += 1
        if refused.passing:
            case.passing_since_ms = case.passing_since_ms or now_ms
        remedy = telling.refused(case, playbook, refused, now_ms)
        if remedy is not None:
            self._tell(case, remedy)

    def _turn(self, case: Case, run: Run) -> None:
        """Let a run stand differently, on disk first; a lost journal keeps nobody from hearing of it."""
        run = runs.undoing(run, case.carried)
        ended = run.outcome if case.run is None or run.outcome is not case.run.outcome else None
        if ended is Outcome.HARMFUL:
            self.rungs.demote(run, run.ended_ms)
        try:
            self._journal.save(run)
        except JournalLost as lost:
            run = replace(run, reason=f"{run.reason}; {lost}"[:REASON_CHARACTERS_MAX])
        if ended:
            self.tally.runs[run.playbook, ended.value] += 1
        case.run, remedy = run, runs.remedy(run)
        earned = self.rungs.earned(run.playbook, run.ended_ms) if ended is Outcome.FIXED else ""
        told = f"{remedy.reason}; {earned}"[:REASON_CHARACTERS_MAX] if earned else remedy.reason
        self._tell(case, replace(remedy, reason=told))

    def _tell(self, case: Case, remedy: Remedy) -> None:
        """Say how it stands; whoever was called for an episode stays called until it is over."""
        over = remedy.status is Outcome.FIXED or case.alert.state is not AlertState.FIRING
        if case.called and not over:
            remedy = replace(remedy, escalate=True)
        case.called = remedy.escalate
        if remedy != case.remedy:
            case.remedy = remedy
            self._around.on_change()

    def _tidy(self, now_ms: int) -> None:
        self._tidied_ms = now_ms
        for labels in [labels for labels, case in self._cases.items() if case.over(now_ms)]:
            del self._cases[labels]
        try:
            self._asking.tidy(now_ms)
            self._journal.forget(now_ms - KEPT_MS)
        except JournalLost:
            return  # the next run that is to be written says so


def _lost(lost: JournalLost, now_ms: int) -> Refused:
    return Refused(str(lost), now_ms + JOURNAL_RETRY_MS, guard="journal")
