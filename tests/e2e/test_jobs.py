"""Jobs that ping a whole agent, and plug-ins that it runs: what happens to them is an alert at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agent.process import Agent, agent

UUID = "5db34b9a-1111-4222-8333-444455556666"
KEY = "a-key-of-22-characters"


def config(*probes: str, more: str = "") -> str:
    return f"instance: here\nlisten: 127.0.0.1:0\nrules: [jobs]\n{more}probes:\n" + "".join(probes)


def heartbeat(timing: str) -> str:
    return f"- heartbeat: {{name: nightly backup, uuid: {UUID}, {timing}}}\n  labels: {{service: payroll}}\n"


def alerts(running: Agent) -> dict[str, Any]:
    """Return the firing alerts by name."""
    found = json.loads(running.get("/api/v1/alerts"))["data"]["alerts"]
    return {one["labels"]["alertname"]: one for one in found if one["state"] == "firing"}


def value(running: Agent, series: str) -> float | None:
    lines = (line.rpartition(" ") for line in running.get("/metrics").splitlines() if line.startswith(series))
    return next((float(number) for _, _, number in lines), None)


def state(name: str, service: str, word: str) -> str:
    of = f'instance="here",job="heartbeat",name="{name}",service="{service}",state="{word}"'
    return f"beforehand_heartbeat_state{{{of}}}"


def curl(*words: str) -> str:
    done = subprocess.run(
        ["curl", "-fsS", "-m", "10", "--retry", "5", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def cron(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script again and again, as cron would if its minutes were seconds."""
    job = subprocess.Popen(
        ["/bin/sh", "-c", f"while :; do {script}; sleep 0.5; done"], start_new_session=True
    )
    try:
        yield job
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()


@pytest.mark.needs("curl")
def test_a_job_that_stops_running_is_an_alert_and_one_that_runs_again_ends_it(tmp_path: Path) -> None:
    with agent(tmp_path, config(heartbeat("period: 2s, grace: 2s"))) as running:
        url = f"http://127.0.0.1:{running.port()}/ping/{UUID}"
        line = f"curl -fsS -m 10 --retry 5 -o /dev/null {url}"
        with cron(line):
            running.until(lambda: value(running, state("nightly backup", "payroll", "up")), "it to be up")
        missed = running.until(lambda: alerts(running).get("HeartbeatMissed"), "the alert")
        assert missed["labels"]["service"] == "payroll"
        assert missed["annotations"]["summary"] == "The job nightly backup has failed or did not run."
        with cron(line):
            running.until(lambda: "HeartbeatMissed" not in alerts(running), "the alert to end")


@pytest.mark.needs("curl")
def test_a_deadline_is_noticed_at_its_moment_and_not_in_the_next_slot(tmp_path: Path) -> None:
    # The slots of this probe are an hour apart, so that only the deadline itself can be what woke it.
    slots = heartbeat("period: 1s, grace: 1s") + "  every: 1h\n"
    with agent(tmp_path, config(slots)) as running:
        curl(f"http://127.0.0.1:{running.port()}/ping/{UUID}")
        pinged = running.until(lambda: value(running, "beforehand_heartbeat_last_success"), "the ping")
        missed = running.until(lambda: alerts(running).get("HeartbeatMissed"), "the alert")
        assert missed["activeAt"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(pinged + 1))


@pytest.mark.needs("curl")
def test_a_job_that_says_that_it_failed_is_an_alert(tmp_path: Path) -> None:
    with agent(tmp_path, config(heartbeat("schedule: '0 3 * * *', timezone: Europe/Berlin"))) as running:
        url = f"http://127.0.0.1:{running.port()}/ping/{UUID}"
        assert curl(f"{url}/start") == "OK"
        assert curl("--data-raw", "disk full", f"{url}/2") == "OK"
        running.until(lambda: alerts(running).get("HeartbeatMissed"), "the alert")
        assert value(running, "beforehand_heartbeat_exit_status") == 2
        (job,) = json.loads(running.get("/api/v1/heartbeats"))["data"]["heartbeats"]
        assert (job["state"], job["pings"][0]["body"]) == ("down", "disk full")
        assert UUID not in running.get("/api/v1/heartbeats") + running.get("/metrics") + running.log()


@pytest.mark.needs("curl")
def test_a_ping_that_was_answered_outlives_a_killed_agent(tmp_path: Path) -> None:
    text = config(heartbeat("period: 1d"), more=f"pings: {{key: {KEY}, create: true}}\n")
    with agent(tmp_path, text) as running:
        base = f"http://127.0.0.1:{running.port()}/ping"
        curl(f"{base}/{UUID}/start")
        curl(f"{base}/{UUID}")
        assert curl(f"{base}/{KEY}/made?create=1") == "Created"
        running.process.kill()
    (tmp_path / "log").write_text("")
    with agent(tmp_path, text) as running:
        running.until(lambda: value(running, "beforehand_heartbeat_pings_total") == 2, "the pings")
        running.until(lambda: value(running, state("made", "", "up")) == 1, "the job that a ping made")


@pytest.mark.needs("curl")
def test_other_machines_are_heard_where_they_may_be_and_reach_nothing_else(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with agent(
        tmp_path, config(heartbeat("period: 1d"), more=f"pings: {{listen: '0.0.0.0:{port}'}}\n")
    ) as running:
        running.port()
        name = ("-H", "Host: monitor.example")
        assert curl(*name, f"http://127.0.0.1:{port}/ping/{UUID}") == "OK"
        for path in ("metrics", "api/v1/alerts", "-/reload"):
            refused = subprocess.run(
                ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}/{path}"],
                capture_output=True,
                text=True,
                check=True,
            )
            assert refused.stdout == "404"


def test_a_plugin_and_a_command_become_series_of_the_agent(tmp_path: Path) -> None:
    plugin = tmp_path / "check_x"
    plugin.write_text("#!/bin/sh\necho \"X CRITICAL | 'queue length'=7;5;6;0\"\nexit 2\n")
    plugin.chmod(0o755)
    probes = (
        f"- nagios: {{check: x, argv: [{plugin}], max_check_attempts: 2}}\n  every: 1s\n",
        "- command: {command: c, argv: [/bin/echo, '{\"a\": [1, 2]}'], values: {b: {json: '$.a[1]'}}}\n",
    )
    with agent(tmp_path, config(*probes)) as running:
        running.until(lambda: value(running, "nagios_check_state_type") == 1, "a hard state")
        assert value(running, "nagios_check_status") == 2
        assert value(running, "nagios_check_perf_value") == 7
        assert value(running, "beforehand_command_value") == 2
