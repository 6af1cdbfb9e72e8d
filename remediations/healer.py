"""The healer: hears of alerts, asks the guards, lets workers take steps and judges what came of them.

Decisions are made on one thread, the agent's loop, which calls everything here but ``Surroundings``'
``stopped`` and ``wake``. Workers only carry steps; their results wait in a queue for ``tick``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

from model.alert import Alert, AlertState
from model.duration import Duration
from model.labels import Labels
from model.outcome import Healing, Outcome, Remedy
from model.plugin import Unplannable
from model.step import HumanAct
from remediations import guard
from remediations import run as runs
from remediations.attempt import Attempt
from remediations.breaker import State
from remediations.carrying import Errand, Hands, Reins, Undone, ask, carry, given, undo
from remediations.case import ASK_FIRST_MS, RECURRENCE_MS, Case
from remediations.crew import Crew, Threads
from remediations.journal import Journal, JournalLost
from remediations.playbook import Mode, Never, Otherwise, Playbook, answering
from remediations.question import Facts, Refused
from remediations.run import REASON_CHARACTERS_MAX, Carried, Run, Stage
from remediations.surroundings import Surroundings
from remediations.tally import Tally
from remediations.verify import judged

HISTORY_MS: Final = 7 * 24 * 3_600_000
KEPT_MS: Final = 90 * 24 * 3_600_000
TIDY_EVERY_MS: Final = 60_000
JOURNAL_RETRY_MS: Final = 15_000
PASSING_MAX_MS: Final = 5 * 60_000
REST_S: Final = 0.1
LEAVING: Final = "the agent is stopping"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a worker heard before anything is begun: who is at work, and why the desk does not agree."""

    human: HumanAct | None = None
    at_work: HumanAct | None = None
    lease: str = ""


