"""Have a service let go of large deleted files that it holds open, by a reload or a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from model.deed import ReleaseDeleted
from model.misfit import Misfit
from model.plugin import Action, Unplannable
from model.step import Host, Risk, Step
from remediations.actions.free_space import Filesystem
from remediations.actions.service import FilePath, ServiceName
from remediations.writing.amounts import Bytes
from remediations.writing.argv import Argv

LARGE: Final = Bytes(100 << 20)


class State(StrEnum):
    """What is done to the service."""

    RESTARTED = "restarted"
    RELOADED = "reloaded"


@dataclass(frozen=True, slots=True)
class Options:
    """The filesystem, the service that holds, and how it is brought to let go.

    Nothing is done while no deleted file of ``min_size`` is held open, or where another process holds it.
    Where systemd does not run the service, ``argv`` reloads or restarts it and ``exe`` is its program.
    """

    path: Filesystem
    service: ServiceName
    state: State = State.RESTARTED
    min_size: Bytes = LARGE
    argv: Argv | None = None
    exe: FilePath | None = None

    def __post_init__(self) -> None:
        if (self.argv is None) is not (self.exe is None):
            raise Misfit("argv and exe go together", "write both, or none for a unit of systemd")


def plan(options: Options, host: Host) -> Iterator[Step]:
    """One deed looks and acts, because who holds the files is seen only then."""
    if options.argv and options.exe:
        yield ReleaseDeleted(options.path, options.min_size, tuple(options.argv), exe=options.exe)
        return
    if not host.has_systemd:
        raise Unplannable(
            f"systemd does not run here and the playbook declares no argv for {options.service}"
        )
    verb = "restart" if options.state is State.RESTARTED else "reload"
    unit = f"{options.service}.service"
    yield ReleaseDeleted(options.path, options.min_size, (host.systemctl, verb, unit), unit=unit)


def touches(options: Options) -> frozenset[str]:
    """Name the service, so that two runs never work on it at once."""
    return frozenset({f"service:{options.service}"})


ACTION = Action("release_open_deleted", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
