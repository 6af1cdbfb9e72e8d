"""promtool reads an agent as it reads a Prometheus."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.process import Agent, agent

CONFIG = """
listen: 127.0.0.1:0
rules: [self, host]
labels: {region: eu}
probes:
- {load: {}, every: 1s}
- {memory: {}, every: 1s}
- {cpu: {}, every: 1s}
- {filesystem: {}, every: 1s}
- {stat: {}, every: 1s}
- {http: {target: "http://127.0.0.1:9/"}, every: 1s}
"""
# Names that node_exporter took from /proc/meminfo; all its users know them so.
NOT_OURS = re.compile(r"node_memory_\S+ metric names should be written in 'snake_case' not 'camelCase'")


def promtool(running: Agent, *words: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{running.port()}"
    argv = ["promtool", "query", *(url if word == "URL" else word for word in words)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.needs("promtool")
def test_promtool_reads_an_agent_like_a_prometheus(tmp_path: Path) -> None:
    with agent(tmp_path, CONFIG) as running:
        running.until(
            lambda: "node_cpu_seconds_total{" in running.get("/metrics"), "a sample of the cpu probe"
        )
        code, told = promtool(running, "instant", "URL", 'up{probe="load"}')
        assert code == 0
        assert re.fullmatch(
            r'up\{instance="[^"]+", job="node", probe="load", region="eu"\} => 1 @\[\d+\.\d+\]\n', told
        )
        now = time.time()
        code, told = promtool(
            running, "range", f"--start={now - 60:.0f}", f"--end={now + 1:.0f}", "--step=1s", "URL", "sum(up)"
        )
        assert code == 0
        assert told.startswith("{} =>\n")
        code, told = promtool(running, "series", "--match=node_load1", "--match=up{probe='cpu'}", "URL")
        assert code == 0
        assert [line.partition("{")[2].partition(",")[0] for line in told.splitlines()] == [
            '__name__="node_load1"',
            '__name__="up"',
        ]
        assert promtool(running, "labels", "URL", "region") == (0, "eu\n")
        code, told = promtool(running, "instant", "URL", "sum(")
        assert code != 0
        assert 'bad_data: invalid parameter "query": 1:5: parse error' in told


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_wrong_with_our_own_metrics(tmp_path: Path) -> None:
    with agent(tmp_path, CONFIG) as running:
        running.until(lambda: "probe_success{" in running.get("/metrics"), "a sample of the http probe")
        running.until(lambda: "prometheus_rule_group_iterations_total{" in running.get("/metrics"), "a group")
        metrics = running.get("/metrics")
    argv = ["promtool", "check", "metrics"]
    ended = subprocess.run(argv, input=metrics, capture_output=True, text=True, timeout=20, check=False)
    told = (ended.stdout + ended.stderr).splitlines()
    assert [line for line in told if not NOT_OURS.fullmatch(line)] == []
    assert not re.search(r"^ALERTS", metrics, re.MULTILINE)
    assert re.search(
        r'^prometheus_rule_group_rules\{.*rule_group="[^"]+self\.yml;self"\} \d', metrics, re.MULTILINE
    )