NOTHING_HEARD: Final = Heard()

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
        self._playbooks = tuple(playbooks)
        self._journal = journal
        self._hands = hands
        self._around = around
        self._cases: dict[Labels, Case] = {}
        self._crew = crew or Threads()
        self._done: queue.SimpleQueue[tuple[Case, Future[Job]]] = queue.SimpleQueue()
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
        if alert.state is not AlertState.FIRING:
            case.retry_at_ms = None
            case.resolved.set()
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
            elif case.waits(now_ms):
                self._decide(case, now_ms)
        if now_ms - self._tidied_ms >= TIDY_EVERY_MS:
            self._tidy(now_ms)

    def next_due_ms(self) -> int | None:
        """Return when ``tick`` is needed next, if no worker wakes it before."""
        dues = (case.due_ms(self._ticked_ms) for case in self._cases.values())
        return min((due for due in dues if due is not None), default=None)

    def remedy(self, labels: Labels) -> Remedy:
        """Return how the healing of an alert stands."""
        case = self._cases.get(labels)
        return case.remedy if case else Remedy()

    def undecided(self, labels: Labels) -> bool:
        """Tell whether a worker asks the host just now what may be done about an alert."""
        case = self._cases.get(labels)
        return case is not None and case.asking

    def recover(self, now_ms: int) -> None:
        """Take up after a restart: unfinished runs are judged by their effect, no step is repeated."""
        named: dict[str, Playbook] = {playbook.playbook: playbook for playbook in self._playbooks}
        latest = {run.labels: run for run in self._journal.recent(now_ms - 2 * RECURRENCE_MS)}
        latest.update({run.labels: run for run in self._journal.unfinished()})
        for labels, run in latest.items():
            # Whether it still fires is for the rules to say; until they do, nothing new is begun for it.
            alert = Alert(labels, {}, AlertState.RESOLVED, 0.0, run.onset_ms, run.fired_ms)
            case = self._cases[labels] = Case(alert, now_ms, runs.remedy(run), named.get(run.playbook), run)
            case.called = run.escalate
            if run.stage is not Stage.CLOSED:
                self._take_up(case, run, now_ms)
            elif case.retries:
                case.retry_at_ms = now_ms

    def use(self, playbooks: Iterable[Playbook]) -> None:
        """Take other playbooks from now on; runs that are under way keep theirs."""
        self._playbooks = tuple(playbooks)

    def close(self) -> None:
        """Let steps that are under way end, no longer than 5 s, and keep their runs for ``recover``."""
        self._crew.close()

    def _take_up(self, case: Case, run: Run, now_ms: int) -> None:
        if case.playbook is None:
            reason = f"{runs.RESTARTED}; its playbook is gone"
            self._turn(case, runs.closed(run, Otherwise.ESCALATE, Outcome.FAILED, reason, now_ms))
            return
        self._turn(case, runs.recovered(run, now_ms))
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
        self._decide(case, now_ms)

    def _decide(self, case: Case, now_ms: int, heard: Heard | None = None) -> None:
        """Ask the guards of the first playbook that is not out for long; a look at the host comes last."""
        case.retry_at_ms = None
        if case.alert.state is not AlertState.FIRING:
            return
        ladder = answering(self._playbooks, case.alert.labels)
        if not ladder:
            reason = f"no playbook answers to {case.alert.name}"
            self._tell(
                case, Remedy(Healing.NONE, reason=reason, escalate=True, onset_ms=case.alert.active_at_ms)
            )
            return
        asked, out = case.playbook if heard else None, list[Refused]()
        for playbook in ladder:
            if playbook.mode is not Mode.AUTO:
                break
            known = heard if playbook is asked else None
            refused = self._refusal(case, playbook, known, now_ms)
            if refused is None or not refused.lasting:
                break
            out.append(refused)
        case.playbook = playbook
        if len(out) == len(ladder):
            self._refuse(case, playbook, _all_out(out), now_ms)
        elif playbook.mode is not Mode.AUTO:
            self._propose(case, playbook, now_ms)
        elif refused is not None:
            self._refuse(case, playbook, _all_out([*out, refused]), now_ms)
        elif known is None and self._questions(playbook):
            self._listen(case, playbook)
        else:
            self._start(case, playbook, now_ms)

    def _refusal(self, case: Case, playbook: Playbook, heard: Heard | None, now_ms: int) -> Refused | None:
        """Return why a playbook may not act, None where it may."""
        try:
            playbook.plan(self._around.host)
            history = self._history(playbook, now_ms)
        except Unplannable as wrong:
            return Refused(str(wrong), lasting=True, guard="unplannable")
        except JournalLost as lost:
            return Refused(str(lost), now_ms + JOURNAL_RETRY_MS, guard="journal")
        facts = self.facts(case.alert, now_ms, heard or NOTHING_HEARD)
        verdict = guard.decide(playbook, case.alert, facts, history, now_ms)
        return verdict if isinstance(verdict, Refused) else None

    def _history(self, playbook: Playbook, now_ms: int) -> tuple[Attempt, ...]:
        return self._journal.attempts(playbook.playbook, playbook.target, now_ms - HISTORY_MS)

    def _questions(self, playbook: Playbook) -> bool:
        """Tell whether somebody or something is to be asked before this playbook begins."""
        around = self._around
        asks = not playbook.read_only and (around.at_work is not None or around.lease is not None)
        return asks or any(playbook.asks(around.host))

    def _listen(self, case: Case, playbook: Playbook) -> None:
        """Have a worker look whether somebody is at work, and ask the desk."""
        questions, alert, around = playbook.asks(self._around.host), case.alert, self._around

        def listened() -> Heard:
            hand = self._hands.of(playbook.playbook)
            human = playbook.human(ask(questions, hand, self._halted))
            heeds = Never.AT_WORK in playbook.guard.never_when
            at_work = around.at_work() if heeds and around.at_work is not None else None
            # A lease is not taken for what will surely be refused, and never left out of what may not be.
            refused = at_work is not None or (human is not None and human.certain)
            lease = "" if refused or around.lease is None else around.lease(playbook, alert)
            return Heard(human, at_work, lease)

        case.asking = True
        self._submit(case, listened)

    def facts(self, alert: Alert, now_ms: int, heard: Heard = NOTHING_HEARD) -> Facts:
        """Return what guards are told of this moment and this alert."""
        at_work = [case for case in self._cases.values() if case.acting or case.undoing]
        busy = {
            thing: case.playbook.playbook
            for case in self._cases.values()
            if case.busy and case.playbook is not None
            for thing in case.playbook.target
        }
        looking = sum(case.playbook is not None and case.playbook.read_only for case in at_work)
        return Facts(
            stopped=self._around.stopped(),
            busy=busy,
            under_way=len(at_work) - looking,
            looking=looking,
            human=heard.human,
            at_work=heard.at_work,
            holds=self._around.holds(),
            pauses=self._around.pauses(),
            sight=self._around.sight(alert, now_ms),
            firing=[one.alert for one in self._cases.values() if one.alert.state is AlertState.FIRING],
            watched=self._around.watched(),
            lease=heard.lease,
        )

    def breakers(self, now_ms: int) -> dict[str, State]:
        """Return how the breaker of each playbook stands; raises ``JournalLost``."""
        return {
            one.playbook: guard.breaker_of(one, self._history(one, now_ms), now_ms).state
            for one in self._playbooks
        }

    def _start(self, case: Case, playbook: Playbook, now_ms: int) -> None:
        # Whoever was called for this episode stays called until it is fixed.
        run = replace(runs.begun(playbook, case.alert, now_ms), escalate=case.called)
        try:
            self._journal.save(run)
        except JournalLost as lost:
            self._refuse(
                case, playbook, Refused(str(lost), now_ms + JOURNAL_RETRY_MS, guard="journal"), now_ms
            )
            return
        case.passing_since_ms = 0
        case.run, case.resolved = run, threading.Event()
        reins = self._reins(case)
        errand = Errand(run.id, playbook, self._around.host, given(case.alert, self._around.host))
        hand = self._hands.of(playbook.playbook)
        self._submit(case, lambda: carry(errand, hand, self._journal, reins))
        self._tell(case, runs.remedy(run))

    def _reins(self, case: Case) -> Reins:
        return Reins(self._halted, self._left, case.resolved.is_set, self._pause, self._around.now)

    def _submit(self, case: Case, work: Callable[[], Job]) -> None:
        job = self._crew.send(work)
        job.add_done_callback(lambda done: self._hand_in(case, done))

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
            self._turn(case, runs.closed(run, playbook.otherwise, Outcome.FAILED, reason, now_ms))
        done = job.result()
        if isinstance(done, Heard):
            self._decide(case, now_ms, done)
            return
        assert run is not None, "steps are only carried for a run"
        if isinstance(done, Undone):
            case.undoing, case.carried = False, None
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
        run, done, reins = case.run, case.carried, self._reins(case)
        if run is not None and done is not None and done.undo and case.failed:
            case.undoing = True
            hand = self._hands.of(run.playbook)
            self._submit(case, lambda: undo(run.id, done, hand, self._journal, reins))

    def _propose(self, case: Case, playbook: Playbook, now_ms: int) -> None:
        try:
            planned = playbook.plan(self._around.host)
        except Unplannable as wrong:
            self._refuse(case, playbook, Refused(str(wrong), guard="unplannable"), now_ms)
            return
        steps = "; ".join(str(one.step) for one in planned)
        word = "observes" if playbook.mode is Mode.OBSERVE else "proposes"
        reason = f"{playbook.playbook} only {word}; it would {steps}"[:REASON_CHARACTERS_MAX]
        self._tell(case, self._standing(case, playbook, Healing.PROPOSED, reason))

    def _refuse(self, case: Case, playbook: Playbook, refused: Refused, now_ms: int) -> None:
        """Say why nothing is done; what lasts is added to what a run of this episode has said already."""
        case.retry_at_ms = refused.retry_at_ms
        if (playbook.playbook, refused.guard) != case.refused_by:
            case.refused_by = (playbook.playbook, refused.guard)
            self.tally.refusals[case.refused_by] += 1
        if refused.passing:
            case.passing_since_ms = case.passing_since_ms or now_ms
        if case.failed and case.run is not None:
            if refused.lasting:
                reason = f"{case.run.reason}; {refused.reason}"[:REASON_CHARACTERS_MAX]
                self._tell(case, replace(runs.remedy(case.run), reason=reason))
            return
        status, reason = Outcome.SKIPPED, refused.reason
        if case.run is not None and case.run.outcome is Outcome.RECURRED:
            status, reason = Outcome.RECURRED, f"{case.run.reason}; {reason}"
        standing = self._standing(case, playbook, status, reason[:REASON_CHARACTERS_MAX])
        lasts = not refused.planned and now_ms - case.passing_since_ms >= PASSING_MAX_MS
        self._tell(case, replace(standing, escalate=standing.escalate and (lasts or not refused.passing)))

    def _standing(self, case: Case, playbook: Playbook, status: Healing | Outcome, reason: str) -> Remedy:
        return Remedy(
            status,
            playbook.playbook,
            run=case.run.id if case.run else "",
            reason=reason,
            escalate=playbook.otherwise is Otherwise.ESCALATE,
            onset_ms=case.alert.active_at_ms,
        )

    def _turn(self, case: Case, run: Run) -> None:
        """Let a run stand differently, on disk first; a lost journal keeps nobody from hearing of it."""
        try:
            self._journal.save(run)
        except JournalLost as lost:
            run = replace(run, reason=f"{run.reason}; {lost}"[:REASON_CHARACTERS_MAX])
        if run.outcome and (case.run is None or run.outcome is not case.run.outcome):
            self.tally.runs[run.playbook, run.outcome.value] += 1
        case.run = run
        self._tell(case, runs.remedy(run))

    def _tell(self, case: Case, remedy: Remedy) -> None:
        """Say how it stands; whoever was called for an episode stays called until it is over."""
        over = remedy.status is Outcome.FIXED or case.alert.state is not AlertState.FIRING
        if case.called and not over:
            remedy = replace(remedy, escalate=True)
        case.called = remedy.escalate
        if remedy != case.remedy:
            case.remedy = remedy
            self._around.on_change()

    def _halted(self) -> str:
        return self._around.stopped() or (LEAVING if self._crew.ending else "")

    def _left(self) -> str:
        return LEAVING if self._crew.leaving else ""

    def _pause(self, wait_s: float) -> None:
        """Let a worker wait, and hear of a reason to end at least every 100 ms."""
        while wait_s > 0 and not self._halted() and not self._left():
            self._crew.rest(min(wait_s, REST_S))
            wait_s -= REST_S

    def _tidy(self, now_ms: int) -> None:
        self._tidied_ms = now_ms
        for labels in [labels for labels, case in self._cases.items() if case.over(now_ms)]:
            del self._cases[labels]
        try:
            self._journal.forget(now_ms - KEPT_MS)
        except JournalLost:
            return  # the next run that is to be written says so


def _all_out(refusals: Sequence[Refused]) -> Refused:
    """Return the last of these, which tells of all; asked again when the first of them may have changed."""
    retries = [one.retry_at_ms for one in refusals if one.retry_at_ms is not None]
    reason = "; ".join(one.reason for one in refusals)
    return replace(refusals[-1], reason=reason, retry_at_ms=min(retries, default=None))
