"""The agent's loop: waits for slots, events and workers, and walks what comes through, on one thread."""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from agent import own
from agent.api import report
from agent.api.endpoint import Endpoint
from agent.api.parameters import Unanswered
from agent.api.probe_api import ProbeApi
from agent.api.probe_api import Terms as ProbeTerms
from agent.api.routes import Sources, routes
from agent.approval.approvals import people
from agent.clock import Clock, since_boot_ms
from agent.config import Installation
from agent.desks.errands import Errands
from agent.desks.evidence import Sender
from agent.desks.lessee import Lessee
from agent.desks.outbox import Outbox
from agent.desks.posting import Terms
from agent.explain import explain
from agent.explain.scene import of_agent
from agent.healing import metrics as healing_metrics
from agent.healing.effect import Effects, Target
from agent.healing.fleet import Fleet
from agent.healing.restraints import Restraints, worse
from agent.memory import Memory
from agent.notify import Notify
from agent.pace import Pace
from agent.pings.config import PingListen
from agent.pings.heartbeats import Heartbeats
from agent.pings.memory import HeartbeatMemory
from agent.sight.doubt import Doubts
from agent.sight.outlook import Outlook
from agent.sight.pool import Pool
from agent.sight.senses import Senses, target_of
from agent.sight.talks import Talks
from agent.sight.watch import Watches
from agent.state import StateDirectory
from agent.walk import Walk
from model.labels import Labels
from model.matcher import Matchers
from model.misfit import Problem, Rejected
from model.plugin import Deadline, FileChange
from model.sample import Sample
from remediations.apart.client import RemoteHand
from remediations.hand import Hand
from remediations.healer import Healer
from remediations.host import this_host
from remediations.kill_switch import KillSwitch
from remediations.running.journal import Journal
from remediations.surroundings import Surroundings
from rules.judge import Judge
from rules.lint.dead import DeadSelectors
from rules.store.log import StoreLog
from rules.store.store import Store
from rules.template.value import Setting

TURN_MAX_S: Final = 1.0
ASK_S: Final = 5.0
ANSWER_S: Final = 0.02
LAST_WORDS_S: Final = 3.0
GARBAGE_OBJECTS: Final = 20_000
"""So many objects are made before circles of them are looked for; hardly any of ours are ever in one."""
AFTER_A_BUG_S: Final = 0.1

_SWITCH: Final = "kill switch"

_Question = tuple[Callable[[], Any], Future[Any]]

T = TypeVar("T")

log = logging.getLogger("beforehand.agent")


