"""Deeds: steps that are no program, as data; each finds what it acts upon when it is done, within limits."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until a TCP port of this host takes connections or a path exists, or until that is over."""

    port: int = 0
    path: str = ""
    gone: bool = False
    timeout_s: float = 60.0

    def __str__(self) -> str:
        what = f"port {self.port}" if self.port else self.path
        return f"wait until {what} is {'gone' if self.gone else 'there'}"


@dataclass(frozen=True, slots=True)
class VacuumJournal:
    """Have journald drop its oldest archived files: beyond so many bytes, or older than so many seconds."""

    max_use_bytes: int = 0
    keep_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RotateLogs:
    """Have logrotate rotate now what one of its files names."""

    config: str


@dataclass(frozen=True, slots=True)
class CleanPackages:
    """Have the package manager drop the packages that it keeps after their installation."""

    tool: Literal["apt-get", "dnf"]


@dataclass(frozen=True, slots=True)
class PruneImages:
    """Have the container engine drop images without a name that are a day old and that nothing uses."""

    engine: Literal["docker", "podman"]


@dataclass(frozen=True, slots=True)
class RemoveOld:
    """Remove regular files below these folders whose names match and which nobody changed for so long.

    With ``unread`` nobody may have read them either.
    """

    roots: tuple[str, ...]
    patterns: tuple[str, ...] = ("*",)
    keep: tuple[str, ...] = ()
    age_s: float = 86_400.0
    unread: bool = False


Strategy = VacuumJournal | RotateLogs | CleanPackages | PruneImages | RemoveOld


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Free space on the filesystem of a path, one strategy after the other, until ``target_free`` is free.

    ``target_free`` is a part of the whole, 1 for all that is old. Files are held for ``hold_s`` where the
    filesystem has room for that.
    """

    path: str
    target_free: float
    strategies: tuple[Strategy, ...]
    hold_s: float = 0.0
    timeout_s: float = 300.0

    def __str__(self) -> str:
        if self.target_free >= 1:
            folders = [root for one in self.strategies if isinstance(one, RemoveOld) for root in one.roots]
            return f"remove what is old in {', '.join(folders)}"
        return f"free space on the filesystem of {self.path} until {self.target_free:.0%} is free"


@dataclass(frozen=True, slots=True)
class RestoreHeld:
    """Put back the files that this run took away and that are still held."""

    def __str__(self) -> str:
        return "put back the files that are held"


@dataclass(frozen=True, slots=True)
class SignalProcess:
    """Signal the processes that run ``exe`` and are what else is written; 0 and '' ask for nothing.

    Where more than ``processes_max`` are found, none is signalled. One that was asked to end and does not is
    killed after ``patience_s``.
    """

    exe: str
    signal: Literal["TERM", "HUP", "USR1", "USR2", "INT", "QUIT"] = "TERM"
    user: str = ""
    cgroup: str = ""
    pidfile: str = ""
    port: int = 0
    older_than_s: float = 0.0
    rss_over_bytes: int = 0
    processes_max: int = 1
    patience_s: float = 10.0

    def __str__(self) -> str:
        many = "the process" if self.processes_max == 1 else f"at most {self.processes_max} processes"
        which = [
            f"of {self.user}" if self.user else "",
            f"in {self.cgroup}" if self.cgroup else "",
            f"named by {self.pidfile}" if self.pidfile else "",
            f"at port {self.port}" if self.port else "",
            f"older than {self.older_than_s:g}s" if self.older_than_s else "",
            f"over {self.rss_over_bytes} bytes of memory" if self.rss_over_bytes else "",
        ]
        return " ".join([f"send {self.signal} to {many} {self.exe}", *(one for one in which if one)])


@dataclass(frozen=True, slots=True)
class BringContainer:
    """Bring a container of docker or podman to a state, through its engine's socket.

    ``back`` says that this takes back what was done before, so that nobody's intent is in question.
    """

    name: str
    state: Literal["started", "stopped", "restarted"]
    socket: str
    patience_s: float = 10.0
    back: bool = False

    def __str__(self) -> str:
        return f"bring the container {self.name} to {self.state}"


@dataclass(frozen=True, slots=True)
class StepClock:
    """Set the clock right at once, where it is off by no more than ``step_s_max``."""

    tool: Literal["chrony", "timesyncd"]
    step_s_max: float
    systemctl: str = ""

    def __str__(self) -> str:
        return f"set the clock by {self.tool}, by at most {self.step_s_max:g}s"


@dataclass(frozen=True, slots=True)
class SetKernel:
    """Set a parameter of the kernel and keep the value that it had; 0 seconds never revert by themselves."""

    key: str
    value: int
    revert_after_s: int = 0

    def __str__(self) -> str:
        after = f" for {self.revert_after_s}s" if self.revert_after_s else ""
        return f"set {self.key} to {self.value}{after}"


@dataclass(frozen=True, slots=True)
class RestoreKernel:
    """Give a parameter of the kernel the value back that it had before this run."""

    key: str

    def __str__(self) -> str:
        return f"give {self.key} its earlier value back"


@dataclass(frozen=True, slots=True)
class UpgradePackage:
    """Bring an installed package to its newest version, by apt, removing nothing."""

    name: str
    security_only: bool = True

    def __str__(self) -> str:
        return f"upgrade {self.name}{' from a security archive' if self.security_only else ''}"


@dataclass(frozen=True, slots=True)
class CallHttp:
    """Send one HTTP request and judge its answer; no redirect is followed. No ``expect`` is any 2xx."""

    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE"]
    url: str
    body: str = ""
    content_type: str = ""
    expect: tuple[int, ...] = ()
    pattern: str = ""
    allow_private: bool = False
    timeout_s: float = 10.0

    def __str__(self) -> str:
        return f"call {self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class RenewCertificate:
    """Run what renews a certificate; it did so where the file is valid for longer than before."""

    argv: tuple[str, ...]
    certificate: str
    timeout_s: float = 300.0

    def __str__(self) -> str:
        return f"renew {self.certificate} by {shlex.join(self.argv)}"


@dataclass(frozen=True, slots=True)
class SetHaproxyServer:
    """Take a server of HAProxy out of the traffic or put it back, through the admin socket.

    It is not taken out unless ``others_up_min`` others of its backend are up; then its sessions are awaited.
    """

    socket: str
    backend: str
    server: str
    state: Literal["drain", "ready"]
    others_up_min: int = 1
    patience_s: float = 60.0

    def __str__(self) -> str:
        return f"set the server {self.backend}/{self.server} of HAProxy to {self.state}"


@dataclass(frozen=True, slots=True)
class ReleaseDeleted:
    """Restart or reload a service that holds large deleted files of a filesystem open.

    Nothing is done where there is none, or where another holds it: the holder is a process of ``unit``, or
    runs ``exe``.
    """

    path: str
    min_size_bytes: int
    argv: tuple[str, ...]
    unit: str = ""
    exe: str = ""

    def __str__(self) -> str:
        return f"run {shlex.join(self.argv)} where {self.unit or self.exe} holds deleted files of {self.path}"


@dataclass(frozen=True, slots=True)
class TruncateDeleted:
    """Empty large deleted files of a filesystem that a program holds open to append to."""

    path: str
    min_size_bytes: int
    exe: str

    def __str__(self) -> str:
        return f"empty the deleted files on the filesystem of {self.path} that {self.exe} appends to"


@dataclass(frozen=True, slots=True)
class Mount:
    """Bring a mount of /etc/fstab to a state; ``back`` does so only where this run brought it to another."""

    path: str
    state: Literal["mounted", "unmounted", "remounted"]
    mode: Literal["", "rw", "ro"] = ""
    back: bool = False

    def __str__(self) -> str:
        how = f" {self.mode}" if self.mode else ""
        return f"{'take back: ' if self.back else ''}bring {self.path} to {self.state}{how}"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Put a file there as it is to be, in one moment, its earlier version kept; -1 and '' leave as it is.

    ``content`` is None where only the rest is set. ``validate`` is run before on ``temporary_of(path)``.
    """

    path: str
    state: Literal["present", "absent", "touch"] = "present"
    content: str | None = None
    mode: int = -1
    owner: str = ""
    group: str = ""
    validate: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.state != "present":
            return f"{'remove' if self.state == 'absent' else 'touch'} {self.path}"
        return f"write {self.path}" if self.content is not None else f"set owner and mode of {self.path}"


