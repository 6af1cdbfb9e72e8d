"""What one step needs of the hand's sandbox beyond the name of root; for each kind of step an entry.

Capabilities are those of capabilities(7). Without any, root owns its own files and is heard by systemd, and
that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import PurePosixPath
from typing import Any, Final

from model import deed
from model.step import End, Exec, Gather, Look, Step

SYSTEMD_TOOLS: Final = frozenset({"systemctl", "journalctl", "timedatectl", "resolvectl", "hostnamectl"})

_READ: Final = "CAP_DAC_READ_SEARCH"
_WRITE: Final = "CAP_DAC_OVERRIDE"
_OWN: Final = "CAP_FOWNER"
_SEE: Final = "CAP_SYS_PTRACE"
_KILL: Final = "CAP_KILL"
_INSTALL: Final = (
    "CAP_CHOWN",
    _WRITE,
    _OWN,
    "CAP_FSETID",
    _KILL,
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)

# Each of these gives a unit a mount namespace of its own (systemd.exec(5)).
UNSEEN_MOUNTS: Final = (
    "PrivateDevices=no", "PrivateMounts=no", "PrivateTmp=no", "ProtectControlGroups=no", "ProtectHome=no",
    "ProtectKernelLogs=no", "ProtectKernelModules=no", "ProtectKernelTunables=no", "ProtectSystem=no",
)  # fmt: skip


class Network(IntEnum):
    """How much of the network a step must see."""

    NONE = 0
    HOST = 1
    ANY = 2


@dataclass(frozen=True, slots=True)
class Needs:
    """What a step needs; ``settings`` are lines of a unit, ``inside`` are programs run in the sandbox."""

    capabilities: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: Network = Network.NONE
    settings: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


NOTHING: Final = Needs()


def needs(step: Step) -> Needs:
    """Return what one step needs."""
    return NEEDS[type(step)](step)


def _program(argv: tuple[str, ...]) -> Needs:
    """What systemd's own tools ask for, systemd does with its own rights; of others nobody knows."""
    if PurePosixPath(argv[0]).name in SYSTEMD_TOOLS:
        return NOTHING
    return Needs((_WRITE,), network=Network.HOST, inside=(argv[0],))


def _end(step: End) -> Needs:
    program = _program(step.stop) if step.stop else NOTHING
    return Needs((*program.capabilities, _KILL, _READ, _SEE), network=program.network, inside=program.inside)


def _wait_for(step: deed.WaitFor) -> Needs:
    return Needs(network=Network.HOST) if step.port else Needs((_READ,))


def _free_space(step: deed.FreeSpace) -> Needs:
    """Files of others are moved and removed, and who holds them open is asked of /proc."""
    writes: list[str] = []
    inside: list[str] = []
    for strategy in step.strategies:
        if isinstance(strategy, deed.RemoveOld):
            writes += strategy.roots
        elif isinstance(strategy, deed.CleanPackages):
            writes += ["/var/cache", "/var/lib/apt"]
            inside.append(strategy.tool)
        elif isinstance(strategy, deed.RotateLogs):
            writes += ["/var/log", "/var/lib/logrotate"]
            inside.append("logrotate")
        elif isinstance(strategy, deed.VacuumJournal):
            writes += ["/var/log/journal", "/run/log/journal"]
        else:
            inside.append(strategy.engine)
    return Needs((_WRITE, _OWN, _SEE), tuple(writes), inside=tuple(inside))


def _signal(step: deed.SignalProcess) -> Needs:
    return Needs((_KILL, _READ, _SEE), network=Network.HOST if step.port else Network.NONE)


def _step_clock(step: deed.StepClock) -> Needs:
    """Programs of chrony answer in a folder of its user."""
    return Needs((_WRITE,), ("/run/chrony",), inside=("chronyc",)) if step.tool == "chrony" else NOTHING


def _kernel(_step: object) -> Needs:
    settings = ("ProtectKernelTunables=no",)
    return Needs(("CAP_NET_ADMIN", "CAP_SYS_ADMIN"), ("/proc/sys",), Network.HOST, settings)


def _package(_step: object) -> Needs:
    """What a package does when it is installed, its maker decides: nearly all of root's rights."""
    return Needs(_INSTALL, ("/",), Network.ANY, ("RestrictSUIDSGID=no",), ("apt-get",))


def _purge(step: object) -> Needs:
    """Which kernels there are, dpkg says."""
    package = _package(step)
    return replace(package, inside=(*package.inside, "dpkg-query"))


def _release(step: deed.ReleaseDeleted) -> Needs:
    program = _program(step.argv)
    return Needs((*program.capabilities, _READ, _SEE), network=program.network, inside=program.inside)


def _mount(step: deed.Mount) -> Needs:
    """What is mounted in a mount namespace of the hand's own, nobody else would see."""
    program = "umount" if step.state == "unmounted" else "mount"
    return Needs(("CAP_SYS_ADMIN", _READ), ("/",), settings=UNSEEN_MOUNTS, inside=(program,))


def _file(step: deed.WriteFile | deed.EditLine) -> Needs:
    return _replaced(step.path, step.validate)


def _replaced(path: str, validate: tuple[str, ...]) -> Needs:
    """A file is replaced in its folder by one that gets its owner and mode; what tries it out runs inside."""
    return Needs((_WRITE, _OWN, "CAP_CHOWN"), (str(PurePosixPath(path).parent),), inside=validate[:1])


def _certificate(step: deed.RenewCertificate) -> Needs:
    folder = str(PurePosixPath(step.certificate).parent)
    return Needs((_WRITE,), (folder,), Network.ANY, inside=(step.argv[0],))


NEEDS: Final[Mapping[type, Callable[[Any], Needs]]] = {
    Exec: lambda step: _program(step.argv),
    End: _end,
    Look: lambda _: Needs((_READ,)),
    Gather: lambda step: Needs(network=Network.HOST) if step.what == "sockets" else NOTHING,
    deed.WaitFor: _wait_for,
    deed.FreeSpace: _free_space,
    deed.RestoreHeld: lambda _: Needs((_WRITE, _OWN, "CAP_CHOWN")),
    deed.ReleaseDeleted: _release,
    deed.TruncateDeleted: lambda _: Needs((_WRITE, _SEE)),
    deed.Mount: _mount,
    deed.WriteFile: _file,
    deed.EditLine: _file,
    deed.RestoreFile: lambda step: _replaced(step.path, ()),
    deed.PurgeKernels: _purge,
    deed.SignalProcess: _signal,
    deed.BringContainer: lambda _: Needs((_WRITE,)),
    deed.StepClock: _step_clock,
    deed.SetKernel: _kernel,
    deed.RestoreKernel: _kernel,
    deed.UpgradePackage: _package,
    deed.CallHttp: lambda _: Needs(network=Network.ANY),
    deed.RenewCertificate: _certificate,
    deed.SetHaproxyServer: lambda _: Needs((_WRITE,)),
}
"""To add a kind of step, say here what it needs; a step that is in no line cannot be granted."""