class Daemon:
    """One host's agent; everything but probes, steps and sending happens on the thread that calls ``run``."""

    def __init__(
        self,
        installation: Installation,
        hostname: str,
        state: StateDirectory,
        load: Callable[[], Installation],
    ) -> None:
        config = installation.config
        self._installation = installation
        self._instance = config.instance or hostname
        self._load = load
        self._clock = Clock()
        self._notify = Notify(dict(os.environ), self._clock.monotonic)
        self._selector = selectors.DefaultSelector()
        self._wakefd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._asked, self._slices = deque[_Question](), deque[_Question]()
        self._stopping = self._reloading = False
        self._loading, self._reloaded = threading.Lock(), True
        self._loader: threading.Thread | None = None
        self._bugs = self._inward_ms = 0

        self._switch = KillSwitch(state.switch)
        self._restraints = Restraints(state, self._clock.now_ms(), self._clock.now_ms)
        self._pool = Pool(config.threads_max, self.wake)
        self._watches = Watches(self._selector, self._event)
        self._talks = Talks(self._clock.monotonic, self._pool)
        self._senses = Senses(self._clock, self._pool, self._watches, self._talks)
        self._sample_log = StoreLog(state.samples, config.log_bytes_max, config.history.ms)
        self._journal = Journal(state.runs)
        self._hands = _hands(config.hand, self._clock, state.undo)
        self._memory = Memory(state.alerts)
        self._heartbeats = Heartbeats(
            HeartbeatMemory(state.heartbeats), config.pings, self._clock.now_ms, self.wake
        )
        self._outlook = Outlook(state, config.unusual)
        self._outbox = Outbox(config.desks, self._clock.now_ms)
        self._errands = self._between(state)
        self._walk = self._assembled()
        self._probe_api = ProbeApi(self._probe_terms, self._clock.monotonic)
        self._endpoints = (
            Endpoint(config.listen.host, config.listen.port, routes(self._sources())),
            *_for_pings(config.pings.listen, self._heartbeats),
        )

    def _assembled(self) -> Walk:
        """Put store, rules, playbooks and outbox in the order of the walk."""
        config = self._installation.config
        store = Store(config.retention.ms, config.series_max, self._sample_log.record)
        rule_files = self._installation.rule_files
        external = self._external()
        setting = Setting(external, f"http://{config.listen}")
        judge = Judge(rule_files, store, config.evaluation_interval.ms, self._clock.monotonic, setting)
        effects = Effects(judge, store, self._senses.run_now)
        fleet = self._fleet()
        around = Surroundings(
            judge_effect=effects.judge_effect,
            ask_fresh=effects.ask_fresh,
            on_change=self._stir,
            wake=self.wake,
            stopped=self._stopped,
            now=self._clock.now_ms,
            host=this_host(),
            pauses=self._pauses,
            worse=lambda alert, since_ms: worse(judge.alerts(), alert, since_ms),
            holds=self._restraints.holds,
            sight=effects.sight,
            watched=lambda: effects.groups,
            at_work=self._restraints.at_work,
            lease=fleet.lease if config.desks else None,
            give_back=fleet.give_back,
            settle=fleet.settle,
            people=people(
                self._instance,
                self._restraints.state,
                self._errands.answers,
                alone=isinstance(self._hands, Hand),
            ),
        )
        healer = Healer(self._installation.playbooks, self._journal, self._hands, around)
        resend_ms = config.resend_delay.ms
        lease_ms = 4 * max(config.evaluation_interval.ms, resend_ms)
        services = {entry.labels.get("service", "") for entry in config.probes}
        terms = Terms(external, lease_ms, resend_ms, tuple(sorted(services - {""})))
        dead = DeadSelectors(rule_files, frozenset(metric.name for metric in own.ALL))
        pace = Pace(self._clock.monotonic)
        doubts = Doubts(config.doubt)
        walk = Walk(store, judge, effects, healer, self._memory, self._outbox, terms, dead, pace, doubts)
        walk.pieces = self._errands.pieces
        return walk

    def _external(self) -> dict[str, str]:
        """Return the labels that alerts get on their way to the desks."""
        return {"instance": self._instance, **self._installation.config.labels.each}

    def _between(self, state: StateDirectory) -> Errands:
        """Return what goes between this host and its desks beside alerts."""
        sender, desks = Sender(self._instance, self._external()), self._installation.config.desks
        return Errands(state, self._journal, sender, desks, self._clock.now_ms, self.wake)

    def _fleet(self) -> Fleet:
        desks = tuple(str(desk) for desk in self._installation.config.desks)
        return Fleet(Lessee(desks, self._instance), self._clock.now_ms, self._restraints.state.leases)

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit code."""
        self._begin()
        try:
            while not self._stopping:
                try:
                    self._turn()
                    self._notify.alive()
                except Exception:  # the one place where the loop outlives a bug
                    self._bugs += 1
                    log.exception("a bug in the loop; it goes on")
                    self._selector.select(AFTER_A_BUG_S)
        finally:
            self._end()
        return 0

    def wake(self) -> None:
        """Let the loop turn now; may be called from any thread."""
        os.eventfd_write(self._wakefd, 1)

    def ask(self, question: Callable[[], T]) -> T:
        """Have the loop's thread answer; raises ``TimeoutError`` when it is busy for too long."""
        return self._ask(self._asked, question)

    def ask_patiently(self, question: Callable[[], T]) -> T:
        """Have the loop's thread answer one of those who wait here in each turn, after all others."""
        return self._ask(self._slices, question)

    def _ask(self, waiting: deque[_Question], question: Callable[[], T]) -> T:
        answer: Future[T] = Future()
        waiting.append((question, answer))
        self.wake()
        try:
            return answer.result(ASK_S)
        finally:
            answer.cancel()  # what nobody waits for any more is not begun

    def reload(self) -> tuple[Problem, ...]:
        """Take the configuration anew and return its mistakes; with any, the old one stays.

        Called from any thread but the loop's, since reading files takes longer than a turn may.
        """
        with self._loading:
            try:
                installation = self._load()
            except Rejected as refused:
                problems = refused.problems
                self.ask(lambda: self._refuse(problems))
                return problems
            self.ask(lambda: self._use(installation))
            return ()

    def _begin(self) -> None:
        gc.set_threshold(GARBAGE_OBJECTS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        signal.signal(signal.SIGHUP, lambda *_: self._reload_soon())
        self._selector.register(self._wakefd, selectors.EVENT_READ, self._woken)
        self._selector.register(self._talks, selectors.EVENT_READ, self._talks.listen)
        self._watches.wish(_SWITCH, [FileChange(str(self._switch.path))])
        now_ms = self._clock.now_ms()
        rows = self._sample_log.replay(self._walk.store, now_ms)
        log.info("%d runs of probes are remembered", rows)
        self._outlook.begin(now_ms)
        self._walk.begin(self._targets(), now_ms)
        self._configure()
        for endpoint in self._endpoints:
            endpoint.start()
        self._say_whose_hand()
        log.info("watching %s, metrics on port %d", self._instance, self._endpoints[0].port)
        self._notify.ready(f"watching {self._instance}")

    def _say_whose_hand(self) -> None:
        """Whoever reads the log knows which process has the rights, and whether it is there."""
        if isinstance(self._hands, Hand):
            log.info("steps are taken in this process, with its rights; there is no hand of its own")
        elif trouble := self._hands.greet():
            log.error("nothing can be healed, because the hand does not answer: %s", trouble)

    def _turn(self) -> None:
        """Wait until something is due or happens, then walk it through."""
        wait_s = self._wait_s()
        happened = self._selector.select(wait_s)
        if self._walk.doubts.feel(self._clock.pulse(), wait_s):
            self._walk.doubt()
        for key, _ in happened:
            key.data()
        self._hear_jobs()
        readings = self._senses.turn()
        if readings:
            with self._sample_log.together():
                self._walk.take(readings, self._clock.now_ms())
        self._walk.turn(self._clock.now_ms())
        self._look_inward()
        if self._reloading:
            self._start_reload()
        self._answer_some()

    def _hear_jobs(self) -> None:
        """Look at once at jobs that pinged or should have; a ping may also have made a job."""
        if self._heartbeats.grown:
            self._configure()
        for name in self._heartbeats.turn(self._clock.now_ms()):
            self._senses.run_now(name)

    def _look_inward(self) -> None:
        """Once in an evaluation interval, let the rules read what the agent knows of itself."""
        now_ms = self._clock.now_ms()
        if now_ms >= self._inward_ms:
            self._inward_ms = now_ms + self._installation.config.evaluation_interval.ms
            mirror = {
                **self._installation.config.labels.each,
                "job": "beforehand",
                "instance": self._instance,
            }
            self._walk.note(Labels.of(mirror), self._own(), now_ms)
        for part, samples in self._outlook.look(self._walk.store, now_ms):
            self._walk.note(Labels.of(), samples, now_ms, part)

    def _answer_some(self) -> None:
        """Answer who asked, for a short while, and one of the patient; who is left is answered next turn."""
        until_s = self._clock.monotonic() + ANSWER_S
        while self._asked and self._clock.monotonic() < until_s:
            _answer(*self._asked.popleft())
        if self._slices:
            _answer(*self._slices.popleft())
        if self._asked or self._slices:
            self.wake()

    def _wait_s(self) -> float:
        now_ms = self._clock.now_ms()
        waits = [TURN_MAX_S, (self._walk.next_ms(now_ms) - now_ms) / 1000]
        job_ms = self._heartbeats.next_ms()
        if job_ms is not None:
            waits.append((job_ms - now_ms) / 1000)
        probe_s = self._senses.next_s()
        if probe_s is not None:
            waits.append(probe_s - self._clock.monotonic())
        return max(0.0, min(waits))

    def _end(self) -> None:
        """Stop in the order of the walk, so that the last words are still said and written."""
        self._notify.stopping()
        for endpoint in self._endpoints:
            endpoint.close()
        self._probe_api.close()
        self._walk.healer.close()
        self._walk.turn(self._clock.now_ms())
        self._walk.end(self._clock.now_ms())
        self._outlook.keep(self._clock.now_ms())
        self._outbox.close(LAST_WORDS_S)
        self._errands.close(LAST_WORDS_S)
        self._watches.close()
        self._talks.close()
        self._pool.close()
        self._memory.close()
        self._heartbeats.close()
        self._journal.close()
        self._sample_log.close()
        self._selector.close()
        os.close(self._wakefd)
        log.info("stopped")

    def _event(self, key: object) -> None:
        if key == _SWITCH:
            self._inward_ms = 0
        else:
            self._senses.wake(str(key))

    def _woken(self) -> None:
        os.eventfd_read(self._wakefd)

    def _stir(self) -> None:
        self._walk.stir()
        self._errands.stir()

    def _pauses(self) -> dict[str, str]:
        """Tell what keeps playbooks from acting for now."""
        return self._restraints.pauses(self._installation.config, self._walk.doubts.of_itself())

    def _stop(self) -> None:
        self._stopping = True
        self.wake()

    def _reload_soon(self) -> None:
        self._reloading = True
        self.wake()

    def _start_reload(self) -> None:
        """Reload on a thread of its own; a signal in the middle of that is heard after it."""
        if self._loader is None or not self._loader.is_alive():
            self._reloading = False
            self._loader = threading.Thread(target=self._reload_unasked, name="reload", daemon=True)
            self._loader.start()

    def _reload_unasked(self) -> None:
        self._notify.reloading()
        try:
            self.reload()
        except TimeoutError:
            log.warning("not reloaded: the loop is busy; send SIGHUP again")
        self._notify.ready(f"watching {self._instance}")

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        self._reloaded, self._inward_ms = False, 0
        for problem in problems:
            log.error("not reloaded: %s", problem)

    def _use(self, installation: Installation) -> None:
        self._installation = installation
        self._reloaded, self._inward_ms = True, 0
        self._outlook.use(installation.config.unusual)
        self._walk.use(self._installation, self._configure(), self._clock.now_ms())
        log.info("reloaded; listen, desks and bounds change at the next start")

    def _configure(self) -> list[Target]:
        """Hand the probes to those who run and ask them; return those that are gone."""
        targets = self._targets()
        gone = self._senses.configure(targets)
        self._walk.effects.configure(self._installation.effects, targets)
        self._walk.doubts.watch(targets)
        return gone

    def _targets(self) -> list[Target]:
        labels = dict(self._installation.config.labels.each)
        entries = self._heartbeats.configure(self._installation.config.probes)
        return [(entry, target_of(entry, self._instance, labels)) for entry in entries]

    def _sources(self) -> Sources:
        return Sources(
            self.ask,
            self.ask_patiently,
            self._clock.now_ms,
            self._clock.monotonic,
            self._walk.store,
            self._walk.judge,
            self._journal,
            self._rows,
            self._declared,
            self.reload,
            self._explained,
            self._heartbeats,
            self._probe_api.answer,
            lambda: self._walk.healer.rungs.each(self._clock.now_ms()),
        )

    def _probe_terms(self) -> ProbeTerms:
        """Tell what may be asked of /probe."""
        return ProbeTerms(self._installation.modules, self._installation.config.refused_targets)

    def _explained(self, wanted: Matchers) -> dict[str, Any]:
        """Tell all of the alerts that are meant; what takes too long is left out and said so."""
        deadline = Deadline(self._clock.monotonic() + explain.BUDGET_S, self._clock.monotonic)
        now_ms = self._clock.now_ms()
        scene = of_agent(self._walk, self._installation, self._journal, deadline, now_ms)
        return explain.explain(scene, wanted)

    def _rows(self) -> list[Any]:
        now_ms = self._clock.now_ms()
        written = report.written_by_rules(self._walk.judge.statuses())
        seen = self._walk.store.latest(now_ms)
        return [(labels, value) for labels, value, _ in seen if labels.name not in written]

    def _own(self) -> tuple[Sample, ...]:
        """Return the agent's samples about itself."""
        runs = self._journal.recent(self._clock.now_ms() - report.DAY_MS)
        state = (own.RELOADED(self._reloaded), own.STOPPED(bool(self._stopped())), own.BUGS(self._bugs))
        hand = [own.IN_PROCESS(isinstance(self._hands, Hand))]
        if isinstance(self._hands, RemoteHand):
            hand.append(own.REACHABLE(not self._hands.trouble()))
        now_ms = self._clock.now_ms()
        healing = healing_metrics.samples(self._walk.healer, self._restraints.holds(), now_ms)
        walked = report.metrics(self._walk, self._senses, self._pool, self._clock, runs)
        return (*walked, *state, *hand, *healing)

    def _stopped(self) -> str:
        """Return the sentence of the agent's kill switch, or of the hand's, or the empty text."""
        of_hand = self._hands.halted() if isinstance(self._hands, RemoteHand) else ""
        return self._switch.active() or of_hand

    def _declared(self) -> tuple[Any, ...]:
        emitted = (metric for entry, _ in self._senses.entries for metric in entry.probe.emits)
        return report.declared(emitted)


def _hands(path: str | None, clock: Clock, undo: Path) -> Hand | RemoteHand:
    """Return the way to the hand in a process of its own, or where none is named one in this process.

    Root is behind the socket, or in a trial this user.
    """
    if path is None:
        return Hand(clock.monotonic, clock.now_ms, undo)
    return RemoteHand(Path(path), frozenset({0, os.geteuid()}), clock.monotonic, since_boot_ms)


def _for_pings(listen: PingListen | None, heartbeats: Heartbeats) -> tuple[Endpoint, ...]:
    """Return what hears the pings of other machines, where there is to be such a thing."""
    if listen is None:
        return ()
    return (Endpoint(listen.host, listen.port, heartbeats.routes(), anyone=True),)


def _answer(question: Callable[[], Any], answer: Future[Any]) -> None:
    if answer.set_running_or_notify_cancel():
        try:
            answer.set_result(question())
        except Unanswered as refused:
            answer.set_exception(refused)
