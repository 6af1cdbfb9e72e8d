"""Signal a process that is found by its program and by how it stands; more than expected means none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from model.deed import SignalProcess
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import STEP_TIMEOUT_S_MAX, Host, Risk, Step
from remediations.actions.names import ControlGroup, ProgramName, UserName
from remediations.actions.service import FilePath
from remediations.deeds.process import PROCESSES_MAX, PROTECTED
from remediations.writing.amounts import Bytes


@dataclass(frozen=True, slots=True)
class Match:
    """Which processes: those that run ``exe`` and are all else that is written.

    ``cgroup`` takes those below it as well, ``port`` is one on which the process itself listens,
    ``rss_over`` what it holds in memory.
    """

    exe: ProgramName
    user: UserName | None = None
    cgroup: ControlGroup | None = None
    pidfile: FilePath | None = None
    port: int | None = None
    older_than: Duration = seconds(0)
    rss_over: Bytes | None = None

    def __post_init__(self) -> None:
        if PROTECTED.fullmatch(PurePosixPath(self.exe).name):
            cure = "name another program"
            raise Misfit(f"{self.exe} carries the host and is never signalled", cure, key="exe")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise Misfit(f"{self.port} is not a port", "write 1 to 65535", key="port")


@dataclass(frozen=True, slots=True)
class Options:
    """Which processes, and the signal; where more than ``processes_max`` match, none is signalled.

    After TERM, INT and QUIT a process that has not ended within ``patience`` is killed.
    """

    match: Match
    signal: Literal["TERM", "HUP", "USR1", "USR2", "INT", "QUIT"] = "TERM"
    processes_max: int = 1
    patience: Duration = field(default=seconds(10))

    def __post_init__(self) -> None:
        if not 1 <= self.processes_max <= PROCESSES_MAX:
            cure = f"write 1 to {PROCESSES_MAX}"
            raise Misfit(f"{self.processes_max} processes are out of range", cure, key="processes_max")
        if self.patience.s > STEP_TIMEOUT_S_MAX:
            cure = f"wait at most {STEP_TIMEOUT_S_MAX:.0f}s"
            raise Misfit("the patience is too long", cure, key="patience")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed finds, judges and signals."""
    match = options.match
    yield SignalProcess(
        exe=match.exe,
        signal=options.signal,
        user=match.user or "",
        cgroup=match.cgroup or "",
        pidfile=match.pidfile or "",
        port=match.port or 0,
        older_than_s=match.older_than.s,
        rss_over_bytes=match.rss_over or 0,
        processes_max=options.processes_max,
        patience_s=options.patience.s,
    )


def touches(options: Options) -> frozenset[str]:
    """Name the program, so that two runs never signal its processes at once."""
    return frozenset({f"process:{PurePosixPath(options.match.exe).name}"})


ACTION = Action("process_signal", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
