"""One deed done by a hand of its own, for the tests of deeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from model.step import Exec, Result, Step
from remediations.deeds.doing import Doing
from remediations.hand import Hand
from tests.remediations.stage import wall_ms


def done(folder: Path, step: Step, *, stopped: str = "", check: bool = False, run: str = "run-1") -> Result:
    """Do it, as a step of this run."""
    with closing(Hand(time.monotonic, wall_ms, folder / "keep")) as hand:
        return hand.carry_out(step, lambda: stopped, run, check=check)


def doing(folder: Path, execute: Callable[[Exec], Result], *, check: bool = False) -> Doing:
    """Circumstances in which programs are what the test says."""
    return Doing(lambda: "", time.monotonic, wall_ms, time.sleep, execute, "run-1", folder / "keep", check)


def until(happened: Callable[[], bool]) -> None:
    """Wait until it happened, for as long as a loaded machine may need."""
    end = time.monotonic() + 40
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
