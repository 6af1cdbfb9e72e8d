"""Probes do not disturb each other, and what they saw outlives the agent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from tests.e2e.conftest import Begin
from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK

EVERY_S = 1.0
WATCHED_S = 8.0
LATE_MAX_S = 0.1
BUSY_MACHINE_S = 0.3  # how late two shared cores alone may make a thread
HANGING = 6


class Visitors:
    """A TCP server that notes when each connection came; it answers only when it is ``polite``."""

    def __init__(self, *, polite: bool) -> None:
        self.at_s: list[float] = []
        self._polite = polite
        self._listener = socket.create_server((LOOPBACK, 0))
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, name="visitors")

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return f"{LOOPBACK}:{self._listener.getsockname()[1]}"

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.at_s.append(time.monotonic())
            if self._polite:
                connection.close()
            else:
                self._held.append(connection)

    @contextmanager
    def open(self) -> Iterator[Visitors]:
        """Serve until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join(5)
            for connection in self._held:
                connection.close()


def test_targets_that_hang_delay_no_other_probe_and_are_reported(begin: Begin, stack: ExitStack) -> None:
    hanging = [stack.enter_context(Visitors(polite=False).open()) for _ in range(HANGING)]
    well = stack.enter_context(Visitors(polite=True).open())
    probes = [
        {"http": {"target": f"http://{target.address}/"}, "every": "5s", "timeout": "4s"}
        for target in hanging
    ]
    probes.append({"tcp": {"target": well.address}, "every": f"{EVERY_S:g}s"})
    running = begin(probes=tuple(probes))
    until(lambda: len(well.at_s) > WATCHED_S / EVERY_S, WATCHED_S + 5, "enough visits", running.story)

    assert all(target.at_s for target in hanging), "a hanging target was never asked"
    gaps_s = [later - earlier for earlier, later in pairwise(well.at_s[1:])]
    assert max(gaps_s) < EVERY_S + LATE_MAX_S + BUSY_MACHINE_S, gaps_s
    metrics = running.metrics()
    for target in hanging:
        failed = [
            line
            for line in metrics.splitlines()
            if target.address in line
            and line.startswith(("probe_success{", "up{"))
            and line.endswith((" 0", " 0.0"))
        ]
        assert failed, f"{target.address} is not reported:\n{metrics}"


def test_samples_outlive_a_kill_of_the_agent(begin: Begin, stack: ExitStack) -> None:
    rule = {
        "alert": "WentDown",
        "expr": "max_over_time(probe_success[10m]) - probe_success == 1",
        "labels": {"severity": "warning"},
    }
    with ExitStack() as target:
        well = target.enter_context(Visitors(polite=True).open())
        address = well.address
        running = begin(
            probes=({"tcp": {"target": address}, "every": "1s"},),
            rules=(rule,),
        )
        until(lambda: len(well.at_s) >= 2, 45, "two visits", running.story)
        assert running.alert("WentDown") is None
        running.agent.kill()
    running.agent.start()
    until(lambda: running.alert("WentDown"), 45, "the samples of before the restart are known", running.story)
