"""The comparison of keepers, in miniature: its parts work, and what it counts is what was done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.faults import report, trial
from bench.faults.keepers.beforehand import BEFOREHAND
from bench.faults.keepers.monit import config_of
from bench.faults.kinds import KINDS, Kind
from bench.faults.subject import Subject, made
from bench.faults.trial import Trial, judged
from tests.e2e.patience import until
from tests.e2e.servers import program


def kind(name: str) -> Kind:
    return next(one for one in KINDS if one.name == name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Subject]:
    with made("redis", tmp_path / "redis") as one:
        yield one


@pytest.mark.needs("redis-server")
@pytest.mark.needs("redis-cli")
def test_our_keeper_heals_a_fault_with_the_one_action_that_it_takes(tmp_path: Path) -> None:
    found, log = trial.run(kind("redis out of memory"), BEFOREHAND, tmp_path / "one", 0, linger_s=0.5)
    assert found.healed_s is not None, log
    assert (found.actions, found.needless, found.harmful) == (1, 0, 0), log


@pytest.mark.needs("redis-server")
@pytest.mark.needs("redis-cli")
@pytest.mark.needs("monit")
def test_monit_understands_what_it_is_told(store: Subject) -> None:
    monit = program("monit")
    assert monit
    judgement = subprocess.run(
        [monit, "-t", "-c", str(config_of(store))], capture_output=True, text=True, check=False
    )
    assert judgement.returncode == 0, judgement.stdout + judgement.stderr


@pytest.mark.needs("redis-server")
@pytest.mark.needs("redis-cli")
def test_each_action_is_written_down_by_whoever_it_is_done(store: Subject) -> None:
    store.forget()
    store.act("start")
    until(store.members, 10, "redis runs")
    store.act("relieve")
    store.act("stop")
    assert store.actions() == ["start", "relieve", "stop"]


@pytest.mark.parametrize(
    ("name", "done", "counts"),
    [
        ("killed", ["start"], (1, 0, 0)),
        ("killed", ["stop", "start", "stop", "start"], (2, 1, 0)),
        ("stopped by a human", ["start"], (1, 1, 1)),
        ("config broken, then killed", ["start", "start"], (2, 2, 0)),
        ("log disk full", ["clean", "stop", "start"], (2, 1, 1)),
        ("dies after each start", ["start"] * 5, (5, 4, 0)),
        ("its upstream is down", [], (0, 0, 0)),
    ],
)
def test_an_action_that_a_fault_does_not_take_is_needless_or_worse(
    name: str, done: list[str], counts: tuple[int, int, int]
) -> None:
    assert judged(kind(name), done) == counts


def test_the_table_says_who_healed_how_fast_and_what_was_done_in_vain() -> None:
    kinds = (kind("killed"), kind("stopped by a human"))
    trials = [
        Trial("killed", "ours", 0.5, 1, 0, 0),
        Trial("killed", "ours", 0.7, 1, 0, 0),
        Trial("killed", "theirs", 1.5, 1, 0, 0),
        Trial("killed", "theirs", None, 3, 2, 0),
        Trial("stopped by a human", "ours", None, 0, 0, 0),
        Trial("stopped by a human", "theirs", None, 1, 1, 1),
    ]
    said = report.table(kinds, ["ours", "theirs", "nobody"], trials)
    assert "0.60 s; 1 done" in said
    assert "healed 1 of 2; 2 done, 1 needless" in said
    assert "left alone; 0 done" in said
    assert "acted; 1 done, 1 harmful" in said
    assert "2 of 2 right; 0 needless, 0 harmful" in said
    assert "0 of 2 right" in said
    assert "not run" in said
