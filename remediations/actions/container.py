"""Start, stop or restart a container of docker or podman."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from model.deed import BringContainer
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.actions.names import ContainerName
from remediations.actions.service import FilePath

_SOCKETS = {"docker": "/run/docker.sock", "podman": "/run/podman/podman.sock"}


@dataclass(frozen=True, slots=True)
class Options:
    """A container and the state to bring it to; ``socket`` is the engine's, where it is not the usual one.

    A container that its engine restarts by itself, that ended well, that a human stopped or paused, or that
    belongs to a pod of Kubernetes is left alone. After ``patience`` the engine kills what does not stop.
    """

    name: ContainerName
    state: Literal["started", "stopped", "restarted"]
    engine: Literal["docker", "podman"] = "docker"
    socket: FilePath | None = None
    patience: Duration = field(default=seconds(10))

    def __post_init__(self) -> None:
        if not 0 <= self.patience.s <= 300:
            raise Misfit("the patience is too long", "wait at most 300s", key="patience")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed looks and acts."""
    yield BringContainer(options.name, options.state, _socket(options), options.patience.s)


def undo(options: Options, _host: Host) -> Iterator[Step]:
    """Start again what was stopped."""
    if options.state == "stopped":
        yield BringContainer(options.name, "started", _socket(options), options.patience.s, back=True)


def _socket(options: Options) -> str:
    return options.socket or _SOCKETS[options.engine]


def touches(options: Options) -> frozenset[str]:
    """Name the container."""
    return frozenset({f"container:{options.name}"})


ACTION = Action("container", Options, plan, risk=Risk.REVERSIBLE, touches=touches, undo=undo)
