"""Wait until a port of this host takes connections or a path exists, or until neither is so any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from model.deed import WaitFor
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import STEP_TIMEOUT_S_MAX, Host, Risk, Step
from remediations.actions.service import FilePath


class State(StrEnum):
    """What to wait for; a port is started or stopped, a path present or absent."""

    STARTED = "started"
    STOPPED = "stopped"
    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Options:
    """A port of this host or a path, the state to wait for, and for how long at most."""

    port: int | None = None
    path: FilePath | None = None
    state: State | None = None
    timeout: Duration = seconds(60)

    def __post_init__(self) -> None:
        if (self.port is None) is (self.path is None):
            raise Misfit("wait for a port or for a path", "write {port: 80} or {path: /run/app.pid}")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise Misfit(f"{self.port} is not a port", "write 1 to 65535", key="port")
        wrong = (State.PRESENT, State.ABSENT) if self.port is not None else (State.STARTED, State.STOPPED)
        if self.state in wrong:
            raise Misfit(
                "a port is started or stopped, a path present or absent", "mend the state", key="state"
            )
        if not 0 < self.timeout.s <= STEP_TIMEOUT_S_MAX:
            raise Misfit("the time is out of range", f"write 1s to {STEP_TIMEOUT_S_MAX:.0f}s", key="timeout")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed does it all."""
    gone = options.state in (State.STOPPED, State.ABSENT)
    yield WaitFor(options.port or 0, options.path or "", gone, options.timeout.s)


def touches(_options: Options) -> frozenset[str]:
    """It only looks."""
    return frozenset()


ACTION = Action("wait_for", Options, plan, risk=Risk.READ_ONLY, touches=touches)
