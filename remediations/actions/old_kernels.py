"""Remove packages of kernels that nobody will boot any more, on Debian and its kin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.deed import PurgeKernels
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.deeds.old_kernels import KEEP_MIN


@dataclass(frozen=True, slots=True)
class Options:
    """How many of the newest kernels stay; the one that runs stays as well."""

    keep: int = KEEP_MIN

    def __post_init__(self) -> None:
        if not KEEP_MIN <= self.keep <= 10:
            raise Misfit(f"keep {KEEP_MIN} to 10 kernels", f"write keep: {KEEP_MIN}", key="keep")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed lists and purges."""
    yield PurgeKernels(options.keep)


def touches(_options: Options) -> frozenset[str]:
    """Packages are changed by one at a time."""
    return frozenset({"packages"})


ACTION = Action("old_kernels", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
