"""What the tests of this room play with: alerts, playbooks, a healer among real parts, and its loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Healing, Remedy
from model.step import Host
from remediations.hand import Hand
from remediations.healer import Healer
from remediations.kill_switch import KillSwitch
from remediations.running.journal import Journal
from remediations.surroundings import People, Surroundings
from remediations.writing.playbook import Playbook, load_playbook

NOW_MS = 1_700_000_000_000
BARE = Host(has_systemd=False)
LABELS = Labels.of(alertname="ShopDown", instance="web1", service="shop")


def alert(
    labels: Labels = LABELS,
    state: AlertState = AlertState.FIRING,
    *,
    fired_ms: int = NOW_MS,
    unknown_ms: int | None = None,
) -> Alert:
    """An alert whose first bad sample came one second before it fired."""
    return Alert(labels, {}, state, 1.0, fired_ms - 1000, fired_ms, unknown_since_ms=unknown_ms)


def playbook(
    steps: str = "- command: {argv: ['true']}",
    *,
    mode: str = "auto",
    guard: str = "{}",
    verify: str = "{within: 5s, hold: 1s}",
    rest: str = "",
) -> Playbook:
    """A playbook that answers to ShopDown."""
    text = (
        f"playbook: heal-shop\nsummary: Bring the shop back.\non: ['alertname=\"ShopDown\"']\nmode: {mode}\n"
        f"guard: {guard}\nverify: {verify}\nsteps:\n{steps}\n{rest}"
    )
    return load_playbook(text.encode(), "heal-shop.yml")


def wall_ms() -> int:
    return int(time.time() * 1000)


@dataclass
class Play:
    """A healer on a loop of its own; ``gone`` is what is seen of the trouble."""

    healer: Healer
    journal: Journal
    switch: KillSwitch
    woken: threading.Event
    gone: list[Callable[[], bool | None]]
    asked: list[Alert] = field(default_factory=list)
    told: list[Remedy] = field(default_factory=list)

    def until(self, reached: Callable[[], bool], within_s: float = 20.0) -> float:
        """Turn the loop until this is so; return how long it took in seconds."""
        began_s = time.monotonic()
        while not reached():
            assert time.monotonic() - began_s < within_s, f"never reached; last: {self.told[-1:]}"
            due = self.healer.next_due_ms()
            wait_s = 0.1 if due is None else min(0.1, max(0.001, (due - wall_ms()) / 1000))
            self.woken.wait(wait_s)
            self.woken.clear()
            self.healer.tick(wall_ms())
        return time.monotonic() - began_s

    def closed(self, labels: Labels = LABELS) -> Remedy:
        """Turn the loop until nothing is being done for the alert any more; return its remedy."""
        going = (Healing.ACTING, Healing.VERIFYING, Healing.NONE)
        self.until(lambda: self.healer.remedy(labels).status not in going)
        return self.healer.remedy(labels)

    def remedy(self, labels: Labels = LABELS) -> Remedy:
        return self.healer.remedy(labels)


@contextmanager
def play(
    folder: Path, *playbooks: Playbook, host: Host = BARE, people: People | None = None
) -> Iterator[Play]:
    """A healer with a real hand, journal and kill switch in this folder."""
    journal, hand = Journal(folder / "runs.db"), Hand(time.monotonic, wall_ms, folder / "undo")
    switch, woken = KillSwitch(folder / "STOP"), threading.Event()
    gone: list[Callable[[], bool | None]] = [lambda: True]
    asked: list[Alert] = []
    told: list[Remedy] = []
    around = Surroundings(
        judge_effect=lambda _playbook, _alert, _since_ms, _now_ms: gone[0](),
        ask_fresh=lambda _playbook, about: asked.append(about),
        on_change=lambda: told.append(healer.remedy(LABELS)),
        wake=woken.set,
        stopped=switch.active,
        now=wall_ms,
        host=host,
        people=people,
    )
    healer = Healer(playbooks, journal, hand, around)
    try:
        yield Play(healer, journal, switch, woken, gone, asked, told)
    finally:
        healer.close()
        hand.close()
        journal.close()
