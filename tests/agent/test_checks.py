"""A real agent with more checks than threads: all of them run, and rules are not judged for each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.agent.process import Agent, agent
from tests.probes.targets import unused_port

COUNT = 300
RULES = """
groups:
- name: checks
  interval: 1h
  rules:
  - {alert: Down, expr: probe_success == 0}
"""


def total(running: Agent, metric: str) -> float:
    found = re.findall(rf"^{metric}{{.*}} (\S+)$", running.get("/metrics"), re.MULTILINE)
    return sum(map(float, found))


def alerts(running: Agent) -> int:
    return len(json.loads(running.get("/api/v1/alerts"))["data"]["alerts"])


def test_many_checks_all_run_and_their_rule_is_judged_for_many_at_once(tmp_path: Path) -> None:
    (tmp_path / "checks.yml").write_text(RULES)
    port = unused_port()
    probes = "".join(
        f"- tcp: {{target: '127.0.0.1:{port}'}}\n"
        f"  name: check {number}\n"
        f"  every: 10s\n"
        f"  labels: {{check: '{number}'}}\n"
        for number in range(COUNT)
    )
    head = "listen: 127.0.0.1:0\nthreads_max: 1\nevaluation_interval: 1s\nrules: [checks.yml]\n"
    with agent(tmp_path, f"{head}probes:\n{probes}") as running:
        running.until(lambda: alerts(running) == COUNT, "an alert of every check")
        # What the agent says of itself is as old as its last look; this one was after all first runs.
        running.until(lambda: total(running, "beforehand_store_series") > 5 * COUNT, "its look at itself")
        assert total(running, "up") == COUNT
        assert 0 < total(running, "prometheus_rule_evaluations_total") < COUNT / 3
