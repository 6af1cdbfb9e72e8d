"""Run one program with fixed words; there is no shell and nothing is filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from model.misfit import Misfit
from model.plugin import Action
from model.step import Exec, Host, Risk, Step
from remediations.writing.argv import Argv


@dataclass(frozen=True, slots=True)
class Options:
    """The words of the command, and the exit codes that count as success."""

    argv: Argv
    allowed_rc: tuple[int, ...] = (0,)
    detached: bool = False

    def __post_init__(self) -> None:
        if not self.allowed_rc or any(not 0 <= rc <= 255 for rc in self.allowed_rc):
            raise Misfit("an exit code is a number from 0 to 255", "write [0] or [0, 2]", key="allowed_rc")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Run it once."""
    yield Exec(tuple(options.argv), detached=options.detached, allowed_rc=options.allowed_rc)


def touches(options: Options) -> frozenset[str]:
    """Two runs of one program never overlap."""
    return frozenset({f"command:{PurePosixPath(options.argv[0]).name}"})


ACTION = Action("command", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
