"""Space left on each mounted filesystem, named as node_exporter names it."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.chosen import Chosen, chosen
from probes.host.roots import PROCFS, ROOTFS, Tree, this_host
from probes.pattern import Pattern

MOUNTS_MAX: Final = 256
HUNG_MAX: Final = 32
PATIENCE_S: Final = 0.05

_LABELS: Final = ("device", "mountpoint", "fstype", "device_error")
SIZE = Metric("node_filesystem_size_bytes", "The filesystem's size.", labels=_LABELS)
FREE = Metric("node_filesystem_free_bytes", "Space that root could still use.", labels=_LABELS)
AVAIL = Metric("node_filesystem_avail_bytes", "Space that everybody could still use.", labels=_LABELS)
FILES = Metric("node_filesystem_files", "How many files (inodes) fit in.", labels=_LABELS)
FILES_FREE = Metric("node_filesystem_files_free", "How many files (inodes) still fit in.", labels=_LABELS)
READONLY = Metric("node_filesystem_readonly", "1 if it is mounted read-only.", labels=_LABELS)
DEVICE_ERROR = Metric("node_filesystem_device_error", "1 if it could not be asked.", labels=_LABELS)

PURGEABLE = Metric("node_filesystem_purgeable_bytes", "Space that macOS could free; 0 here.", labels=_LABELS)
MOUNT_INFO = Metric(
    "node_filesystem_mount_info", "The numbers of a mounted device.",
    labels=("device", "major", "minor", "mountpoint"),
)  # fmt: skip  # the labels on one line

_READ_ONLY: Final = frozenset(("ro", "emergency_ro"))
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")

# The sets that node_exporter leaves out by default: what holds no data of this host.
MOUNTS_EXCLUDED: Final = Pattern(
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
)
FSTYPES_EXCLUDED: Final = Pattern(
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs"
    "|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$"
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which mounts to ask, and how long to wait for all of them together.

    ``mount_points_include`` and ``fs_types_include`` name what to look at; without them all is looked at but
    what ``mount_points_exclude`` and ``fs_types_exclude`` find. When nothing is given, filesystems that hold
    no data of this host are left out. ``procfs`` and ``rootfs`` are where the host's /proc and root directory
    are; a container sees them elsewhere. ``mount_timeout`` is the wait, at most half of the probe's timeout.
    """

    mount_points_include: Pattern | None = None
    mount_points_exclude: Pattern | None = None
    fs_types_include: Pattern | None = None
    fs_types_exclude: Pattern | None = None
    mount_timeout: Duration = seconds(2)
    procfs: Tree = PROCFS
    rootfs: Tree = ROOTFS

    def __post_init__(self) -> None:
        if not self.mount_timeout.ms:
            raise Misfit("no mount answers in no time", "write a duration like 2s", key="mount_timeout")
        self.mount_points()
        self.fs_types()

    def mount_points(self) -> Chosen:
        """Return which mount points to ask."""
        given = (self.mount_points_include, self.mount_points_exclude)
        return chosen(*given, MOUNTS_EXCLUDED, "mount_points_exclude")

    def fs_types(self) -> Chosen:
        """Return which types of filesystems to ask."""
        return chosen(self.fs_types_include, self.fs_types_exclude, FSTYPES_EXCLUDED, "fs_types_exclude")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: ``path`` is where to ask, ``number`` the device's ``major:minor``, the rest for labels.

    ``id`` is its own as long as somebody uses it; what is mounted anew on the path has another.
    """

    path: str
    device: str
    mountpoint: str
    fstype: str
    number: str
    readonly: bool
    id: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from what was mounted on its path before."""
        return self.path, self.id


@dataclass(frozen=True, slots=True)
class Answer:
    """What a mount said of itself; ``error`` says why it said nothing."""

    space: os.statvfs_result | None
    error: str


_SILENT: Final = Answer(None, "mountpoint timeout")


