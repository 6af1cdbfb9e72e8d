"""The parts of a drill that decide: its objective, its refusals, and what it says of the installation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import load
from agent.drill import play, report
from agent.drill.installed import Standing, heard_at
from agent.drill.objective import Objective, Times, judged
from agent.drill.refusal import grave, objection, open_incident
from agent.drill.unit import Unit, text
from agent.memory import Memory
from model.alert import Alert, AlertState
from model.duration import seconds
from model.labels import Labels
from model.misfit import Misfit
from tests.e2e import systemd as private
from tests.e2e.patience import until


def test_what_came_late_or_never_is_not_met() -> None:
    links = judged(Times(1_000, noticed_ms=6_000, healed_ms=None, told_ms=11_001), Objective())
    assert [(link.word, link.after_ms, link.met) for link in links] == [
        ("noticed", 5_000, True),
        ("healed", None, False),
        ("told", 10_001, False),
    ]


def test_an_objective_of_no_time_is_refused() -> None:
    with pytest.raises(Misfit, match="told_within: 0s is out of range"):
        Objective(told_within=seconds(0))


def test_what_was_said_on_the_command_line_holds_over_the_file() -> None:
    assert Objective(noticed_within=seconds(9)).changed(told=seconds(3)) == Objective(
        seconds(9), seconds(60), seconds(3)
    )


@pytest.mark.parametrize(
    ("labels", "is_grave"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, False),
        ({"alertname": "Hint", "severity": "info"}, False),
        ({"alertname": "DiskFull", "severity": "warning"}, True),
        ({"alertname": "DiskFull"}, True),
    ],
)
def test_an_alert_that_means_trouble_keeps_drills_away(labels: dict[str, str], is_grave: bool) -> None:
    assert grave(labels) is is_grave


def incident(state: str, instance: str) -> str:
    return json.dumps([{"id": "I-1", "state": state, "alerts": [{"labels": {"instance": instance}}]}])


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (incident("investigating", "web1"), "I-1"),
        (incident("resolved", "web1"), ""),
        (incident("monitoring", "web2"), ""),
        ("", ""),
        ("<html>", ""),
        ('{"status": "error"}', ""),
        ('[{"id": 3}]', ""),
    ],
)
def test_only_an_open_incident_of_this_host_counts(answer: str, found: str) -> None:
    assert open_incident(answer, "web1") == found


def test_a_desk_that_never_heard_of_this_host_proves_nothing() -> None:
    alert = {"labels": {"alertname": "Watchdog", "instance": "web1"}, "updatedAt": "2026-11-22T05:00:00Z"}
    assert heard_at(json.dumps([alert]), "web1") == "2026-11-22T05:00:00Z"
    assert heard_at(json.dumps([alert]), "web2") == ""
    assert heard_at("[1]", "web1") == ""


def test_nothing_is_claimed_for_a_fault_that_was_not_healed() -> None:
    times = Times(0, noticed_ms=5)
    done = report.Report("abcdef12", "unit", "kill -9", times, judged(times, Objective()), "no run was begun")
    said = "\n".join([*report.lines(done), *report.proof([done], Standing((), ("all else",)))])
    assert "  no run was begun" in said
    assert "proved      on this host" not in said
    assert "not proved  all else" in said
    assert not done.fact()["met"]


def test_a_desk_without_an_incident_yet_has_told_nothing() -> None:
    assert play.read("[]", 7) == Times(7)
    assert play.read("", 7) == Times(7)
    assert play.last_reason("") == "no run was begun"


def test_a_program_that_is_tied_ends_with_the_one_that_started_it() -> None:
    tie = "[sys.executable, '-m', 'agent.drill.tied', str(os.getpid()), '/bin/sleep', '100']"
    source = f"import os, subprocess, sys; p = subprocess.Popen({tie}); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until(lambda: b"/bin/sleep" in command_of(pid), 20, "the tied program runs")
        parent.kill()
    until(lambda: b"/bin/sleep" not in command_of(pid), 20, "the tied program ends")


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_unit_file_means_its_words_as_they_stand() -> None:
    assert 'ExecStart=:"/a b" "50%%" "say \\"x\\"" "$HOME"\n' in text(
        "abcdef12", ("/a b", "50%", 'say "x"', "$HOME")
    )


@pytest.mark.needs("systemctl")
@pytest.mark.needs("unshare")
@pytest.mark.skipif(os.getuid() != 0 or not private.SYSTEMD.exists(), reason="root alone runs a systemd here")
def test_a_unit_that_was_killed_can_be_started_again_and_is_forgotten_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with private.running() as systemd:
        for name, value in systemd.environment.items():
            monkeypatch.setenv(name, value)
        unit = Unit("abcdef12", systemd.units, ("systemctl", "--user"))
        with unit.running(("/bin/sleep", "1000")):
            first = main_pid(systemd)
            os.kill(first, signal.SIGKILL)
            until(
                lambda: "failed" in systemd.ctl("show", "drill-abcdef12", "-p", "ActiveState"),
                10,
                "it failed",
            )
            # As the action `service` does it.
            systemd.ctl("reset-failed", "drill-abcdef12")
            systemd.ctl("restart", "drill-abcdef12")
            assert main_pid(systemd) not in (0, first)
        assert "not-found" in systemd.ctl("show", "drill-abcdef12", "-p", "LoadState")
        assert not unit.remove()


def main_pid(systemd: private.Manager) -> int:
    return int(systemd.ctl("show", "drill-abcdef12", "-p", "MainPID", "--value"))


def test_there_is_no_drill_while_an_alert_fires_that_a_stopped_agent_left(tmp_path: Path) -> None:
    labels = Labels.of({"alertname": "DiskFull", "severity": "critical"})
    firing = Alert(labels, {}, AlertState.FIRING, 1.0, 5, fired_at_ms=5)
    config = load(write_config(tmp_path)).config
    assert objection(config, tmp_path, "web1", 0) == ""
    memory = Memory(tmp_path / "alerts.db")
    memory.keep([firing], 5)
    memory.close()
    assert objection(config, tmp_path, "web1", 0) == "this host is not well: DiskFull fires"


def write_config(folder: Path) -> Path:
    file = folder / "agent.yaml"
    file.write_text("listen: 127.0.0.1:1\nprobes: [{load: {}}]\ndrill: {told_within: 3s}\n")
    return file


def test_the_objective_stands_in_the_configuration(tmp_path: Path) -> None:
    assert load(write_config(tmp_path)).config.drill == Objective(told_within=seconds(3))
