"""People in a simulated world: asked by the desk, they say yes, no or nothing after a while; some cheat."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Final

from model.grant import Grant, genuine, sealed
from remediations.asking.approval import Ask
from remediations.surroundings import People
from tests.remediations.worlds.agenda import Agenda
from tests.remediations.worlds.drawn import SECOND_MS, World

KEY: Final = bytes(range(32))
NAMES: Final = ("ada", "ben", "cleo")
LATEST_S: Final = 90
"""Some come later than anybody waits."""


@dataclass(slots=True)
class Crowd:
    """Who is asked in one world; ``asked`` is all that they were asked, ``brought`` what they answered."""

    world: World
    agenda: Agenda
    asked: dict[str, Ask] = field(default_factory=dict)
    brought: list[Grant] = field(default_factory=list)

    def people(self) -> People:
        """Return them as the healer knows them."""
        return People("web1", self._name, lambda: tuple(self.brought), lambda one: genuine(one, KEY))

    def hear(self, ask: Ask) -> None:
        """Be asked; each makes up his mind once. Nobody approves what would act by itself but for a latch."""
        if ask.id in self.asked:
            return
        self.asked[ask.id] = ask
        if ask.playbook.split("-")[1] not in self.world.asking:
            return
        chance = random.Random(f"{self.world.seed} {ask.id}")
        for name in NAMES:
            mood, after_ms = chance.random(), chance.randint(1, LATEST_S) * SECOND_MS
            if mood < 0.75:
                self._come(ask, name, ask.asked_ms + after_ms, yes=mood < 0.67, true=mood >= 0.05)

    def _come(self, ask: Ask, name: str, at_ms: int, *, yes: bool, true: bool) -> None:
        said = sealed(ask.answer(name, at_ms, yes=yes), KEY)
        brought = said if true else replace(said, by=f"eve as {name}")
        self.agenda.at(at_ms, lambda: self.brought.append(brought))

    def _name(self) -> str:
        return f"{len(self.asked):032x}"