@dataclass(slots=True)
class _Round:
    """The mounts still to be asked, those being asked with the thread that does, and the answers so far."""

    left: deque[Mount]
    asked: dict[tuple[str, str], threading.Thread] = field(default_factory=dict)
    answers: dict[Mount, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Inquiry:
    """Asks mounts for their space, and leaves a mount that hangs to one thread of its own.

    One thread asks them all in turn. When that takes longer than ``PATIENCE_S``, one of them hangs or is
    slow, and each of the others gets a thread of its own. A thread that hangs in the kernel cannot be ended:
    while it hangs, its mount is not asked again, and while ``HUNG_MAX`` of them hang, no mount is.
    """

    statvfs: Callable[[str], os.statvfs_result] = os.statvfs
    _hung: dict[tuple[str, str], threading.Thread] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, mounts: Sequence[Mount], deadline: Deadline) -> dict[Mount, Answer]:
        """Ask all mounts, and return what they said until the deadline."""
        with self._lock:  # two runs at a time could start two threads for one mount
            self._hung = {key: thread for key, thread in self._hung.items() if thread.is_alive()}
            round_ = _Round(deque(mount for mount in mounts if mount.key not in self._hung))
            threads = self._started(round_, 1)
            for thread in threads:
                thread.join(min(PATIENCE_S, _left_s(deadline)))
            threads += self._started(round_, len(round_.left))
            for thread in threads:
                thread.join(_left_s(deadline))
            round_.left.clear()
            self._hung |= round_.asked
            return {mount: round_.answers.get(mount, _SILENT) for mount in mounts}

    def _started(self, round_: _Round, count: int) -> list[threading.Thread]:
        free = min(count, len(round_.left), HUNG_MAX - len(self._hung) - len(round_.asked))
        threads = [
            threading.Thread(target=self._walk, args=(round_,), name="statvfs", daemon=True)
            for _ in range(free)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _walk(self, round_: _Round) -> None:
        while round_.left:
            try:
                mount = round_.left.popleft()
            except IndexError:
                return  # another thread took the last one just now
            round_.asked[mount.key] = threading.current_thread()
            round_.answers[mount] = self._answer(mount)
            del round_.asked[mount.key]

    def _answer(self, mount: Mount) -> Answer:
        try:
            return Answer(self.statvfs(mount.path), "")
        except OSError as wrong:
            return Answer(None, (wrong.strerror or "unknown").lower())


def _left_s(deadline: Deadline) -> float:
    return max(0.0, deadline.at_s - deadline.monotonic())


def mounted(procfs: Tree, rootfs: Tree) -> tuple[Mount, ...]:
    """Return the mounts of the host that this process can ask, with the paths that they have on the host.

    They are those of init, told by its own table, for a sandbox around a service shows it every mount
    read-only and some that no other process has (systemd.exec(5)). What the sandbox hides cannot be asked:
    on the path lies another filesystem. Where init's table is hidden (hidepid), this process's own stands
    in. Paths are told without the prefix under which a container has its host's root.
    """
    own = _table(procfs / "self/mountinfo")
    host = _table(procfs / "1/mountinfo") or own
    if host is None:
        raise FileNotFoundError(f"{procfs.path} has no table of mounts")
    return _seen(host, own, str(rootfs.path).rstrip("/"))


def _table(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (PermissionError, FileNotFoundError):
        return None


@lru_cache(maxsize=2)  # the tables seldom change, and to read one of many containers costs more than to ask
def _seen(host: bytes, own: bytes | None, prefix: str) -> tuple[Mount, ...]:
    mounts = {mount.mountpoint: mount for mount in (_without(prefix, one) for one in mounts_in(host))}
    if own is None or (own == host and not prefix):
        return tuple(mounts.values())
    asked = {(mount.path, mount.number): mount.id for mount in mounts_in(own)}
    both = [(mount, asked.get((mount.path, mount.number))) for mount in mounts.values()]
    return tuple(replace(mount, id=number) for mount, number in both if number is not None)


def _without(prefix: str, mount: Mount) -> Mount:
    """Return a mount with its path on the host, to be asked behind the prefix."""
    inside = mount.path == prefix or mount.path.startswith(f"{prefix}/")
    path = (mount.path[len(prefix) :] or "/") if inside else mount.path
    asked = f"{prefix}{path}".rstrip("/") or "/"
    return replace(mount, path=asked, mountpoint=_shown(path))


def mounts_in(table: bytes) -> list[Mount]:
    """Return what a table in the form of /proc/PID/mountinfo lists (proc_pid_mountinfo(5)).

    Of mounts on one path the last hides the rest.
    """
    by_path: dict[str, Mount] = {}
    for line in table.splitlines():
        mount, dash, filesystem = line.partition(b" - ")
        here = [os.fsdecode(_ESCAPE.sub(_unescaped, word)) for word in mount.split(b" ")]
        there = [os.fsdecode(_ESCAPE.sub(_unescaped, word)) for word in filesystem.split(b" ")]
        if dash and len(here) >= 6 and len(there) >= 3:
            path, fstype, device = here[4], there[0], there[1]
            readonly = not _READ_ONLY.isdisjoint([*here[5].split(","), *there[2].split(",")])
            by_path[path] = Mount(
                path, _shown(device), _shown(path), _shown(fstype), here[2], readonly, here[0]
            )
    return list(by_path.values())


def _unescaped(octal: re.Match[bytes]) -> bytes:
    return bytes([int(octal[1], 8) & 0xFF])


def wanted(options: Options, mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts that are to be asked, at most ``MOUNTS_MAX``."""
    mount_points, fs_types = options.mount_points(), options.fs_types()
    return [mount for mount in mounts if mount.mountpoint in mount_points and mount.fstype in fs_types][
        :MOUNTS_MAX
    ]


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
        yield PURGEABLE(0, **labels)
        major, _, minor = mount.number.partition(":")
        yield MOUNT_INFO(1, device=mount.device, major=major, minor=minor, mountpoint=mount.mountpoint)


def _shown(path: str) -> str:
    """Return a path as text; anybody who may mount chooses its bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_INQUIRY: Final = Inquiry()


def run(options: Options, deadline: Deadline) -> Iterator[Sample]:
    """Yield the space of each mount; one that hangs is told as ``node_filesystem_device_error`` 1."""
    wait_s = min(options.mount_timeout.s, deadline.left_s() / 2)
    patience = Deadline(deadline.monotonic() + wait_s, deadline.monotonic)
    mounts = wanted(options, mounted(options.procfs, options.rootfs))
    for mount, answer in _INQUIRY.ask(mounts, patience).items():
        yield from samples(mount, answer)


PROBE = Probe(
    "filesystem", Options, run,
    (SIZE, FREE, AVAIL, FILES, FILES_FREE, READONLY, DEVICE_ERROR, PURGEABLE, MOUNT_INFO),
    job="node", target=this_host,
)  # fmt: skip  # the metrics on one line
