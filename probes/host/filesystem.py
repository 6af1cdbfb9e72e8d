"""Space left on each mounted filesystem, named as node_exporter names it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import this_host
from probes.pattern import Pattern

MOUNTS_MAX: Final = 256
HUNG_MAX: Final = 32

_LABELS: Final = ("device", "mountpoint", "fstype", "device_error")
SIZE = Metric("node_filesystem_size_bytes", "The filesystem's size.", labels=_LABELS)
FREE = Metric("node_filesystem_free_bytes", "Space that root could still use.", labels=_LABELS)
AVAIL = Metric("node_filesystem_avail_bytes", "Space that everybody could still use.", labels=_LABELS)
FILES = Metric("node_filesystem_files", "How many files (inodes) fit in.", labels=_LABELS)
FILES_FREE = Metric("node_filesystem_files_free", "How many files (inodes) still fit in.", labels=_LABELS)
READONLY = Metric("node_filesystem_readonly", "1 if it is mounted read-only.", labels=_LABELS)
DEVICE_ERROR = Metric("node_filesystem_device_error", "1 if it could not be asked.", labels=_LABELS)

_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")

# The sets that node_exporter leaves out by default: what holds no data of this host.
_MOUNTS_EXCLUDED: Final = Pattern(
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
)
_FSTYPES_EXCLUDED: Final = Pattern(
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs"
    "|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$"
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which mounts to leave out, and how long to wait for all of them together."""

    mount_points_exclude: Pattern = _MOUNTS_EXCLUDED
    fs_types_exclude: Pattern = _FSTYPES_EXCLUDED
    mount_timeout: Duration = seconds(2)

    def __post_init__(self) -> None:
        if not self.mount_timeout.ms:
            raise Misfit("no mount answers in no time", "write a duration like 2s", key="mount_timeout")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount; ``path`` is what the kernel knows, the rest is fit for labels."""

    path: str
    device: str
    mountpoint: str
    fstype: str
    readonly: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a mount said of itself; ``error`` says why it said nothing."""

    space: os.statvfs_result | None
    error: str


_SILENT: Final = Answer(None, "mountpoint timeout")


@dataclass(slots=True)
class Inquiry:
    """Asks mounts for their space, and leaves a mount that hangs to one thread of its own.

    A thread that hangs in the kernel cannot be ended. While it hangs, its mount is not asked again, and
    while ``HUNG_MAX`` of them hang, no mount is.
    """

    statvfs: Callable[[str], os.statvfs_result] = os.statvfs
    _hung: dict[str, threading.Thread] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, mounts: Iterable[Mount], deadline: Deadline) -> dict[Mount, Answer]:
        """Ask all mounts at once, and return what they said until the deadline."""
        with self._lock:  # two runs at a time could start two threads for one mount
            self._hung = {path: thread for path, thread in self._hung.items() if thread.is_alive()}
            answers = dict.fromkeys(mounts, _SILENT)
            threads = {
                mount.path: self._start(mount, answers)
                for mount in answers
                if mount.path not in self._hung and len(self._hung) < HUNG_MAX
            }
            for thread in threads.values():
                thread.join(max(0.0, deadline.at_s - deadline.monotonic()))
            self._hung |= {path: thread for path, thread in threads.items() if thread.is_alive()}
        return answers.copy()  # a late answer is still put into the other

    def _start(self, mount: Mount, answers: dict[Mount, Answer]) -> threading.Thread:
        thread = threading.Thread(target=self._one, args=(mount, answers), name="statvfs", daemon=True)
        thread.start()
        return thread

    def _one(self, mount: Mount, answers: dict[Mount, Answer]) -> None:
        try:
            answers[mount] = Answer(self.statvfs(mount.path), "")
        except OSError as wrong:
            answers[mount] = Answer(None, (wrong.strerror or "unknown").lower())


def mounted(own: str = "/proc/self/mounts", init: str = "/proc/1/mounts") -> list[Mount]:
    """Return the mounts that this process sees, each read-only or not as init sees it.

    A sandbox around a service shows it every mount read-only (systemd.exec(5), ProtectSystem=).
    """
    mounts = mounts_in(Path(own).read_bytes())
    try:
        outside = {(mount.device, mount.path): mount for mount in mounts_in(Path(init).read_bytes())}
    except (PermissionError, FileNotFoundError):
        return mounts
    return [
        replace(mount, readonly=outside.get((mount.device, mount.path), mount).readonly) for mount in mounts
    ]


def mounts_in(table: bytes) -> list[Mount]:
    """Return what a table in the form of fstab(5) lists; of mounts on one path the last hides the rest."""
    by_path: dict[str, Mount] = {}
    for line in table.splitlines():
        fields = [os.fsdecode(_ESCAPE.sub(_unescaped, field)) for field in line.split(b" ")]
        if len(fields) >= 4:
            device, path, fstype, options = fields[:4]
            by_path[path] = Mount(path, _shown(device), _shown(path), fstype, "ro" in options.split(","))
    return list(by_path.values())


def _unescaped(octal: re.Match[bytes]) -> bytes:
    return bytes([int(octal[1], 8) & 0xFF])


def chosen(options: Options, mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts that are not left out, at most ``MOUNTS_MAX``."""
    return [
        mount
        for mount in mounts
        if not options.mount_points_exclude.search(mount.mountpoint.encode())
        and not options.fs_types_exclude.search(mount.fstype.encode())
    ][:MOUNTS_MAX]


def samples(mount: Mount, answer: Answer) -> Iterator[Sample]:
    """Yield what one mount said."""
    labels = {
        "device": mount.device,
        "mountpoint": mount.mountpoint,
        "fstype": mount.fstype,
        "device_error": answer.error,
    }
    space = answer.space
    yield DEVICE_ERROR(space is None, **labels)
    yield READONLY(mount.readonly, **labels)
    if space is not None:
        yield SIZE(space.f_blocks * space.f_frsize, **labels)
        yield FREE(space.f_bfree * space.f_frsize, **labels)
        yield AVAIL(space.f_bavail * space.f_frsize, **labels)
        yield FILES(space.f_files, **labels)
        yield FILES_FREE(space.f_ffree, **labels)


def _shown(path: str) -> str:
    """Return a path as text; anybody who may mount chooses its bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_INQUIRY: Final = Inquiry()


def run(options: Options, deadline: Deadline) -> Iterator[Sample]:
    """Yield the space of each mount; one that hangs is told as ``node_filesystem_device_error`` 1."""
    wait_s = min(options.mount_timeout.s, deadline.left_s() / 2)
    patience = Deadline(deadline.monotonic() + wait_s, deadline.monotonic)
    for mount, answer in _INQUIRY.ask(chosen(options, mounted()), patience).items():
        yield from samples(mount, answer)


PROBE = Probe(
    "filesystem", Options, run, (SIZE, FREE, AVAIL, FILES, FILES_FREE, READONLY, DEVICE_ERROR),
    job="node", target=this_host,
)  # fmt: skip  # the metrics on one line
