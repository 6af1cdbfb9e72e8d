"""The healer: hears of alerts, asks the guards, lets workers take steps and judges what came of them.

Decisions are made on one thread, the agent's loop, which calls everything here but ``Surroundings``'
``stopped`` and ``wake``. Workers only carry steps; their results wait in a queue for ``tick``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Final

from model.alert import Alert, AlertState
from model.duration import Duration
from model.labels import Labels
from model.outcome import Healing, Outcome, Remedy
from model.plugin import Unplannable
from model.step import Host, HumanAct
from remediations import guard
from remediations import run as runs
from remediations.carrying import Answers, Errand, Reins, Undone, ask, carry, given, undo
from remediations.case import ASK_FIRST_MS, RECURRENCE_MS, Case
from remediations.guard import RUNS_AT_ONCE_MAX, Facts, Refused
from remediations.hand import POLL_S, Hand
from remediations.journal import Journal, JournalLost
from remediations.playbook import Mode, Otherwise, Playbook, answering
from remediations.run import REASON_CHARACTERS_MAX, Carried, Run, Stage
from remediations.verify import judged

HISTORY_MS: Final = 7 * 24 * 3_600_000
KEPT_MS: Final = 90 * 24 * 3_600_000
TIDY_EVERY_MS: Final = 60_000
JOURNAL_RETRY_MS: Final = 15_000
LEAVING_S: Final = 5.0
LEAVING: Final = "the agent is stopping"

Job = Answers | Carried | Undone


def _no_pauses() -> Mapping[str, str]:
    return {}


def _nothing_worse(_alert: Alert, _since_ms: int) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the healer needs of the agent; only ``stopped``, ``wake`` and ``now`` are called by workers.

    ``judge_effect(playbook, alert, since_ms, now_ms)`` tells whether the trouble is gone by samples
    taken after ``since_ms``, None when there are none. ``ask_fresh(playbook, alert)`` asks for such
    samples now; it is called again at growing distances until the run is judged.
    ``on_change`` says that a remedy changed, ``wake`` that ``tick`` should be called now. ``stopped``
    is the kill switch's sentence or ''. ``pauses`` maps ``maintenance`` and ``freeze``, while they
    hold, to a sentence. ``worse(alert, since_ms)`` names an alert of the same service that is graver and
    began to fire since then, or is ''.
    """

    judge_effect: Callable[[Playbook, Alert, int, int], bool | None]
    ask_fresh: Callable[[Playbook, Alert], None]
    on_change: Callable[[], None]
    wake: Callable[[], None]
    stopped: Callable[[], str]
    now: Callable[[], int]
    host: Host
    pauses: Callable[[], Mapping[str, str]] = field(default=_no_pauses)
    worse: Callable[[Alert, int], str] = field(default=_nothing_worse)


