"""Take a server out of the traffic of a load balancer, and put it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Literal

from model.deed import SetHaproxyServer
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import STEP_TIMEOUT_S_MAX, Exec, Host, Risk, Step
from remediations.actions.names import Word
from remediations.actions.service import FilePath
from remediations.writing.argv import Argv

OTHERS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Haproxy:
    """A server of HAProxy by its admin socket, which needs ``level admin``."""

    socket: FilePath
    backend: Word
    server: Word


@dataclass(frozen=True, slots=True)
class Command:
    """What another load balancer needs: the command that drains, and the one that puts back."""

    drain: Argv
    ready: Argv


@dataclass(frozen=True, slots=True)
class Options:
    """A server of HAProxy, or two commands for another load balancer.

    It is drained only while ``others_up_min`` others are up, and its sessions are awaited for ``wait``;
    with commands both are theirs to see to.
    """

    haproxy: Haproxy | None = None
    command: Command | None = None
    others_up_min: int = 1
    wait: Duration = field(default=seconds(60))

    def __post_init__(self) -> None:
        if (self.haproxy is None) is (self.command is None):
            raise Misfit("a drain is by haproxy or by command", "write one of them")
        if not 0 <= self.others_up_min <= OTHERS_MAX:
            raise Misfit("the number is out of range", f"write 0 to {OTHERS_MAX}", key="others_up_min")
        if self.wait.s > STEP_TIMEOUT_S_MAX:
            raise Misfit("the time is out of range", f"wait at most {STEP_TIMEOUT_S_MAX:.0f}s", key="wait")


def _set(options: Options, state: Literal["drain", "ready"]) -> Iterator[Step]:
    if options.command is not None:
        yield Exec(tuple(options.command.drain if state == "drain" else options.command.ready))
    elif options.haproxy is not None:
        one = options.haproxy
        yield SetHaproxyServer(
            one.socket, one.backend, one.server, state, options.others_up_min, options.wait.s
        )


def drain(options: Options, _host: Host) -> Iterator[Step]:
    """Take it out."""
    return _set(options, "drain")


def undrain(options: Options, _host: Host) -> Iterator[Step]:
    """Put it back."""
    return _set(options, "ready")


def touches(options: Options) -> frozenset[str]:
    """Name the backend: two of its servers are not taken out at once."""
    if options.haproxy is not None:
        return frozenset({f"backend:{options.haproxy.backend}"})
    assert options.command is not None, "one of both was given"
    return frozenset({f"command:{PurePosixPath(options.command.drain[0]).name}"})


DRAIN = Action("drain", Options, drain, risk=Risk.REVERSIBLE, touches=touches, undo=undrain)
UNDRAIN = Action("undrain", Options, undrain, risk=Risk.REVERSIBLE, touches=touches)
