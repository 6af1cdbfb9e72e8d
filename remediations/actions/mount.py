"""Mount, unmount or remount what /etc/fstab names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from model.deed import Mount
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.actions.free_space import Filesystem
from remediations.deeds.mount import NEVER_GONE


class MountPoint(Filesystem):
    """A path that /etc/fstab names."""

    __slots__ = ()


class State(StrEnum):
    """The state to bring a mount to."""

    MOUNTED = "mounted"
    UNMOUNTED = "unmounted"
    REMOUNTED = "remounted"


@dataclass(frozen=True, slots=True)
class Options:
    """A path that /etc/fstab names, the state wanted, and for a remount whether it may be written to.

    A filesystem on the network is unmounted lazily, so that a server which does not answer holds nobody;
    another only where nothing is open on it. An ext4 that has recorded errors is not made writable: that
    needs a check by a person.
    """

    path: MountPoint
    state: State
    options: Literal["rw", "ro"] | None = None

    def __post_init__(self) -> None:
        if (self.state is State.REMOUNTED) is (self.options is None):
            raise Misfit("a remount, and nothing else, has options", "write options: rw or ro", key="options")
        if self.state is State.UNMOUNTED and self.path in NEVER_GONE:
            raise Misfit(f"{self.path} carries the host", "name another mount", key="path")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed reads the tables and acts."""
    yield Mount(options.path, options.state.value, options.options or "")


def undo(options: Options, _host: Host) -> Iterator[Step]:
    """Bring it back to where this run found it; what is in use then stays."""
    match options.state:
        case State.MOUNTED:
            yield Mount(options.path, "unmounted", back=True)
        case State.UNMOUNTED:
            yield Mount(options.path, "mounted", back=True)
        case State.REMOUNTED:
            yield Mount(options.path, "remounted", "ro" if options.options == "rw" else "rw", back=True)


def touches(options: Options) -> frozenset[str]:
    """Name the mount."""
    return frozenset({f"mount:{options.path}"})


ACTION = Action("mount", Options, plan, risk=Risk.REVERSIBLE, touches=touches, undo=undo)
