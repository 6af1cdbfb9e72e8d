"""Monit beside a redis of its own, told to start it again and to mail."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.observer import POLL_S, LogWatch, healed_ms, kill
from bench.round import Round
from tests.e2e import servers
from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK, Port
from tests.e2e.post_office import PostOffice
from tests.e2e.servers import Redis, program

FASTEST_S: Final = 1
DEFAULT_S: Final = 120  # what Debian's /etc/monit/monitrc says
GRACE_S: Final = 15.0

ADDRESS: Final = "operator-{0}@shop.example"


@dataclass(frozen=True, slots=True)
class Monit:
    """One running Monit: its redis, its process and its log."""

    redis: Redis
    process: subprocess.Popen[bytes]
    log: Path
    cycle_s: int
    operator: str

    def round(self, post: PostOffice, poll_s: float = POLL_S) -> Round:
        """Kill its redis once and follow what Monit does."""
        earlier = len(self._letters(post))
        within_s = self.cycle_s * 2 + GRACE_S
        # The action depends on how it was found; its line always names the service.
        with LogWatch(self.log, "'redis'") as watch:
            killed = kill(self.redis)
            healed = healed_ms(self.redis, killed, within_s, poll_s)
            told = until(lambda: self._letters(post)[earlier:], within_s, "Monit mails", self.log.read_text)
            noticed = until(lambda: watch.seen_ms, 1, "Monit writes its log", self.log.read_text)
        return Round(noticed - killed.at_ms, healed - killed.at_ms, told[0] - killed.at_ms)

    def settle(self) -> None:
        """Wait until Monit has seen that the redis is back and has said so."""
        until(
            lambda: "is running with pid" in self.log.read_text().splitlines()[-1],
            self.cycle_s * 2 + GRACE_S,
            "Monit sees the redis again",
            self.log.read_text,
        )

    def _letters(self, post: PostOffice) -> list[int]:
        """Return when each letter about the redis was accepted, without those about Monit itself."""
        return [letter.at_ms for letter in post.to(self.operator) if "redis" in letter.subject]


@contextmanager
def running(folder: Path, post: PostOffice, cycle_s: int) -> Iterator[Monit]:
    """Run a redis and a Monit that checks it every ``cycle_s``, until the block ends."""
    with ExitStack() as ends:
        port = Port.free()
        ends.callback(port.close)
        redis = Redis(folder / "redis", port)
        ends.callback(servers.end, redis)
        servers.start(redis)
        operator = ADDRESS.format(folder.name)
        log = folder / "monit.log"
        config = folder / "monitrc"
        config.write_text(_config(folder, redis, post.port, cycle_s, operator))
        config.chmod(0o600)
        monit = program("monit")
        assert monit, "monit is not installed"
        process = subprocess.Popen(
            [monit, "-I", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends.callback(_end, process)
        until(lambda: log.exists() and "started" in log.read_text(), 10, f"{folder} has a Monit")
        yield Monit(redis, process, log, cycle_s, operator)


def _config(folder: Path, redis: Redis, mail: Port, cycle_s: int, operator: str) -> str:
    start = " ".join(redis.start_argv)
    return f"""
set daemon {cycle_s}
set pidfile {folder}/monit.pid
set statefile {folder}/monit.state
set idfile {folder}/monit.id
set logfile {folder}/monit.log
set mailserver {LOOPBACK} port {mail.number} with timeout 5 seconds
set mail-format {{ from: monit@shop.example }}
set alert {operator}
check process redis with pidfile {redis.pidfile}
  start program = "{start}"
"""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def version() -> str:
    """Return Monit's version."""
    monit = program("monit")
    assert monit, "monit is not installed"
    done = subprocess.run([monit, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.splitlines()[0].split()[-1]
