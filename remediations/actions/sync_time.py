"""Set a clock right that is off by little, by the daemon that knows the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model.deed import StepClock
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action, Unplannable
from model.step import Host, Risk, Step


@dataclass(frozen=True, slots=True)
class Options:
    """The daemon, and the longest step; a clock that is off by more is left to a human."""

    tool: Literal["chrony", "timesyncd"] = "chrony"
    step_max: Duration = seconds(1)

    def __post_init__(self) -> None:
        if not 0 < self.step_max.s <= 1:
            raise Misfit("a step is at most 1s", "leave longer ones to a human", key="step_max")


def plan(options: Options, host: Host) -> Iterator[Step]:
    """One deed asks and steps."""
    if options.tool == "timesyncd" and not host.has_systemd:
        raise Unplannable("timesyncd cannot set the clock: systemd does not run here")
    systemctl = host.systemctl if options.tool == "timesyncd" else ""
    yield StepClock(options.tool, options.step_max.s, systemctl)


def touches(_options: Options) -> frozenset[str]:
    """There is one clock."""
    return frozenset({"clock"})


ACTION = Action("sync_time", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
