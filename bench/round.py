"""One round and many: from a kill to noticed, healed and told."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Final

STAGES: Final = ("noticed", "healed", "told")


@dataclass(frozen=True, slots=True)
class Round:
    """How long after the kill each stage was reached, in milliseconds."""

    noticed: float
    healed: float
    told: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with what lay around it."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{length(self.median)} ({length(self.least)} - {length(self.most)})"


def spreads(rounds: list[Round]) -> dict[str, Spread]:
    """Return the spread of each stage."""
    return {stage: Spread.of([asdict(each)[stage] for each in rounds]) for stage in STAGES}


def length(ms: float) -> str:
    """Return a length of time as text, in ms below a second."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"
