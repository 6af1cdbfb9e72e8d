"""How often a playbook may run: so many times in so long a time, and several of these together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from model.decode import Decoder, Missing
from model.duration import Duration
from model.misfit import Misfit
from model.yaml_tree import Node, Sequence

RUNS_MAX: Final = 100
PER_MAX: Final = Duration(24 * 3_600_000)
BUDGETS_MAX: Final = 5

_SHAPE: Final = re.compile(r"([0-9]{1,4}) per ([0-9a-z]+)")


@dataclass(frozen=True, slots=True)
class Budget:
    """So many runs in so long a time, written ``3 per 1h``."""

    runs_max: int
    per: Duration

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read the count and the time; nobody means never, so zero is refused."""
        shape = _SHAPE.fullmatch(text)
        cure = "write it like 3 per 1h"
        if shape is None:
            raise Misfit(f"{text[:40]!r} is not a budget", cure)
        budget = cls(int(shape[1]), Duration.parse(shape[2]))
        if not 1 <= budget.runs_max <= RUNS_MAX or not 1000 <= budget.per.ms <= PER_MAX.ms:
            raise Misfit(f"a budget is 1 to {RUNS_MAX} runs in 1s to {PER_MAX}", cure)
        return budget

    def __str__(self) -> str:
        return f"{self.runs_max} per {self.per}"


class Budgets(tuple[Budget, ...]):
    """One budget, or several in a list, all of which hold; the last of several latches once it is used up."""

    __slots__ = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Budgets | Missing:
        """Read a text like ``3 per 1h``, or a list of them from the shortest time to the longest."""
        kind = tuple[Budget, ...] if isinstance(node, Sequence) else Budget
        read: tuple[Budget, ...] | Budget | Missing = decoder.value(node, kind)
        if isinstance(read, Missing):
            return read
        budgets = cls((read,) if isinstance(read, Budget) else read)
        times = [one.per for one in budgets]
        if not 1 <= len(budgets) <= BUDGETS_MAX or times != sorted(set(times)):
            sentence = f"budgets are 1 to {BUDGETS_MAX}, each over a longer time than the one before"
            raise Misfit(sentence, "write at_most: [3 per 1h, 6 per 24h]")
        return budgets

    @property
    def latch(self) -> Budget | None:
        """The one that stays refused once it is used up, until somebody approves another run."""
        return self[-1] if len(self) > 1 else None

    def __str__(self) -> str:
        return ", ".join(map(str, self))


USUAL: Final = Budgets((Budget(3, Duration(3_600_000)), Budget(6, PER_MAX)))
