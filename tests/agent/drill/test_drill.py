"""Whole drills by the command line: what they print, what they leave, and what they refuse."""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from agent.command.audit import read
from agent.drill import leftovers
from agent.drill.faults import place_of
from remediations.running.audit import first_break
from remediations.running.journal import Journal
from tests.e2e.patience import until

LATE = ("--noticed-within", "1m", "--healed-within", "2m", "--told-within", "1m")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write the configuration of a host on which no agent runs."""
    file = tmp_path / "agent.yaml"
    file.write_text("listen: 127.0.0.1:1\nprobes: [{load: {}}]\n")
    return file


def argv(config: Path, *more: str) -> list[str]:
    own = ["--config", str(config), "--state", str(config.parent / "state")]
    return [sys.executable, "-m", "agent.cli", "drill", *more, *own]


def drill(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv(config, *more), capture_output=True, text=True, timeout=58, check=False)


def left(folder: Path) -> list[str]:
    """Return what still runs for this folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if str(folder) in words:
                found.append(words)
    return found


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize(
    "fault", ["unit", "file", pytest.param("certificate", marks=pytest.mark.needs("openssl"))]
)
def test_a_fault_is_noticed_healed_and_told_and_nothing_is_left(config: Path, fault: str) -> None:
    state = config.parent / "state"
    state.mkdir()
    Journal(state / "runs.db").close()
    done = drill(config, fault, "--json", *LATE)
    assert done.returncode == 0, done.stderr + done.stdout
    (told,) = json.loads(done.stdout)["drills"]
    assert told["fault"] == fault
    assert told["met"]
    assert all(link["after_ms"] >= 0 for link in told["links"].values())
    assert names_in(state / "drills") == ["lock"]
    assert not place_of(told["drill"]).exists()
    assert left(state / "drills") == []
    entries, _ = read(state / "runs.db")
    assert [entry.what for entry in entries] == ["drill"]
    assert first_break(entries) == ""
    with closing(Journal(state / "runs.db")) as journal:
        assert journal.recent(0) == ()


def test_an_objective_that_is_not_met_fails_and_says_which(config: Path) -> None:
    done = drill(config, "unit", *LATE, "--told-within", "1ms")
    assert done.returncode == 1
    rows = {
        line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("  ") and line.split()
    }
    assert rows["told"].endswith("NOT MET")
    assert rows["noticed"].endswith(" met")
    assert "not proved  any notice at all: no desk is configured" in done.stdout


def test_what_a_killed_drill_leaves_ends_by_itself_or_is_taken_away_by_the_next(config: Path) -> None:
    drills = config.parent / "state/drills"
    with subprocess.Popen(argv(config, "unit"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        until(lambda: list(drills.glob("*/agent/agent.lock")), 30, "its agent works")
        one.send_signal(signal.SIGKILL)
    until(lambda: not [words for words in left(drills) if "agent.cli" in words], 25, "agent and desk end")
    (name,) = leftovers.sweep_all(drills)
    assert not (drills / name).exists()
    assert left(drills) == []


def test_there_is_no_second_drill_beside_one(config: Path) -> None:
    drills = config.parent / "state/drills"
    drills.mkdir(parents=True)
    with (drills / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = drill(config, "unit")
    assert (done.returncode, done.stderr) == (1, "no drill now: another drill is under way\n")


def test_there_is_no_drill_under_the_kill_switch(config: Path) -> None:
    state = config.parent / "state"
    state.mkdir()
    (state / "STOP").write_text(json.dumps({"by": "ada", "because": "a rehearsal"}))
    done = drill(config, "unit")
    assert (done.returncode, done.stderr) == (1, "no drill now: stopped by ada: a rehearsal\n")
    assert names_in(state / "drills") == ["lock"]


def test_there_is_no_drill_in_a_freeze(config: Path) -> None:
    with config.open("a") as file:
        file.write("freezes: [{freeze: always, from: '* * * * *', for: 1h}]\n")
    done = drill(config, "unit")
    assert done.returncode == 1
    assert "no drill now: frozen until" in done.stderr


def test_an_unknown_fault_is_refused_before_anything_is_made(config: Path) -> None:
    done = drill(config, "flood")
    assert done.returncode == 2
    assert "there is no fault 'flood'; choose among unit, file, certificate" in done.stderr
    assert not (config.parent / "state").exists()


def test_a_folder_that_is_no_drill_is_not_swept(tmp_path: Path) -> None:
    for name in ("notes", "ABCDEF12", "123456789"):
        (tmp_path / name).mkdir()
    (tmp_path / "12345678").symlink_to(tmp_path / "notes")
    (tmp_path / "abcdef12").mkdir()
    assert leftovers.sweep_all(tmp_path) == ["abcdef12"]
    assert names_in(tmp_path) == ["12345678", "123456789", "ABCDEF12", "notes"]


def test_only_programs_of_ours_are_ended_by_a_sweep(tmp_path: Path) -> None:
    folder = tmp_path / "abcdef12"
    folder.mkdir()
    (folder / "log").write_text("x\n")
    with subprocess.Popen(["tail", "-f", str(folder / "log")], stdout=subprocess.DEVNULL) as reader:
        leftovers.sweep(folder)
        time.sleep(0.1)
        assert reader.poll() is None
        reader.kill()
