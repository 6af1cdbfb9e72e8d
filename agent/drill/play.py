"""One drill from its making to its end: all is well, the fault, and what its own desk says became of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.clock import Clock
from agent.drill import leftovers
from agent.drill.faults import Fault, Victim
from agent.drill.objective import Objective, Times, judged
from agent.drill.report import Report
from agent.drill.stage import Stage
from agent.loopback import InVain, awaited, get
from model.step import Host

READY_S: Final = 40.0
AFTER_S: Final = 10.0
"""How long beyond the longest objective it is followed, so that what came late is told as late."""


class Stopped(Exception):
    """Somebody set the kill switch while a drill was under way; the text is its sentence."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill needs of the host around it; ``stopped`` is the sentence of the kill switch, or ''."""

    clock: Clock
    host: Host
    objective: Objective
    stopped: Callable[[], str]

    def play(self, fault: Fault, folder: Path) -> Report:
        """Carry it out in this new folder, and leave nothing; raises ``InVain`` and ``Stopped``."""
        folder.mkdir(mode=0o700)
        try:
            stage = Stage.at(folder)
            with fault.made(stage, self.host) as victim:
                stage.furnish(victim.template, victim.words)
                with stage.played():
                    return self._follow(fault, stage, victim)
        finally:
            leftovers.sweep(folder)

    def _follow(self, fault: Fault, stage: Stage, victim: Victim) -> Report:
        try:
            awaited("its desk and its agent are ready", lambda: self._ready(stage, victim), READY_S)
        except InVain as why:
            raise InVain(f"{why}\n{stage.tail()}") from None
        fault_ms = self.clock.now_ms()
        victim.spoil()
        within_s = self.objective.longest.s + AFTER_S
        with contextlib.suppress(InVain):
            awaited("it is told and proved", lambda: self._over(stage, fault_ms), within_s)
        times = self._times(stage, fault_ms)
        links = judged(times, self.objective)
        trouble = (
            "" if times.healed_ms else last_reason(get(f"http://127.0.0.1:{stage.agent_port}/api/v1/runs"))
        )
        return Report(stage.name, fault.name, victim.what, times, links, trouble)

    def _ready(self, stage: Stage, victim: Victim) -> bool:
        self._heed()
        seen = f"\n{victim.seen}{{" in get(f"http://127.0.0.1:{stage.agent_port}/metrics")
        return seen and "Watchdog" in get(f"http://127.0.0.1:{stage.desk_port}/api/v2/alerts")

    def _over(self, stage: Stage, fault_ms: int) -> bool:
        self._heed()
        times = self._times(stage, fault_ms)
        return bool(times.told_ms and times.proved_ms)

    def _times(self, stage: Stage, fault_ms: int) -> Times:
        return read(get(f"http://127.0.0.1:{stage.desk_port}/api/v1/incidents"), fault_ms)

    def _heed(self) -> None:
        sentence = self.stopped()
        if sentence:
            raise Stopped(sentence)


def read(answer: str, fault_ms: int) -> Times:
    """Return the moments of the incident that the drill's desk opened for it."""
    incidents: list[dict[str, Any]] = json.loads(answer) if answer else []
    if not incidents:
        return Times(fault_ms)
    names = ("noticed_ms", "healed_ms", "told_ms", "verified_ms")
    return Times(fault_ms, *(incidents[-1].get(name) for name in names))


def last_reason(answer: str) -> str:
    """Return what the drill's agent says of its last run."""
    runs: list[dict[str, Any]] = json.loads(answer)["data"]["runs"] if answer else []
    return str(runs[-1]["reason"]) if runs else "no run was begun"
