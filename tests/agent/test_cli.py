from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import EX_CONFIG, EX_FAILED, EX_OK, main
from tests.agent.process import CONFIG, RELOADED, agent


def test_an_agent_shows_its_samples_alerts_and_rules(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        running.until(lambda: "node_load1{" in running.get("/metrics"), "a sample of the load probe")
        metrics = running.get("/metrics")
        assert re.search(r'up\{instance="[^"]+",job="node",probe="load"\} 1.0', metrics)
        assert re.search(r"^beforehand_loop_bugs_total\{.*\} 0\.0$", metrics, re.MULTILINE)
        alerts = json.loads(running.get("/api/v1/alerts"))["data"]["alerts"]
        assert [alert["labels"]["alertname"] for alert in alerts] == ["Watchdog"]
        groups = json.loads(running.get("/api/v1/rules"))["data"]["groups"]
        assert all(rule["health"] == "ok" for group in groups for rule in group["rules"])
        assert json.loads(running.get("/api/v1/runs"))["data"] == {"runs": []}
        assert running.get("/-/ready") == "ready\n"
        assert running.end() == EX_OK


def test_samples_survive_a_kill(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        running.until(lambda: "node_load1{" in running.get("/metrics"), "a sample of the load probe")
        running.process.kill()
        running.process.wait()
    with agent(tmp_path) as running:
        found = running.until(
            lambda: re.search(r"(\d+) runs of probes are remembered", running.log()), "the memory"
        )
        assert int(found[1]) > 0


def test_a_wrong_reload_keeps_the_old_configuration_and_says_so(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        running.until(lambda: "node_load1{" in running.get("/metrics"), "a sample of the load probe")
        running.config.write_text("probes: [{cpuu: {}}]\n")
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: "not reloaded: " in running.log(), "the refusal")
        running.until(
            lambda: RELOADED.findall(running.get("/metrics")) == ["0.0"], "the metric of the refusal"
        )
        assert "node_load1{" in running.get("/metrics")
        running.config.write_text(CONFIG.replace("load", "memory"))
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: "node_memory_MemTotal_bytes{" in running.get("/metrics"), "the new probe")
        metrics = running.get("/metrics")
        assert RELOADED.findall(metrics) == ["1.0"]
        assert "node_load1{" not in metrics


def test_a_second_agent_on_the_same_state_does_not_start(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        running.port()
        argv = [sys.executable, "-m", "agent.cli", "agent", "--config", str(running.config)]
        second = subprocess.run(
            [*argv, "--state", str(running.state)], capture_output=True, text=True, timeout=20, check=False
        )
        assert second.returncode == EX_FAILED
        assert "another agent already works in" in second.stderr


def test_an_agent_with_a_wrong_configuration_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agent.yaml").write_text("probes: [{cpuu: {}}]\nlabel: {}\n")
    code = main(["agent", "--config", str(tmp_path / "agent.yaml"), "--state", str(tmp_path / "state")])
    assert code == EX_CONFIG
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].endswith("agent.yaml:1:11: unknown probe 'cpuu'; did you mean 'cpu'?")


def test_check_reads_every_file_and_counts_the_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agent.yaml").write_text(CONFIG)
    assert main(["check", str(tmp_path)]) == EX_OK
    assert capsys.readouterr().out == "1 files are right\n"
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'up ='}]}]")
    (tmp_path / "play.yml").write_text("playbook: p\n")
    (tmp_path / "what.yml").write_text("a: b\n")
    assert main(["check", str(tmp_path)]) == EX_FAILED
    told = capsys.readouterr().err
    for name in ("rules.yml:1:", "play.yml:1:", "what.yml:1:1: nobody knows what this file is"):
        assert name in told


def test_stop_and_resume_set_and_lift_the_kill_switch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--because", "a drill", "--state", str(tmp_path)]) == EX_OK
    assert "a drill" in (tmp_path / "STOP").read_text()
    assert main(["resume", "--state", str(tmp_path)]) == EX_OK
    assert not (tmp_path / "STOP").exists()
    assert main(["resume", "--state", str(tmp_path)]) == EX_OK
    assert "nothing was stopped here" in capsys.readouterr().out


def test_a_stop_that_cannot_be_written_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "--state", str(tmp_path / "gone")]) == EX_FAILED
    assert "not stopped" in capsys.readouterr().err


def test_the_switch_is_found_below_the_state_directory_of_run(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    assert main(["stop", "--state", str(tmp_path)]) == EX_OK
    assert (tmp_path / "agent" / "STOP").exists()


def test_an_agent_runs_with_nothing_of_the_usual_environment(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(CONFIG)
    argv = [sys.executable, "-m", "agent.cli", "check", str(tmp_path / "agent.yaml")]
    bare = subprocess.run(argv, env={"LANG": "bogus"}, cwd="/", capture_output=True, timeout=20, check=False)
    assert (bare.returncode, bare.stderr) == (EX_OK, b"")
