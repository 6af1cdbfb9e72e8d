"""An installation that runs: its daemons as processes that can be killed and started again."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil

from tests.e2e.installation import Installation
from tests.e2e.patience import until
from tests.e2e.web import Reply, get

READY_S: Final = 45.0
END_S: Final = 10.0
COMMAND_S: Final = 45.0
"""How long one command may take on a loaded machine; it reads all that the agent reads."""
ROOT: Final = Path(__file__).resolve().parents[2]


def command() -> tuple[str, ...]:
    """Return how the command line is started: the console script where it is installed, else the module."""
    script = Path(sys.executable).with_name("beforehand")
    return (str(script),) if script.exists() else (sys.executable, "-m", "agent.cli")


@dataclass(slots=True)
class Daemon:
    """One process of ours, with its output in a log file and a path that answers when it is ready."""

    argv: tuple[str, ...]
    log: Path
    port: int
    ready_path: str
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def launch(self) -> None:
        """Start the process and do not wait."""
        assert self.process is None, "it runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Wait until it answers."""
        until(self._ready, READY_S, f"{' '.join(self.argv)} is ready", self.tail)

    def _ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}\n{self.tail()}")
        return get(self.port, self.ready_path).status == 200

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.launch()
        self.wait_ready()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None, "it does not run"
        return self.process.pid

    def kill(self) -> None:
        """Kill the process without a warning."""
        assert self.process is not None, "it does not run"
        self.process.kill()
        self.process.wait(END_S)
        self.process = None

    def stop(self) -> int:
        """Ask the process to end and return its exit status; what it started and left is ended too."""
        if self.process is None:
            return 0
        children = _children(self.process.pid)
        self.ask_to_end()
        process, self.process = self.process, None
        try:
            status = process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait(END_S)
        _, left = psutil.wait_procs(children, timeout=1)
        for child in left:
            child.kill()
        return status

    def ask_to_end(self) -> None:
        """Ask the process to end and do not wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def tail(self, lines: int = 40) -> str:
        """Return the end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"--- {self.log}\n" + "\n".join(text.splitlines()[-lines:])


def _children(pid: int) -> list[psutil.Process]:
    """Return the processes that would outlive this one; daemons that it healed are no children any more."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


class Running:
    """The agent and the desk of one installation; a context manager that ends both."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        at = installation
        at.state.mkdir(parents=True, exist_ok=True)
        self.agent = Daemon(
            (*self._argv("agent"), "--config", str(at.config / "agent.yaml"), *self._state("agent")),
            at.folder / "agent.log",
            at.agent_port.number,
            "/-/healthy",
        )
        self.desk = Daemon(
            (*self._argv("desk"), "--config", str(at.config / "desk.yaml"), *self._state("desk")),
            at.folder / "desk.log",
            at.desk_port.number,
            "/-/healthy",
        )

    def _argv(self, verb: str) -> tuple[str, ...]:
        return (*command(), verb)

    def _state(self, room: str) -> tuple[str, str]:
        return "--state", str(self.installation.state / room)

    def start(self) -> None:
        """Start both at once and wait until both answer and know of what they watch."""
        self.desk.launch()
        self.agent.launch()
        self.desk.wait_ready()
        self.agent.wait_ready()
        self.wait_watching()

    def wait_watching(self) -> None:
        """Wait until the agent has seen alive what it watches, and the desk has heard of the agent."""
        names = [watch.service for watch in self.installation.watches]
        until(lambda: all(map(self._sees, names)), READY_S, f"the agent sees {names}", self.story)
        until(self._heard, READY_S, "the desk has heard of the agent", self.story)

    def _heard(self) -> bool:
        alerts = get(self.installation.desk_port.number, "/api/v2/alerts").json()
        return any(alert["labels"]["alertname"] == "Watchdog" for alert in alerts)

    def _sees(self, service: str) -> bool:
        lines = get(self.installation.agent_port.number, "/metrics").text.splitlines()
        return any(
            line.startswith("beforehand_process_count{")
            and f'service="{service}"' in line
            and float(line.rsplit("}", 1)[1].split()[0]) > 0
            for line in lines
        )

    def run(self, verb: str, *arguments: str) -> str:
        """Run one command of ours on the agent's state and return what it says."""
        argv = (*self._argv(verb), *arguments, *self._state("agent"))
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def metrics(self) -> str:
        """Return the agent's metrics page."""
        return get(self.installation.agent_port.number, "/metrics").text

    def alerts(self) -> list[dict[str, Any]]:
        """Return the agent's alerts, in the shape of Prometheus' /api/v1/alerts."""
        found: list[dict[str, Any]] = get(self.installation.agent_port.number, "/api/v1/alerts").json()[
            "data"
        ]["alerts"]
        return found

    def alert(self, name: str) -> dict[str, Any] | None:
        """Return the agent's one alert of this name."""
        return next((alert for alert in self.alerts() if alert["labels"]["alertname"] == name), None)

    def runs(self) -> list[dict[str, Any]]:
        """Return every run in the agent's journal, oldest first."""
        return self._journal("SELECT id, playbook, stage, outcome, reason FROM runs ORDER BY started_ms")

    def steps(self) -> list[dict[str, Any]]:
        """Return every step in the agent's journal, oldest first."""
        return self._journal("SELECT run, number, step, ok, reason, output FROM steps ORDER BY began_ms")

    def _journal(self, query: str) -> list[dict[str, Any]]:
        file = self.installation.state / "agent" / "runs.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as journal:
            journal.row_factory = sqlite3.Row
            return [dict(row) for row in journal.execute(query)]

    def incidents(self) -> list[dict[str, Any]]:
        """Return every incident that the desk knows, open ones first."""
        found: list[dict[str, Any]] = get(self.installation.desk_port.number, "/api/v1/incidents").json()
        return found

    def page(self) -> Reply:
        """Return the customers' page."""
        return get(self.installation.page_port.number, "/")

    def story(self) -> str:
        """Return the end of both logs."""
        return f"{self.agent.tail()}\n{self.desk.tail()}"

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.agent.ask_to_end()
        self.desk.ask_to_end()
        self.agent.stop()
        self.desk.stop()
