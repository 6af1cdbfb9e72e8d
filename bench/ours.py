"""Beforehand beside a redis: an agent and a desk, fresh for each round."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.observer import healed_ms, kill
from bench.round import Round
from tests.e2e import servers
from tests.e2e.installation import DAN, EVE, Installation, sessions
from tests.e2e.patience import pause, until
from tests.e2e.ports import Port
from tests.e2e.post_office import Letter, PostOffice
from tests.e2e.running import ROOT, Daemon, Running, command
from tests.e2e.servers import Redis

WITHIN_S: Final = 20.0
DEFAULT: Final = ROOT / "agent/defaults/agent.yaml"


@contextmanager
def running(folder: Path, post: PostOffice) -> Iterator[tuple[Running, Redis]]:
    """Run a redis, an agent that heals it and a desk that tells its customers, until the block ends."""
    with ExitStack() as ends:

        def port() -> Port:
            taken = Port.free()
            ends.callback(taken.close)
            return taken

        redis = Redis(folder / "redis", port())
        ends.callback(servers.end, redis)
        servers.start(redis)
        installation = Installation(
            folder=folder,
            agent_port=port(),
            desk_port=port(),
            page_port=port(),
            mail_port=post.port,
            pace="15s",
            watches=(sessions(redis, every="5s"),),
        )
        installation.write()
        both = ends.enter_context(Running(installation))
        both.start()
        yield both, redis


def measure(folder: Path, post: PostOffice, phase_s: float) -> Round:
    """Kill a redis once, so long after all stands, and follow what Beforehand does."""
    earlier = len(post.letters)
    with running(folder, post) as (both, redis):
        pause(phase_s)
        killed = kill(redis)
        healed = healed_ms(redis, killed, WITHIN_S)
        letters = until(
            lambda: _to_everybody(post.letters[earlier:]), WITHIN_S, "everybody affected is told", both.story
        )
        [incident] = both.incidents()
        noticed = incident["noticed_ms"]
    return Round(noticed - killed.at_ms, healed - killed.at_ms, letters[0].at_ms - killed.at_ms)


def _to_everybody(letters: tuple[Letter, ...]) -> list[Letter]:
    """Return the letters to those affected, as soon as each of them has one."""
    found = [letter for letter in letters if {DAN, EVE} & set(letter.recipients)]
    return found if {DAN, EVE} <= {to for letter in found for to in letter.recipients} else []


@contextmanager
def resting(folder: Path) -> Iterator[Daemon]:
    """Run an agent with the configuration that it has when nobody wrote one, until the block ends."""
    port = Port.free()
    folder.mkdir(parents=True)
    config = folder / "agent.yaml"
    config.write_text(_listening(DEFAULT.read_text(), port))
    argv = (*command(), "agent", "--config", str(config), "--state", str(folder / "state"))
    daemon = Daemon(argv, folder / "agent.log", port.number, "/-/healthy")
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        port.close()


def _listening(config: str, port: Port) -> str:
    """Return the configuration with another address to listen on, and with nobody to tell."""
    rest = [line for line in config.splitlines() if not line.startswith(("listen:", "desks:"))]
    return "\n".join([f"listen: {port}", *rest]) + "\n"
