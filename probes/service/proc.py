"""What /proc tells of processes: pure readers of its texts, and the few reads that a probe needs (proc(5)).

Read directly, because a table of all processes costs 2 ms so and 14 ms with psutil.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
PID_MAX: Final = 4_194_304  # the kernel's own limit
PIDFILE_BYTES_MAX: Final = 64
COMMAND_BYTES_MAX: Final = 65536
FDS_MAX: Final = 100_000
THREADS_ASKED_MAX: Final = 256
NAME_BYTES_MAX: Final = 15  # the kernel cuts a process name there
SMALL_FILE_BYTES_MAX: Final = 65536

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_FD_LIMIT: Final = re.compile(rb"^Max open files +([0-9]{1,19}) ", re.MULTILINE)
_KB: Final = re.compile(rb"^(Pss|Private_[A-Za-z]+): +([0-9]{1,15}) kB$", re.MULTILINE)
_PID: Final = re.compile(rb"\s*([1-9][0-9]{0,6})\s*")


@dataclass(frozen=True, slots=True)
class Process:
    """One process as /proc/PID/stat tells it; ``started_s`` counts from boot."""

    pid: int
    name: bytes
    state: str
    parent: int
    cpu_s: float
    threads: int
    started_s: float
    rss_bytes: int

    @property
    def running(self) -> bool:
        """True unless all its threads have ended and it only waits to be reaped."""
        return self.state not in "ZXx" or self.threads > 1


def parse_stat(text: bytes) -> Process:
    """Return the process that a /proc/PID/stat tells of; its name may hold spaces, brackets and line ends."""
    begin, end = text.index(b"("), text.rindex(b")")
    fields = text[end + 1 :].split()
    return Process(
        pid=int(text[:begin]),
        name=text[begin + 1 : end],
        state=fields[0].decode("ascii"),
        parent=int(fields[1]),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        threads=int(fields[17]),
        started_s=int(fields[19]) / _TICKS_PER_S,
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def parse_pidfile(data: bytes) -> int | None:
    """Return the process id in the first line of a pidfile, or None; anybody may have written it."""
    first = _PID.fullmatch(data.split(b"\n", 1)[0])
    pid = int(first[1]) if first else 0
    return pid if 0 < pid <= PID_MAX else None


def read_pidfile(path: str) -> tuple[bytes, int] | None:
    """Return the first bytes of a pidfile and when it was written, in ns; None if there is no such file."""
    try:
        # A pipe in its place must not block the probe.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        facts = os.fstat(handle)
        data = os.read(handle, PIDFILE_BYTES_MAX) if stat.S_ISREG(facts.st_mode) else b""
    finally:
        os.close(handle)
    return data, facts.st_mtime_ns


def process(pid: int, root: Path = PROC) -> Process | None:
    """Return a process, or None if there is none of this id."""
    try:
        return parse_stat((root / str(pid) / "stat").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes(root: Path = PROC) -> dict[int, Process]:
    """Return all processes; a PermissionError where /proc hides those of others."""
    found = (process(int(name), root) for name in _names(root, PID_MAX) if name.isdecimal())
    table = {one.pid: one for one in found if one is not None}
    if 1 not in table:
        raise PermissionError("/proc hides the processes of other users from this one (hidepid)")
    return table


def is_thread(pid: int, root: Path = PROC) -> bool:
    """Tell whether the id is that of a thread inside a process: /proc answers for those as well."""
    try:
        status = (root / str(pid) / "status").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"\nTgid:\t%d\n" % pid not in status


def executable(pid: int, root: Path = PROC) -> str | None:
    """Return the path of the program, also when an upgrade has replaced it; None for a zombie."""
    try:
        return str((root / str(pid) / "exe").readlink()).removesuffix(" (deleted)")
    except (FileNotFoundError, ProcessLookupError):
        return None


def command_line(pid: int, root: Path = PROC) -> bytes:
    """Return the arguments with spaces between them; nothing for a zombie."""
    try:
        with (root / str(pid) / "cmdline").open("rb") as file:
            return file.read(COMMAND_BYTES_MAX).rstrip(b"\0").replace(b"\0", b" ")
    except (FileNotFoundError, ProcessLookupError):
        return b""


def children(one: Process, root: Path = PROC) -> list[Process]:
    """Return the direct children, asked thread by thread, of at most ``THREADS_ASKED_MAX`` threads."""
    found: list[Process | None] = []
    tasks = root / str(one.pid) / "task"
    try:
        for thread in _names(tasks, THREADS_ASKED_MAX):
            pids = (tasks / thread / "children").read_bytes().split()
            found += [process(int(pid), root) for pid in pids]
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended just now, or the kernel does not list children
    return [child for child in found if child is not None]


def open_fds(pid: int, root: Path = PROC) -> int | None:
    """Return how many files a process holds open, 0 for one that is gone; None where that may not be seen."""
    folder = root / str(pid) / "fd"
    try:
        # Since Linux 6.2 the size of the folder is their number.
        return folder.stat().st_size or len(_names(folder, FDS_MAX))
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        return 0


def max_fds(pid: int, root: Path = PROC) -> int | None:
    """Return how many files a process may hold open; None where there is no limit, or it may not be seen."""
    found = _FD_LIMIT.search(_small(pid, "limits", root))
    return int(found[1]) if found else None


def shares(pid: int, root: Path = PROC) -> tuple[int, int]:
    """Return the proportional and the unique set size in bytes; the kernel walks all pages for them.

    What a process shares with others counts in the first for its part, and not at all in the second.
    """
    pss = uss = 0
    for name, number in _KB.findall(_small(pid, "smaps_rollup", root)):
        if name == b"Pss":
            pss = int(number) * 1024
        else:
            uss += int(number) * 1024
    return pss, uss


def control_groups(pid: int, root: Path = PROC) -> frozenset[str]:
    """Return the paths of a process's control groups, one for each hierarchy (cgroups(7))."""
    lines = _small(pid, "cgroup", root).decode("utf-8", "replace").split("\n")
    return frozenset(line.split(":", 2)[2] for line in lines if line.count(":") >= 2)


def _small(pid: int, name: str, root: Path) -> bytes:
    """Return one of the files of a process; nothing where it is gone."""
    try:
        with (root / str(pid) / name).open("rb") as file:
            return file.read(SMALL_FILE_BYTES_MAX)
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _names(folder: Path, names_max: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, names_max)]


def boot_time_s(root: Path = PROC) -> float:
    """Return when the host booted, in seconds since 1970."""
    line = next(line for line in (root / "stat").read_text("ascii").split("\n") if line.startswith("btime "))
    return float(line.split()[1])
