"""One simulated day: the real healer, guards, breaker and journal, with no thread and no waiting."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Remedy
from model.step import HumanAct
from remediations.asking.asked import Asked
from remediations.healer import Healer
from remediations.question import Sight
from remediations.running.journal import Journal
from remediations.running.run import Run
from remediations.surroundings import Surroundings
from remediations.writing.playbook import Playbook
from tests.remediations.worlds.agenda import Agenda
from tests.remediations.worlds.drawn import END_MS, START_MS, UPSTREAM, World
from tests.remediations.worlds.hands import SimulatedCrew, SimulatedHand, Taken
from tests.remediations.worlds.host import untouched
from tests.remediations.worlds.people import Crowd
from tests.remediations.worlds.playbooks import HOST, remedy

EVERY_MS = 15_000
SEEN_AFTER_MS = 50


@dataclass(slots=True)
class Episode:
    """An alert from firing to resolving, and how often somebody was called for it."""

    labels: Labels
    fired_ms: int
    resolved_ms: int = END_MS
    called: bool = False
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """What came of a world."""

    world: World
    taken: tuple[Taken, ...]
    runs: tuple[Run, ...]
    episodes: tuple[Episode, ...]
    bad_ms: Mapping[str, int]
    asks: tuple[Asked, ...]
    trace: str


def lived(world: World, *, lax: bool = False) -> Day:
    """Live through a day; ``lax`` plays one on which no guard holds back but the kill switch."""
    with closing(Journal(Path(":memory:"))) as journal:
        return _Simulation(world, journal, lax=lax).day()


@dataclass(slots=True)
class _Said:
    """What was told last of an alert."""

    remedy: Remedy
    episode: Episode


class _Simulation:
    def __init__(self, world: World, journal: Journal, *, lax: bool) -> None:
        self._world, self._journal, self._lax = world, journal, lax
        self._agenda = Agenda(START_MS)
        self._services = untouched(world)
        self._hand = SimulatedHand(world, self._services, self._agenda, self._look_later)
        playbooks = [
            remedy(
                one.name, number, says_unless=one.says_unless, lax=lax, needs=world.asking.get(one.name, 0)
            )
            for one in world.services
            for number in range(len(one.rungs))
        ]
        self._crowd = Crowd(world, self._agenda) if world.asking and not lax else None
        self._watched = frozenset() if lax else frozenset({UPSTREAM, *self._services})
        self._healer = Healer(
            playbooks, journal, self._hand, self._surroundings(), SimulatedCrew(self._agenda)
        )
        self._alerts: dict[Labels, Alert] = {}
        self._said: dict[Labels, _Said] = {}
        self._episodes: list[Episode] = []
        self._trace = hashlib.sha256()

    def day(self) -> Day:
        """Let everything happen, and return what came of it."""
        for name, service in self._services.items():
            for one in service.troubles:
                self._look_later(name, one.begin_ms)
                self._look_later(name, one.end_ms)
        for span in self._world.outages:
            for at_ms in (span.begin_ms, span.end_ms):
                self._agenda.at(at_ms + EVERY_MS, self._look_upstream)
        for span in self._world.windows["switch"]:
            self._agenda.at(span.end_ms, self._hand_back)
        while self._turn():
            pass
        runs = self._journal.recent(0)
        for run in runs:
            self._note(f"run {run.id} {run.playbook} {run.started_ms} {run.ended_ms} {run.outcome}")
        for step in self._hand.taken:
            self._note(f"step {step}")
        bad_ms = {name: service.bad_ms for name, service in self._services.items()}
        self._note(f"bad {sorted(bad_ms.items())}")
        taken, episodes, asks = tuple(self._hand.taken), tuple(self._episodes), self._journal.asks()
        for asked in asks:
            self._note(f"ask {asked.ask.id} {asked.ask.playbook} {asked.ended} {asked.word}")
        return Day(self._world, taken, runs, episodes, bad_ms, asks, self._trace.hexdigest())

    def _turn(self) -> bool:
        """Go to the next moment at which something happens or is due; tell whether the day goes on."""
        now_ms = self._agenda.now_ms
        moments = (self._agenda.next_ms, self._healer.next_due_ms())
        at_ms = min((max(one, now_ms) for one in moments if one is not None), default=END_MS)
        if at_ms >= END_MS:
            return False
        if self._agenda.next_ms is None or self._agenda.next_ms > now_ms:
            at_ms = max(at_ms, now_ms + 1)
        self._agenda.go_to(at_ms)
        self._healer.tick(self._agenda.now_ms)
        return True

    def _hand_back(self) -> None:
        """Whoever stopped us was told what could not be undone, and undoes it before letting us act again."""
        for name, service in self._services.items():
            while service.back:
                service.back.pop()(self._agenda.now_ms)
                self._look_later(name, self._agenda.now_ms)

    def _look_later(self, name: str, at_ms: int) -> None:
        lag_ms = self._services[name].drawn.lag_ms
        self._agenda.at(at_ms + lag_ms, lambda: self._look(name))

    def _look(self, name: str) -> None:
        service, now_ms = self._services[name], self._agenda.now_ms
        down = Labels.of(alertname="Down", service=name, job="shop", instance="web1")
        lost = down.having({"alertname": "Lost", "severity": "critical"})
        self._judge(down, service.began_ms(now_ms), bad=service.bad(now_ms))
        self._judge(lost, now_ms, bad=service.grave(now_ms))

    def _look_upstream(self) -> None:
        now_ms = self._agenda.now_ms
        bad = any(span.begin_ms <= now_ms - EVERY_MS < span.end_ms for span in self._world.outages)
        self._judge(Labels.of(alertname="DatabaseDown", service=UPSTREAM), now_ms, bad=bad)

    def _judge(self, labels: Labels, active_ms: int, *, bad: bool) -> None:
        """Let an alert begin or end, and tell the healer."""
        now_ms, known = self._agenda.now_ms, self._alerts.get(labels)
        if bad == (known is not None):
            return
        if known is None:
            alert = Alert(labels, {}, AlertState.FIRING, 1.0, active_ms, now_ms)
            self._alerts[labels] = alert
            self._episodes.append(Episode(labels, now_ms))
            self._said[labels] = _Said(Remedy(), self._episodes[-1])
        else:
            alert = replace(known, state=AlertState.RESOLVED, resolved_at_ms=now_ms)
            del self._alerts[labels]
            self._said[labels].episode.resolved_ms = now_ms
        self._note(f"{now_ms} {labels} {alert.state}")
        self._healer.consider(alert, now_ms)

    def _told(self) -> None:
        """Hear of what changed, as the loop does."""
        for labels in self._alerts:
            said, remedy = self._said[labels], self._healer.remedy(labels)
            ask = self._healer.ask(labels)
            if ask is not None and self._crowd is not None:
                self._crowd.hear(ask)
            if remedy == said.remedy:
                continue
            said.remedy = remedy
            said.episode.calls += remedy.escalate and not said.episode.called
            said.episode.called = remedy.escalate
            self._note(f"{self._agenda.now_ms} {labels} {remedy}")

    def _note(self, line: str) -> None:
        self._trace.update(line.encode() + b"\n")

    def _holding(self, window: str) -> bool:
        return not self._lax and self._world.holding(window, self._agenda.now_ms)

    def _surroundings(self) -> Surroundings:
        world, agenda = self._world, self._agenda
        return Surroundings(
            judge_effect=self._judge_effect,
            ask_fresh=lambda _playbook, _alert: None,
            on_change=self._told,
            wake=lambda: None,
            stopped=lambda: "stopped by ada" if world.holding("switch", agenda.now_ms) else "",
            now=lambda: agenda.now_ms,
            host=HOST,
            pauses=lambda: {name: name for name in ("freeze", "doubt") if self._holding(name)},
            worse=self._worse,
            holds=lambda: {"": "held back by ada"} if self._holding("hold") else {},
            sight=lambda _alert, _now: Sight(10 * EVERY_MS if self._holding("stale") else 0, EVERY_MS),
            watched=lambda: self._watched,
            at_work=lambda: HumanAct("apt is at work", passing=True) if self._holding("at work") else None,
            lease=lambda _playbook, _alert: "the desk says no" if self._holding("lease") else "",
            people=self._crowd.people() if self._crowd is not None else None,
        )

    def _judge_effect(self, _playbook: Playbook, alert: Alert, since_ms: int, now_ms: int) -> bool | None:
        if now_ms < since_ms + SEEN_AFTER_MS:
            return None
        return not self._services[alert.labels.get("service")].bad(now_ms)

    def _worse(self, alert: Alert, since_ms: int) -> str:
        """Name the graver alert of the service, once it is seen."""
        for labels, other in self._alerts.items():
            fired = (other.fired_at_ms or 0) >= since_ms
            if fired and other.name == "Lost" and labels.get("service") == alert.labels.get("service"):
                return other.name
        return ""
