"""A running agent takes other files: what stands in both goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.process import RELOADED, Agent, agent

pytestmark = pytest.mark.timeout(180)

CONFIG = """
listen: 127.0.0.1:0
rules: [r.yml]
evaluation_interval: 1s
probes:
- load: {}
  every: 1s
"""
RULES = """
groups:
- name: g
  rules:
  - {alert: Fires, expr: node_load1 >= 0, labels: {severity: page}}
  - {alert: Waits, expr: node_load1 >= 0, for: 1h}
  - {alert: Kept, expr: node_load1 < THRESHOLD, keep_firing_for: 1h}
  - {alert: Goes, expr: node_load1 >= 0}
"""


def state(running: Agent) -> dict[str, dict[str, Any]]:
    alerts = json.loads(running.get("/api/v1/alerts"))["data"]["alerts"]
    return {alert["labels"]["alertname"]: alert for alert in alerts}


def begin(folder: Path, rules: str = RULES) -> None:
    (folder / "r.yml").write_text(rules.replace("THRESHOLD", "1e9"))


def test_pending_firing_and_kept_alerts_survive_a_reload(tmp_path: Path) -> None:
    begin(tmp_path)
    with agent(tmp_path, CONFIG) as running:
        running.until(lambda: len(state(running)) == 4, "four alerts")
        # Kept holds no longer with this threshold, so from now on it is only kept firing.
        (tmp_path / "r.yml").write_text(RULES.replace("THRESHOLD", "-1"))
        assert running.post("/-/reload") == (200, "")
        running.until(lambda: "keepFiringSince" in state(running)["Kept"], "Kept to be kept")
        before = state(running)

        after_text = (
            RULES.replace("THRESHOLD", "-1").replace("name: g", "name: other").replace("Goes", "Comes")
        )
        (tmp_path / "r.yml").write_text(after_text)
        assert running.post("/-/reload", "PUT") == (200, "")
        after = running.until(lambda: found if "Comes" in (found := state(running)) else None, "Comes")
        for name, at_work in (("Fires", "firing"), ("Waits", "pending"), ("Kept", "firing")):
            assert after[name]["state"] == before[name]["state"] == at_work
            assert after[name]["activeAt"] == before[name]["activeAt"]
        assert after["Kept"]["keepFiringSince"] == before["Kept"]["keepFiringSince"]
        assert "Goes" not in after
        assert 'alertname="Goes", instance=' in running.log()
        assert "resolved: its rule was removed" in running.log()


def test_a_wrong_reload_is_refused_with_every_mistake_and_changes_nothing(tmp_path: Path) -> None:
    begin(tmp_path)
    with agent(tmp_path, CONFIG) as running:
        before = running.until(lambda: found if len(found := state(running)) == 4 else None, "four alerts")
        (tmp_path / "r.yml").write_text(RULES.replace("node_load1 <", "node_load1 <<").replace("1h", "1x"))
        status, told = running.post("/-/reload")
        assert status == 500
        assert len(told.splitlines()) == 3
        assert all(line.startswith(str(tmp_path / "r.yml")) for line in told.splitlines())
        assert {name: alert["activeAt"] for name, alert in state(running).items()} == {
            name: alert["activeAt"] for name, alert in before.items()
        }
        running.until(
            lambda: RELOADED.findall(running.get("/metrics")) == ["0.0"], "the metric of the refusal"
        )
        begin(tmp_path)
        assert running.post("/-/reload") == (200, "")
        running.until(
            lambda: RELOADED.findall(running.get("/metrics")) == ["1.0"], "the metric of the reload"
        )


def test_a_page_in_a_browser_cannot_reload(tmp_path: Path) -> None:
    begin(tmp_path)
    with agent(tmp_path, CONFIG) as running:
        running.port()
        assert running.post("/-/reload", "GET")[0] == 405
        assert running.post("/-/reload", Origin="http://evil.example")[0] == 403
        assert running.post("/-/reload", Sec_Fetch_Site="cross-site")[0] == 403
        assert running.post("/-/reload", Host="evil.example")[0] == 421
        assert "reloaded" not in running.log()


def test_many_signals_at_once_are_heard_and_the_last_files_hold(tmp_path: Path) -> None:
    begin(tmp_path)
    with agent(tmp_path, CONFIG) as running:
        running.until(lambda: len(state(running)) == 4, "four alerts")
        begin(tmp_path, RULES + "  - {alert: Late, expr: node_load1 >= 0}\n")
        for _ in range(20):
            os.kill(running.process.pid, signal.SIGHUP)
        running.until(lambda: "Late" in state(running), "the new rule")
        assert running.process.poll() is None


def run_of(running: Agent) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        runs: list[dict[str, Any]] = json.loads(running.get("/api/v1/runs"))["data"]["runs"]
        return runs[0] if runs else None

    return look


def test_a_playbook_at_work_goes_on_over_a_reload(tmp_path: Path) -> None:
    begin(tmp_path)
    done = tmp_path / "done"
    (tmp_path / "p.yml").write_text(
        f"""
playbook: slow
summary: Take a while.
on: ['alertname="Fires"']
mode: auto
guard: {{never_when: [human_intent]}}
steps:
- command: {{argv: [sleep, "1"]}}
- command: {{argv: [touch, "{done}"]}}
verify: {{expr: 'node_load1 >= 0', within: 1s, hold: 0s}}
"""
    )
    with agent(tmp_path, f"{CONFIG}playbooks: [p.yml]\nwarm_up: {{boot: 0s, start: 0s}}\n") as running:
        run = running.until(run_of(running), "a run")
        assert run["outcome"] is None
        assert not done.exists()
        assert running.post("/-/reload") == (200, "")
        running.until(done.exists, "the second step")
        after = run_of(running)()
        assert after is not None
        assert after["run"] == run["run"]
