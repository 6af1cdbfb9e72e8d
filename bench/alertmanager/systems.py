"""The systems that are compared, each as processes that can be killed and started again where they stood."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.alertmanager.wire import Connection
from bench.checks.plan import located
from bench.checks.target import pinned
from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK, Port
from tests.e2e.running import ROOT

READY_S: Final = 30.0


@dataclass(slots=True)
class Node:
    """One process that takes alerts at a port; it starts again with what it kept in its folder."""

    name: str
    argv: list[str]
    port: int
    log: Path
    core: int | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self.process is not None, f"{self.name} does not run"
        return self.process.pid

    def start(self) -> None:
        """Start it; return when it answers."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*pinned(self.core), *self.argv], stdout=out, stderr=out, cwd=ROOT
            )
        until(self._ready, READY_S, f"{self.name} answers", lambda: self.log.read_text()[-2000:])

    def _ready(self) -> bool:
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask for something; return the status and the body."""
        with Connection(self.port) as connection:
            return connection.get(path)

    def read(self, path: str) -> Any:
        """Ask for JSON."""
        status, body = self.get(path)
        assert status == 200, (self.name, path, status, body[:300])
        return json.loads(body)

    def post(self, path: str, body: object) -> bytes:
        """Post JSON that must be taken."""
        with Connection(self.port) as connection:
            status, answer = connection.post(path, json.dumps(body).encode())
        assert status == 200, (self.name, path, status, answer[:300])
        return answer

    def cpu_s(self) -> float:
        """Return the CPU time of all its threads so far (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory_mb(self) -> float:
        """Return its resident memory in MB of 10^6 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise AssertionError(f"{self.name} has no memory")


@dataclass(slots=True)
class System:
    """One way to take alerts: its nodes, of which a client tells all, as Prometheus does."""

    name: str
    nodes: list[Node]
    wait_s: float
    """How long after a kill a notification may still come."""
    ours: bool = False
    taken: list[Any] = field(default_factory=list)

    @property
    def first(self) -> Node:
        """The node that is asked."""
        return self.nodes[0]

    def tell(self, alerts: list[dict[str, Any]]) -> None:
        """Post alerts to every node that runs."""
        for node in self.nodes:
            if node.process is not None:
                node.post("/api/v2/alerts", alerts)


Maker = Callable[[Path, int, int | None], "System"]
"""Builds a system in a folder that sends its mail to a port and runs on a core."""


@contextmanager
def running(system: System) -> Iterator[System]:
    """Run every node until the block ends."""
    with ExitStack() as ends:
        for node in system.nodes:
            ends.callback(node.kill)
        for node in system.nodes:
            node.start()
        yield system


def beforehand(services: int, people: int = 1) -> Callable[[Path, int, int | None, ExitStack], System]:
    """Return what builds a desk with so many services, each with people of its own."""

    def build(folder: Path, mail: int, core: int | None, ends: ExitStack) -> System:
        folder.mkdir(parents=True)
        staff, public = _port(ends), _port(ends)
        (folder / "catalogue.yaml").write_text(_catalogue(services, people))
        (folder / "desk.yaml").write_text(
            f"name: Example\nurl: http://{LOOPBACK}:{public}\nlisten: {LOOPBACK}:{staff}\n"
            f"public: {LOOPBACK}:{public}\ncatalogue: [catalogue.yaml]\nhold: 1s\n"
            f"smtp: {{host: {LOOPBACK}, port: {mail}, from: 'Example <status@example.com>'}}\n"
        )
        argv = [sys.executable, "-m", "desk.main"]
        argv += ["--config", str(folder / "desk.yaml"), "--state", str(folder / "state")]
        node = Node("Beforehand", argv, staff, folder / "log", core)
        return System("Beforehand", [node], 5.0, ours=True)

    return build


def _catalogue(services: int, people: int) -> str:
    return json.dumps(
        {
            "services": [
                {
                    "service": f"s{n}",
                    "name": f"Service {n}",
                    "owner": "staff",
                    "shows": [f'service="s{n}"'],
                    "impact": [{"when": f'service="s{n}"', "impact": "major", "affects": "uses"}],
                }
                for n in range(services)
            ],
            "customers": [
                {
                    "customer": f"c{n}",
                    "uses": [f"s{n}"],
                    "people": [{"name": f"P{p}", "email": f"p{n}-{p}@example.org"} for p in range(people)],
                }
                for n in range(services)
            ],
            "teams": [{"team": "staff", "email": "staff@example.com"}],
        }
    )


def alertmanager(nodes: int) -> Callable[[Path, int, int | None, ExitStack], System]:
    """Return what builds so many Alertmanagers, as a cluster where they are several."""

    def build(folder: Path, mail: int, core: int | None, ends: ExitStack) -> System:
        folder.mkdir(parents=True)
        (folder / "alertmanager.yml").write_text(_ROUTES.format(mail=f"{LOOPBACK}:{mail}"))
        gossip = [_port(ends) for _ in range(nodes)]
        name = "Alertmanager" if nodes == 1 else f"Alertmanager, {nodes} nodes"
        made = [_member(folder, number, core, gossip, _port(ends)) for number in range(nodes)]
        return System(name, made, 5.0 + 2.0 * nodes)

    return build


def _member(folder: Path, number: int, core: int | None, gossip: list[int], port: int) -> Node:
    argv = [located("prometheus-alertmanager"), f"--config.file={folder / 'alertmanager.yml'}"]
    argv += [f"--storage.path={folder / f'data{number}'}", f"--web.listen-address={LOOPBACK}:{port}"]
    if len(gossip) == 1:
        argv.append("--cluster.listen-address=")
    else:
        own = f"{LOOPBACK}:{gossip[number]}"
        argv += [f"--cluster.listen-address={own}", f"--cluster.advertise-address={own}"]
        argv += [f"--cluster.peer={LOOPBACK}:{other}" for other in gossip if other != gossip[number]]
        argv += ["--cluster.settle-timeout=5s", "--cluster.peer-timeout=1s"]
    return Node(f"Alertmanager {number}", argv, port, folder / f"log{number}", core)


# Each alert is a notification of its own, to a person of its own, as soon as it comes.
_ROUTES: Final = """\
global:
  smtp_smarthost: '{mail}'
  smtp_from: alertmanager@example.com
  smtp_require_tls: false
route:
  receiver: nobody
  group_by: [service]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
  routes:
  - {{matchers: ['service!=""'], receiver: people}}
receivers:
- name: nobody
- name: people
  email_configs:
  - {{to: '{{{{ .GroupLabels.service }}}}@example.org', send_resolved: true}}
"""


def _port(ends: ExitStack) -> int:
    port = Port.free()
    ends.callback(port.close)
    return port.number
