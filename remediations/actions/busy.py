"""Whether somebody changes the packages of this host, or has it go down, at the moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model.deed import LookAtLocks, WaitFor
from model.step import HumanAct, Result, Step
from remediations.deeds.package import LOCKS

SCHEDULED = "/run/systemd/shutdown/scheduled"


def asks() -> Iterator[Step]:
    """Look at the locks of dpkg and at the file by which systemd tells of a shutdown (shutdown(8))."""
    yield LookAtLocks(LOCKS)
    yield WaitFor(path=SCHEDULED, gone=True, timeout_s=0)


def intent(results: Sequence[Result]) -> HumanAct | None:
    """Tell what is under way."""
    for result, what in zip(results, ("packages are changed", "a shutdown is scheduled"), strict=False):
        if not result.ok:
            return HumanAct(f"{what} already: {result.reason}", passing=True)
    return None
