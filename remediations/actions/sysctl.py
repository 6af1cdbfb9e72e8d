"""Set a parameter of the kernel, within bounds and for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.decode import nearest
from model.deed import RestoreKernel, SetKernel
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action, Unplannable
from model.step import Host, Risk, Step
from remediations.deeds.kernel import BOUNDS

REVERT_S: Final = (60, 7 * 86_400)


@dataclass(frozen=True, slots=True)
class Options:
    """A parameter and its value; nothing is written to a file, so it holds until the next boot at most.

    With ``revert_after`` systemd sets the earlier value again by then, whatever becomes of the agent.
    """

    key: str
    value: int
    revert_after: Duration = seconds(0)

    def __post_init__(self) -> None:
        bounds = BOUNDS.get(self.key)
        if bounds is None:
            cure = nearest(self.key, BOUNDS)
            raise Misfit(f"{self.key[:60]!r} is not among what may be set", cure, key="key")
        if not bounds[0] <= self.value <= bounds[1]:
            sentence = f"{self.value} is out of bounds"
            raise Misfit(sentence, f"write {bounds[0]} to {bounds[1]}", key="value")
        if self.revert_after.ms and not REVERT_S[0] <= self.revert_after.s <= REVERT_S[1]:
            raise Misfit("the time is out of range", "write 1m to 7d", key="revert_after")


def plan(options: Options, host: Host) -> Iterator[Step]:
    """One deed keeps the earlier value and sets the new one."""
    if options.revert_after.ms and not host.has_systemd:
        raise Unplannable(f"{options.key} cannot revert by itself: systemd does not run here")
    yield SetKernel(options.key, options.value, int(options.revert_after.s))


def undo(options: Options, _host: Host) -> Iterator[Step]:
    """Give the earlier value back."""
    yield RestoreKernel(options.key)


def touches(options: Options) -> frozenset[str]:
    """Name the parameter."""
    return frozenset({f"sysctl:{options.key}"})


ACTION = Action("sysctl", Options, plan, risk=Risk.REVERSIBLE, touches=touches, undo=undo)
