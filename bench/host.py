"""Measure the host's probes beside node_exporter: ``python -m bench.host`` prints CPU time of both.

Both look at this host at the same time and as often: ours in a running agent, which stores what it sees and
judges no rule; node_exporter with the collectors that it has by default, asked by a plain HTTP client. An
agent that only looks at the load tells what the agent itself costs.
"""

from __future__ import annotations

import argparse
import ctypes
import http.client
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from bench.rest import resident_mb
from tests.e2e.patience import pause, until
from tests.e2e.ports import LOOPBACK, Port
from tests.e2e.running import Daemon, command
from tests.e2e.web import get

EVERY_S: Final = 15
RATIO_MAX: Final = 2.0

PROGRAM: Final = "prometheus-node-exporter"
_SETTLE_S: Final = 20.0


_libc: Final = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way of looking at the host costs, and how many series it tells."""

    cpu_ms_per_minute: float
    rss_mb: float
    series: int


@contextmanager
def agent(folder: Path, probe: str) -> Iterator[Daemon]:
    """Run an agent with this probe, until the block ends."""
    port = Port.free()
    folder.mkdir(parents=True)
    config = folder / "agent.yaml"
    config.write_text(f"listen: {port}\nrules: []\nprobes:\n- {probe}: {{}}\n")
    argv = (*command(), "agent", "--config", str(config), "--state", str(folder / "state"))
    daemon = Daemon(argv, folder / "agent.log", port.number, "/-/healthy")
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        port.close()


@contextmanager
def exporter() -> Iterator[tuple[int, int]]:
    """Run node_exporter and ask it as often as the agent looks; yields its process id and port."""
    port = Port.free()
    number = port.number
    port.close()
    argv = [PROGRAM, f"--web.listen-address={LOOPBACK}:{number}", "--log.level=error"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(EVERY_S):
            fetched(number)

    asking = threading.Thread(target=ask)
    try:
        until(lambda: fetched(number), 20, "node_exporter answers")
        asking.start()
        yield process.pid, number
    finally:
        ended.set()
        if asking.ident:
            asking.join()
        process.terminate()
        process.wait(10)


def fetched(port: int) -> str:
    """Return node_exporter's metrics, or nothing while it does not answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except OSError:
        return ""
    finally:
        connection.close()


def cpu_s(pid: int) -> float:
    """Return the CPU time of a whole process so far; /proc tells it in hundredths of a second only."""
    number = ctypes.c_int()
    wrong = _libc.clock_getcpuclockid(pid, ctypes.byref(number))
    assert not wrong, f"process {pid} is gone"
    return time.clock_gettime(number.value)


def series_in(text: str) -> int:
    """Return how many series about the host a text in Prometheus' format has."""
    return len(re.findall(r"(?m)^(?:node_(?!scrape_|exporter_)|beforehand_(?:unit|time|timer|reboot))", text))


def measure(folder: Path, rest_s: float) -> dict[str, Figures]:
    """Let all of them look at the host for so long, at the same time."""
    with ExitStack() as ends:
        ours = ends.enter_context(agent(folder / "host", "host"))
        least = ends.enter_context(agent(folder / "load", "load"))
        pid, port = ends.enter_context(exporter())
        pids = {"agent, host": ours.pid, "agent, load": least.pid, "node_exporter": pid}
        pause(_SETTLE_S)
        before_s = [cpu_s(one) for one in pids.values()]
        pause(rest_s)
        used_s = [cpu_s(one) - before for one, before in zip(pids.values(), before_s, strict=True)]
        texts = (get(ours.port, "/metrics").text, get(least.port, "/metrics").text, fetched(port))
        return {
            name: Figures(used / rest_s * 60_000, resident_mb(one), series_in(text))
            for (name, one), used, text in zip(pids.items(), used_s, texts, strict=True)
        }


def table(found: dict[str, Figures]) -> str:
    """Return the figures as text, with the ratio of ours to node_exporter's."""
    rows = [
        f"  {name:15} {one.cpu_ms_per_minute:6.1f} ms CPU per minute, {one.rss_mb:5.1f} MB RSS, "
        f"{one.series:4d} series"
        for name, one in found.items()
    ]
    ours, least, other = (one.cpu_ms_per_minute for one in found.values())
    return "\n".join(
        [
            f"The host, looked at every {EVERY_S} s",
            *rows,
            f"  the whole agent : node_exporter  {ours / other:5.2f} : 1, expected {RATIO_MAX:g} at most",
            f"  its probes alone : node_exporter {(ours - least) / other:5.2f} : 1",
        ]
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.host", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute in place of three")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beforehand-host-") as name:
        print(table(measure(Path(name), 60.0 if options.quick else 180.0)))
    print(machine.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
