"""What takes steps in a simulated world: a crew of one thread that is none, a hand that moves the truth."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, TypeVar

from model.grant import Grant
from model.step import Exec, Result, Step
from tests.remediations.worlds.agenda import Agenda
from tests.remediations.worlds.drawn import Kind, Rung, World
from tests.remediations.worlds.host import Broken, Trouble, remedied

T = TypeVar("T")

ASKING_MS: Final = 50
CHECKING_MS: Final = 300
UNDOING_MS: Final = 3_000
NOTICED_MS: Final = 100
"""How long a hand that works on a step takes to hear of the kill switch."""


@dataclass(slots=True)
class SimulatedCrew:
    """Does a worker's job at once, by a clock of its own, and hands in its result when that time has come."""

    agenda: Agenda
    leaving: bool = False
    ending: bool = False

    def send(self, work: Callable[[], T]) -> Future[T]:
        """Do it now; who sent it hears of it later."""
        job: Future[T] = Future()
        with self.agenda.aside():
            self.agenda.pass_ms(ASKING_MS)
            result = work()
            done_ms = self.agenda.now_ms
        self.agenda.at(done_ms, lambda: job.set_result(result))
        return job

    def rest(self, wait_s: float) -> None:
        """Let the worker's own clock go on."""
        self.agenda.pass_ms(round(wait_s * 1000))

    def close(self) -> None:
        """Nothing is under way between two moments."""
        self.leaving = self.ending = True


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken: from when to when, for which run, and whether it changes anything."""

    verb: str
    service: str
    run: str
    begin_ms: int
    end_ms: int


@dataclass(slots=True)
class SimulatedHand:
    """Takes steps by changing the truth, and writes down each."""

    world: World
    services: dict[str, Broken]
    agenda: Agenda
    look: Callable[[str, int], None]
    taken: list[Taken] = field(default_factory=list)

    def of(self, _playbook: str, _grants: tuple[Grant, ...] = ()) -> SimulatedHand:
        """One hand takes the steps of all."""
        return self

    def carry_out(
        self, step: Step, stopped: Callable[[], str], run: str = "", *, check: bool = False
    ) -> Result:
        """Take a step; the kill switch ends it in its middle."""
        assert isinstance(step, Exec), "worlds know programs only"
        assert not check, "nobody only looks here"
        verb, name, *rest = step.argv
        service = self.services[name]
        rung = service.drawn.rungs[int(rest[0])]
        begin_ms = self.agenda.now_ms
        takes_ms = {"check": CHECKING_MS, "undo": UNDOING_MS}.get(verb, rung.takes_ms)
        because = self._work(takes_ms, stopped)
        end_ms = self.agenda.now_ms
        self.taken.append(Taken(verb, name, run, begin_ms, end_ms))
        if verb == "restart":
            service.troubles.append(Trouble(begin_ms, end_ms))
            self.look(name, end_ms)
        if because:
            return Result(ok=False, reason=because, stopped=because)
        if verb == "restart" and rung.kind is Kind.FAILING:
            return Result(ok=False, reason="it ended with exit code 1", rc=1)
        if verb != "check":
            drawn = f"{self.world.seed} {name} {len(self.taken)}"
            self.agenda.at(end_ms, lambda: self._effect(verb, service, rung, random.Random(drawn)))
        return Result(ok=True, rc=0)

    def _work(self, takes_ms: int, stopped: Callable[[], str]) -> str:
        """Let the time of a step pass; return the kill switch's sentence if that ends it."""
        left_ms = takes_ms
        while left_ms > 0:
            self.agenda.pass_ms(min(left_ms, NOTICED_MS))
            because = stopped()
            if because:
                return because
            left_ms -= NOTICED_MS
        return ""

    def _effect(self, verb: str, service: Broken, rung: Rung, chance: random.Random) -> None:
        now_ms = self.agenda.now_ms
        if verb == "restart":
            moments = remedied(service, rung, chance, now_ms)
        else:
            moments = [now_ms]
            works = chance.randrange(1000) < rung.undone_of_1000
            while service.back:
                back = service.back.pop()
                if works:
                    back(now_ms)
        for moment in moments:
            self.look(service.drawn.name, moment)