class Healer:
    """Heals what its playbooks answer to; call ``recover`` once before anything else."""

    def __init__(
        self, playbooks: Iterable[Playbook], journal: Journal, hand: Hand, around: Surroundings
    ) -> None:
        self._playbooks = tuple(playbooks)
        self._journal = journal
        self._hand = hand
        self._around = around
        self._cases: dict[Labels, Case] = {}
        self._pool = ThreadPoolExecutor(RUNS_AT_ONCE_MAX, thread_name_prefix="step")
        self._jobs: set[Future[Job]] = set()
        self._done: queue.SimpleQueue[tuple[Case, Future[Job]]] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._ending = threading.Event()
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
            if run.stage is not Stage.CLOSED:
                self._take_up(case, run, now_ms)
            elif case.retries:
                case.retry_at_ms = now_ms

    def use(self, playbooks: Iterable[Playbook]) -> None:
        """Take other playbooks from now on; runs that are under way keep theirs."""
        self._playbooks = tuple(playbooks)

    def close(self) -> None:
        """Let steps that are under way end, no longer than 5 s, and keep their runs for ``recover``."""
        self._leaving.set()
        wait(self._jobs, timeout=LEAVING_S)
        self._ending.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

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
        self._decide(case, now_ms)

    def _decide(self, case: Case, now_ms: int, human: HumanAct | None = None, *, asked: bool = False) -> None:
        """Ask the guards; a human's intent is asked for last, because that takes a look at the host."""
        case.retry_at_ms = None
        if case.alert.state is not AlertState.FIRING:
            return
        case.playbook = playbook = answering(self._playbooks, case.alert.labels)
        if playbook is None:
            reason = f"no playbook answers to {case.alert.name}"
            self._tell(
                case, Remedy(Healing.NONE, reason=reason, escalate=True, onset_ms=case.alert.active_at_ms)
            )
            return
        try:
            planned = playbook.plan(self._around.host)
            if playbook.mode is not Mode.AUTO:
                steps = "; ".join(str(one.step) for one in planned)
                self._propose(case, playbook, steps)
                return
            history = self._journal.attempts(playbook.playbook, now_ms - HISTORY_MS)
        except Unplannable as wrong:
            self._refuse(case, playbook, Refused(str(wrong)))
            return
        except JournalLost as lost:
            self._refuse(case, playbook, Refused(str(lost), now_ms + JOURNAL_RETRY_MS))
            return
        verdict = guard.decide(playbook, case.alert, self._facts(human), history, now_ms)
        questions = playbook.asks(self._around.host)
        if isinstance(verdict, Refused):
            self._refuse(case, playbook, verdict)
        elif any(questions) and not asked:
            case.asking = True
            self._submit(case, lambda: ask(questions, self._hand, self._halted))
        else:
            self._start(case, playbook, now_ms)

    def _facts(self, human: HumanAct | None) -> Facts:
        busy = {
            thing: case.playbook.playbook
            for case in self._cases.values()
            if case.busy and case.playbook is not None
            for thing in case.playbook.target
        }
        under_way = sum(case.acting for case in self._cases.values())
        return Facts(self._around.stopped(), busy, under_way, human, self._around.pauses())

    def _start(self, case: Case, playbook: Playbook, now_ms: int) -> None:
        # Whoever was called for this episode stays called until it is fixed.
        called = case.retries and case.remedy.escalate
        run = replace(runs.begun(playbook, case.alert, now_ms), escalate=called)
        try:
            self._journal.save(run)
        except JournalLost as lost:
            self._refuse(case, playbook, Refused(str(lost), now_ms + JOURNAL_RETRY_MS))
            return
        case.run, case.resolved = run, threading.Event()
        reins = self._reins(case)
        errand = Errand(run.id, playbook, self._around.host, given(case.alert, self._around.host))
        self._submit(case, lambda: carry(errand, self._hand, self._journal, reins))
        self._tell(case, runs.remedy(run))

    def _reins(self, case: Case) -> Reins:
        return Reins(self._halted, self._left, case.resolved.is_set, self._pause, self._around.now)

    def _submit(self, case: Case, work: Callable[[], Job]) -> None:
        job: Future[Job] = self._pool.submit(work)
        self._jobs.add(job)
        job.add_done_callback(lambda done: self._hand_in(case, done))

    def _hand_in(self, case: Case, job: Future[Job]) -> None:
        """Called by a worker when it is done."""
        self._done.put((case, job))
        self._around.wake()

    def _finish(self, case: Case, job: Future[Job], now_ms: int) -> None:
        """Take in what a worker did; a bug in it is raised here, after its run was closed."""
        self._jobs.discard(job)
        case.asking, run, playbook = False, case.run, case.playbook
        assert playbook is not None, "workers are only sent for a playbook"
        if job.cancelled():
            return
        if job.exception() is not None and run is not None and run.stage is Stage.ACTING:
            reason = f"a bug ended the run: {job.exception()!r}"
            self._turn(case, runs.closed(run, playbook.otherwise, Outcome.FAILED, reason, now_ms))
        done = job.result()
        if isinstance(done, tuple):
            self._decide(case, now_ms, playbook.human(done), asked=True)
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
        """Undo what a run changed, where it did not help."""
        run, done, reins = case.run, case.carried, self._reins(case)
        if run is not None and done is not None and done.undo and case.failed:
            case.undoing = True
            self._submit(case, lambda: undo(run.id, done, self._hand, self._journal, reins))

    def _propose(self, case: Case, playbook: Playbook, steps: str) -> None:
        word = "observes" if playbook.mode is Mode.OBSERVE else "proposes"
        reason = f"{playbook.playbook} only {word}; it would {steps}"[:REASON_CHARACTERS_MAX]
        self._tell(case, self._standing(case, playbook, Healing.PROPOSED, reason))

    def _refuse(self, case: Case, playbook: Playbook, refused: Refused) -> None:
        """Say why nothing is done; a run of this episode that did not help has said more already."""
        case.retry_at_ms = refused.retry_at_ms
        if case.failed:
            return
        status, reason = Outcome.SKIPPED, refused.reason
        if case.run is not None and case.run.outcome is Outcome.RECURRED:
            status, reason = Outcome.RECURRED, f"{case.run.reason}; {reason}"
        standing = self._standing(case, playbook, status, reason)
        self._tell(case, replace(standing, escalate=standing.escalate and not refused.passing))

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
        case.run = run
        self._tell(case, runs.remedy(run))

    def _tell(self, case: Case, remedy: Remedy) -> None:
        if remedy != case.remedy:
            case.remedy = remedy
            self._around.on_change()

    def _halted(self) -> str:
        return self._around.stopped() or (LEAVING if self._ending.is_set() else "")

    def _left(self) -> str:
        return LEAVING if self._leaving.is_set() else ""

    def _pause(self, wait_s: float) -> None:
        """Let a worker wait, and hear of a reason to end at least every 100 ms."""
        while wait_s > 0 and not self._halted() and not self._left():
            self._ending.wait(min(wait_s, POLL_S))
            wait_s -= POLL_S

    def _tidy(self, now_ms: int) -> None:
        self._tidied_ms = now_ms
        for labels in [labels for labels, case in self._cases.items() if case.over(now_ms)]:
            del self._cases[labels]
        try:
            self._journal.forget(now_ms - KEPT_MS)
        except JournalLost:
            return  # the next run that is to be written says so
