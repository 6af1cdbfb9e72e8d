"""An installation of hand and agent as two real processes, in one folder."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remediations.running.journal import Journal
from tests.remediations.errands import until

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
WITHIN_S = 30.0

AGENT = """\
instance: web1
listen: 127.0.0.1:0
rules: [./rules.yml]
playbooks: [./heal.yml]
hand: {socket}
warm_up: {{boot: 0s, start: 0s}}
evaluation_interval: 1s
probes:
- tcp: {{target: '127.0.0.1:{port}'}}
  every: 1s
"""
RULES = """\
groups:
- name: shop
  rules:
  - alert: ShopDown
    expr: probe_success == 0
"""
PLAYBOOK = """\
playbook: heal-shop
summary: Bring the shop back.
on: ['alertname="ShopDown"']
mode: {mode}
guard: {{cooldown: 0s, at_most: 20 per 1h, never_when: []}}
verify: {{within: 5s, hold: 500ms}}
steps:
{steps}
"""


@dataclass
class Process:
    """One of the two, with its log."""

    argv: list[str]
    log_file: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(self.argv, stderr=out, env={"PATH": "/usr/bin:/bin"})

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()


@dataclass
class Pair:
    """An installation of hand and agent in one folder that both can reach."""

    folder: Path
    processes: list[Process] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "hand.sock"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def key(self) -> Path:
        return self.folder / "approval.key"

    def write(self, port: int, steps: str, mode: str = "auto") -> None:
        (self.folder / "agent.yaml").write_text(AGENT.format(socket=self.socket, port=port))
        (self.folder / "rules.yml").write_text(RULES)
        (self.folder / "heal.yml").write_text(PLAYBOOK.format(mode=mode, steps=steps))

    @property
    def hand_argv(self) -> list[str]:
        words = ["--config", str(self.folder / "agent.yaml"), "--socket", str(self.socket)]
        words += ["--state", str(self.state / "hand"), "--user", USER, "--approval-key", str(self.key)]
        return [sys.executable, "-m", "agent.cli", "hand", *words]

    def hand(self) -> Process:
        made = Process(self.hand_argv, self.folder / f"hand{len(self.processes)}.log")
        self.processes.append(made)
        until(lambda: "listening at" in made.log or made.process.poll() is not None, "the hand", WITHIN_S)
        return made

    def refused(self) -> str:
        """Start a hand in vain, and return what it says."""
        done = subprocess.run(self.hand_argv, capture_output=True, text=True, check=False)
        assert done.returncode == 78, done.stderr
        return done.stderr

    def agent(self) -> Process:
        words = ["--config", str(self.folder / "agent.yaml"), "--state", str(self.state / "agent")]
        made = Process([sys.executable, "-m", "tests.agent.unprivileged", *words], self.folder / "agent.log")
        self.processes.append(made)
        until(lambda: "metrics on port" in made.log or made.process.poll() is not None, "the agent", WITHIN_S)
        return made

    def metric(self, name: str, agent: Process) -> list[float]:
        found = re.search(r"metrics on port (\d+)", agent.log)
        assert found, agent.log
        asked = subprocess.run(
            ["curl", "-s", f"http://127.0.0.1:{found[1]}/metrics"], capture_output=True, text=True, check=True
        )
        return [float(one) for one in re.findall(rf"^{name}\{{.*\}} (.*)$", asked.stdout, re.MULTILINE)]

    def acts(self) -> str:
        return (self.state / "hand" / "acts.jsonl").read_text()

    def runs(self) -> list[Any]:
        journal = Journal(self.state / "agent" / "runs.db")
        try:
            return [(run, journal.steps(run.id)) for run in journal.recent(0)]
        finally:
            journal.close()


@contextmanager
def installed() -> Iterator[Pair]:
    """A folder outside of pytest's own, which is closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="beforehand-hand-"))
    made = Pair(folder)
    folder.chmod(0o755)
    for name in ("run", "state", "state/agent"):
        (folder / name).mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(folder / "state" / "agent", USER)
    yield made
    for process in reversed(made.processes):
        process.end()
    shutil.rmtree(folder)
