"""One agent of a real fault: it sees by real probes, judges, heals, and its journal tells what came of it."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml

import remediations.playbooks
from tests.e2e.installation import EVERY_GUARD_WIDE, Tree
from tests.e2e.patience import until
from tests.e2e.ports import Port
from tests.e2e.running import Daemon, command
from tests.e2e.web import get

SEEN_S: Final = 45.0
ENDED_S: Final = 45.0

SHIPPED: Final = Path(remediations.playbooks.__path__[0])

QUICK_PROOF: Final[Tree] = {"within": "5s", "hold": "1s"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What the agent is given: ``packs`` are shipped rules by name, ``more`` other keys of agent.yaml."""

    folder: Path
    probes: tuple[Tree, ...]
    playbooks: tuple[Tree, ...]
    rules: tuple[Tree, ...] = ()
    packs: tuple[str, ...] = ()
    pace: str = "1s"
    more: Tree = field(default_factory=dict)

    def write(self, port: Port) -> None:
        """Write every file."""
        self._write(
            "agent.yaml",
            {
                "instance": "web1",
                "listen": str(port),
                "rules": ["self", *self.packs, *(["rules/*.yml"] if self.rules else [])],
                "playbooks": ["playbooks/*.yml"],
                "evaluation_interval": self.pace,
                # A machine that was just booted is as good as any other to test on.
                "warm_up": {"boot": "0s", "start": "0s"},
                # And a machine under the load of other tests is not asleep.
                "doubt": {"settle": "1s", "ignore": ["starved", "suspended"]},
                "probes": list(self.probes),
                **self.more,
            },
        )
        self._write("rules/scene.yml", {"groups": [{"name": "scene", "rules": list(self.rules)}]})
        for playbook in self.playbooks:
            self._write(f"playbooks/{playbook['playbook']}.yml", playbook)

    def _write(self, name: str, tree: Tree) -> None:
        path = self.folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(copy.deepcopy(tree), sort_keys=False, width=1000))


def shipped(name: str, **changes: object) -> Tree:
    """Return a shipped playbook that acts by itself, with short times and whatever else ``changes`` says.

    What it answers, does and asks of people stays as it ships unless it is changed here.
    """
    tree = yaml.safe_load((SHIPPED / f"{name}.yml").read_text())
    tree["on"] = tree.pop(True)  # YAML 1.1 takes this word for a yes
    return {**tree, "mode": "auto", "guard": EVERY_GUARD_WIDE, "verify": QUICK_PROOF, **changes}


def rule(alert: str, expr: str, **labels: str) -> Tree:
    """Return a rule that fires at once."""
    return {
        "alert": alert,
        "expr": expr,
        "labels": {"severity": "critical", **labels},
        "annotations": {"summary": f"{alert} on {{{{ $labels.instance }}}}."},
    }


@dataclass(frozen=True, slots=True)
class Stage:
    """A scene whose agent runs."""

    daemon: Daemon
    state: Path

    def runs(self) -> list[dict[str, Any]]:
        """Return every run in the journal, oldest first."""
        return self._journal(
            "SELECT id, playbook, stage, outcome, reason, trouble, escalate FROM runs ORDER BY started_ms"
        )

    def steps(self) -> list[dict[str, Any]]:
        """Return every step in the journal, oldest first."""
        return self._journal("SELECT run, number, step, ok, reason, output FROM steps ORDER BY began_ms")

    def _journal(self, query: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"file:{self.state / 'runs.db'}?mode=ro", uri=True, timeout=5)) as book:
            book.row_factory = sqlite3.Row
            return [dict(row) for row in book.execute(query)]

    def outcomes(self) -> list[str]:
        """Return how each run that has ended came out, oldest first."""
        return [run["outcome"] for run in self.runs() if run["outcome"]]

    def wait_outcomes(self, count: int = 1, within_s: float = ENDED_S) -> list[str]:
        """Wait until so many runs have ended and return how."""
        return until(
            lambda: found if len(found := self.outcomes()) >= count else None,
            within_s,
            f"{count} runs have ended",
            self.story,
        )

    def get(self, path: str) -> Any:  # whatever the agent says
        """Return the ``data`` of an answer of the agent's API."""
        return get(self.daemon.port, path).json()["data"]

    def metrics(self) -> str:
        """Return the agent's metrics page."""
        return get(self.daemon.port, "/metrics").text

    def alert(self, name: str) -> dict[str, Any] | None:
        """Return the first alert of this name that is pending or fires."""
        alerts = self.get("/api/v1/alerts")["alerts"]
        return next((one for one in alerts if one["labels"]["alertname"] == name), None)

    def firing(self, name: str) -> dict[str, Any] | None:
        """Return the first alert of this name that fires."""
        alert = self.alert(name)
        return alert if alert and alert["state"] == "firing" else None

    def remedy(self, name: str) -> dict[str, Any]:
        """Return how the healing of the alert of this name stands, as its explanation tells; else nothing."""
        wanted = quote(f'alertname="{name}"')
        told = self.get(f"/api/v1/explain?alert={wanted}")
        remedies = (alert["remedy"] or {} for one in told["rules"] for alert in one["alerts"])
        return next((remedy for remedy in remedies if remedy), {})

    def wait(self, wanted: Callable[[], Any], what: str, within_s: float = SEEN_S) -> Any:
        """Wait until this is true and return what it is."""
        return until(wanted, within_s, what, self.story)

    def story(self) -> str:
        """Return what the journal and the log tell."""
        lines = [f"run {run}" for run in self.runs()] + [f"step {step}" for step in self.steps()]
        return "\n".join((*lines, self.daemon.tail()))


@contextmanager
def acting(scene: Scene, *, under: tuple[str, ...] = ()) -> Iterator[Stage]:
    """Start the agent of a scene, wait until it answers, and end it at the end.

    ``under`` are the words of a program that prepares something and then becomes the agent.
    """
    port = Port.free()
    state = scene.folder / "state"
    try:
        scene.write(port)
        config = scene.folder / "config" / "agent.yaml"
        argv = (*under, *command(), "agent", "--config", str(config), "--state", str(state))
        daemon = Daemon(argv, scene.folder / "agent.log", port.number, "/-/ready")
        try:
            daemon.start()
            yield Stage(daemon, state)
        finally:
            daemon.stop()
    finally:
        port.close()
