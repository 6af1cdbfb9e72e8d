"""Simulated days: budgets hold, the kill switch stops, no world is harmed, the same seed repeats."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.remediations.worlds.drawn import Flavour
from tests.remediations.worlds.figures import Figures, measured, traced

COUNT = 200
SEED = 7


@pytest.fixture(scope="module")
def figures() -> list[Figures]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(measured, SEED), range(COUNT), chunksize=10))


@pytest.mark.timeout(300)
def test_no_day_breaks_a_budget_a_cooldown_a_stop_or_calls_twice(figures: list[Figures]) -> None:
    assert [(one.number, one.broken) for one in figures if one.broken] == []


@pytest.mark.timeout(300)
def test_no_harm_outlives_its_trial_and_all_together_are_better(figures: list[Figures]) -> None:
    harmed = [one.number for one in figures if one.harmed]
    assert len(harmed) <= 1, harmed
    assert sum(one.with_us_ms for one in figures) < 0.8 * sum(one.alone_ms for one in figures)
    flapping = [one for one in figures if one.flavour is Flavour.FLAPPING]
    assert sum(one.with_us_ms for one in flapping) < sum(one.alone_ms for one in flapping)


@pytest.mark.timeout(300)
def test_every_kind_of_outcome_is_seen_so_that_the_worlds_prove_something(figures: list[Figures]) -> None:
    outcomes = {outcome for one in figures for outcome in one.outcomes}
    assert {"fixed", "ineffective", "recurred", "failed", "harmful"} <= outcomes
    assert 0 < max(one.stopped_ms for one in figures) <= 1000
    ended = {ended for one in figures for ended in one.asks}
    assert {"used", "denied", "expired", "resolved"} <= ended


def test_the_same_seed_gives_the_same_trace_in_any_process() -> None:
    mine = traced(measured(3, number) for number in range(4))
    said = [subprocess_trace("1"), subprocess_trace("2")]
    assert said == [mine, mine]
    assert traced(measured(4, number) for number in range(4)) != mine


def subprocess_trace(hash_seed: str) -> str:
    argv = [sys.executable, "-m", "tests.remediations.worlds", "--count", "4", "--seed", "3", "--jobs", "1"]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        argv,
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=60,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("trace: ")]
    return line.removeprefix("trace: ")


def test_without_guards_the_same_worlds_are_made_much_worse() -> None:
    lax, ours = ([measured(SEED, number, lax=lax) for number in range(25)] for lax in (True, False))
    worse_ms = [sum(max(0, one.worse_ms) for one in each) for each in (lax, ours)]
    assert worse_ms[0] > 3 * worse_ms[1]
    runs = [sum(len(one.outcomes) for one in each) for each in (lax, ours)]
    assert runs[0] > 1.5 * runs[1]