@dataclass(frozen=True, slots=True)
class EditLine:
    """See that a line stands in a file, or that none like it does; the earlier version is kept.

    The last line that ``regexp`` finds is replaced; where none is, ``line`` is added after the last that
    ``after`` finds, before the last that ``before`` finds, or at the end. ``BOF`` and ``EOF`` are the ends.
    """

    path: str
    line: str = ""
    regexp: str = ""
    gone: bool = False
    after: str = ""
    before: str = ""
    create: bool = False
    validate: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f"lines like {self.regexp!r}" if self.regexp else f"the line {self.line!r}"
        return (
            f"remove {what} from {self.path}" if self.gone else f"put the line {self.line!r} into {self.path}"
        )


@dataclass(frozen=True, slots=True)
class RestoreFile:
    """Bring back the earlier version of a file that this run changed, if it still is what we wrote."""

    path: str

    def __str__(self) -> str:
        return f"bring back the earlier version of {self.path}"


def temporary_of(path: str) -> str:
    """Return where a new version of a file is written before it takes its place."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.beforehand"


@dataclass(frozen=True, slots=True)
class PurgeKernels:
    """Remove packages of kernels, but neither the one that runs nor the newest ``keep``."""

    keep: int = 2

    def __str__(self) -> str:
        return f"remove old kernels but the newest {self.keep} and the one that runs"


Deed = (
    WaitFor
    | FreeSpace
    | RestoreHeld
    | ReleaseDeleted
    | TruncateDeleted
    | Mount
    | WriteFile
    | EditLine
    | RestoreFile
    | PurgeKernels
    | SignalProcess
    | BringContainer
    | StepClock
    | SetKernel
    | RestoreKernel
    | UpgradePackage
    | CallHttp
    | RenewCertificate
    | SetHaproxyServer
)
"""Every deed there is; to add one, write its dataclass here and how it is done in remediations/deeds/."""
