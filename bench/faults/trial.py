"""One fault under one keeper: what came of it, how fast, and what the keeper did."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.faults.keepers import Keeper
from bench.faults.kinds import Kind
from bench.faults.subject import START_S, made
from tests.e2e.patience import pause, until

SETTLE_S: Final = 2.5
LINGER_S: Final = 4.0
POLL_S: Final = 0.01

_PARTS: Final = frozenset({"stop"})
"""What is part of another action: a restart is one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one fault.

    ``healed_s`` is the time from the fault until it answers again; None where it did not, or where nobody
    was to act. ``actions`` counts each restart, start, renewal and so on; ``needless`` are those that the
    fault did not need, ``harmful`` those of them that cost the customers or went against somebody's will.
    """

    kind: str
    keeper: str
    healed_s: float | None
    actions: int
    needless: int
    harmful: int


def judged(kind: Kind, done: list[str]) -> tuple[int, int, int]:
    """Return how many actions there were, how many of them needless, and how many of these harmful."""
    counted = Counter(verb for verb in done if verb not in _PARTS)
    needless = Counter({verb: count - (verb in kind.needed) for verb, count in counted.items()})
    harmful = sum(count for verb, count in needless.items() if verb in kind.harmful)
    return counted.total(), needless.total(), harmful


def run(
    kind: Kind, keeper: Keeper, folder: Path, phase_s: float, linger_s: float = LINGER_S
) -> tuple[Trial, str]:
    """Make the subject, have it kept, break it so long after all stands; return what came of it and a log."""
    with made(kind.subject, folder) as one, keeper.keeping(one) as kept:
        until(one.answers, START_S, f"{kind.subject} answers", kept.log)
        pause(SETTLE_S + phase_s)
        one.forget()
        begun_s = time.monotonic()
        healed_s: float | None = None
        with kind.broken(one, kept.stop):
            end_s = begun_s + kind.watch_s
            while time.monotonic() < end_s and healed_s is None:
                if kind.healed is not None and kind.healed(one):
                    healed_s = time.monotonic() - begun_s
                pause(POLL_S if kind.healed else 0.2)
            if healed_s is not None:
                pause(linger_s)
            actions, needless, harmful = judged(kind, one.actions())
        return Trial(kind.name, keeper.name, healed_s, actions, needless, harmful), kept.log()
