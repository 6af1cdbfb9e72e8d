"""What a system is told to do, and how one is started that does it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bench.checks.cost import Kind
from bench.checks.target import Target, pinned
from tests.e2e.ports import LOOPBACK
from tests.e2e.running import ROOT
from tests.e2e.servers import program

_PLAIN: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Plan:
    """``count`` checks of one kind, each every ``every_s``."""

    folder: Path
    target: Target
    kind: Kind
    count: int
    every_s: int

    def told(self, number: int) -> str:
        """Return one target as most systems are told it: a URL, or host:port."""
        return self.target.url(number) if self.kind == "http" else f"{LOOPBACK}:{self.target.port}"


@dataclass(frozen=True, slots=True)
class Command:
    """One process of a system."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class System:
    """A name, the programs that it needs, and the processes that carry a plan out.

    ``flood`` is how many checks a second it is told to do where it shall do as many as it can; ``most`` is
    the greatest number every 10 s that it can keep up with.
    """

    name: str
    needs: tuple[str, ...]
    commands: Callable[[Plan], list[Command]]
    flood: int
    most: int


def located(name: str) -> str:
    """Return where a program is, which must be there."""
    found = program(name)
    assert found, f"{name} is not installed"
    return found


@contextmanager
def running(system: System, plan: Plan, core: int | None) -> Iterator[list[int]]:
    """Run the system on this core until the block ends; yields its processes."""
    plan.folder.mkdir(parents=True)
    log = plan.folder / "log"
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("wb") as out:
            for command in system.commands(plan):
                argv = [*pinned(core), *command.argv]
                environment = {**_PLAIN, **command.environment}
                processes.append(
                    subprocess.Popen(
                        argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, env=environment
                    )
                )
        yield [process.pid for process in processes]
        for process in processes:
            assert process.poll() is None, f"{system.name} ended\n{log.read_text(errors='replace')[-2000:]}"
    finally:
        for process in processes:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, which some leave behind."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in below:
        if child.is_running():
            child.kill()
