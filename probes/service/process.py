"""Groups of processes: are they there, since when, and what do they use.

The scheduler runs this probe again at once when a main process ends or the pidfile changes. Finding out by
pidfile that a process is gone reads two files and never the whole table.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from model.duration import seconds
from model.misfit import Misfit
from model.plugin import Deadline, FileChange, Probe, ProcessExit, Wish
from model.sample import Metric, Sample
from probes.host.roots import this_host
from probes.pattern import Pattern
from probes.service import proc
from probes.service.proc import Process

MAINS_MAX: Final = 64

_GROUP: Final = ("group",)
COUNT = Metric("beforehand_process_count", "Processes of the group that run.", labels=_GROUP)
ZOMBIES = Metric(
    "beforehand_process_zombies", "Dead ones of the group or its children, not reaped.", labels=_GROUP
)
CHILDREN = Metric(
    "beforehand_process_children", "Running direct children of the main processes.", labels=_GROUP
)
PIDFILE = Metric(
    "beforehand_process_pidfile", "1 if the pidfile is there: a clean stop removes it.", labels=_GROUP
)
CPU = Metric("beforehand_process_cpu_seconds_total", "CPU time the group used.", "counter", _GROUP)
RSS = Metric("beforehand_process_rss_bytes", "Resident memory of the group.", labels=_GROUP)
FDS = Metric("beforehand_process_open_fds", "Files and sockets the group holds open.", labels=_GROUP)
THREADS = Metric("beforehand_process_threads", "Threads of the group.", labels=_GROUP)
START = Metric("beforehand_process_start_time_seconds", "When the oldest began, since 1970.", labels=_GROUP)


@dataclass(frozen=True, slots=True)
class Options:
    """How to find a group; of several ways all must agree.

    ``exe`` is the path of the program, ``name`` what the kernel calls the process, ``command`` is looked for
    in the command line. A pidfile names one process; without one all processes are looked through.
    """

    group: str
    pidfile: str = ""
    exe: str = ""
    command: Pattern | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not self.group:
            raise Misfit("the group has no name", "write one, like nginx", key="group")
        if not (self.pidfile or self.exe or self.command or self.name):
            raise Misfit("nothing says which processes are meant", "add pidfile:, exe:, command: or name:")
        for key, path in (("pidfile", self.pidfile), ("exe", self.exe)):
            if path and not path.startswith("/"):
                raise Misfit(f"{path!r} is not an absolute path", "begin it with /", key=key)


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that were found: ``members`` match, ``mains`` are those whose parent does not."""

    members: tuple[Process, ...] = ()
    mains: tuple[Process, ...] = ()
    children: tuple[Process, ...] = ()
    zombies: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """A pidfile as it was seen, with the start of the process that it named; None if there was none."""

    data: bytes
    written_ns: int
    started_s: float | None


_first: Final[dict[str, Written]] = {}


def run(options: Options, _deadline: Deadline) -> Iterator[Sample | Wish]:
    """Yield what the group uses, and the wish to be woken when it ends."""
    if options.pidfile:
        content = proc.read_pidfile(options.pidfile)
        yield PIDFILE(content is not None, group=options.group)
        yield FileChange(options.pidfile)
        group = by_pidfile(options, *content) if content else Group()
    else:
        table = proc.processes()
        group = grouped(table, {pid for pid, one in table.items() if matches(options, one)})
    yield from samples(options.group, group)
    for main in group.mains[:MAINS_MAX]:
        yield ProcessExit(main.pid)


def by_pidfile(options: Options, data: bytes, written_ns: int) -> Group:
    """Return the group of the process that a pidfile names, if it is still the same one."""
    pid = proc.parse_pidfile(data)
    if pid is None:
        return Group()
    named = proc.process(pid)
    if named is None:
        _refuse_hidden(pid)
    reused = _reused(options.pidfile, Written(data, written_ns, named.started_s if named else None))
    if named is None or reused or proc.is_thread(pid) or not matches(options, named):
        return Group()
    if not named.running:
        return Group(zombies=1)
    below = proc.children(named)
    alive = tuple(child for child in below if child.running)
    return Group((named,), (named,), alive, len(below) - len(alive))


def _refuse_hidden(pid: int) -> None:
    """Raise PermissionError if the process is there, but /proc hides it: it is unknown then, not gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    if proc.process(pid) is None:
        raise PermissionError(f"/proc hides process {pid} from this one (hidepid)")


def _reused(path: str, now: Written) -> bool:
    """Tell whether another process took over the id since the pidfile was first seen as it is.

    The file's time is not compared with the process's: after a step of the clock healthy ones look reused.
    """
    first = _first.get(path)
    if first is None or (first.data, first.written_ns) != (now.data, now.written_ns):
        first = _first[path] = now
    return first.started_s != now.started_s


def matches(options: Options, one: Process) -> bool:
    """Tell whether a process is one that is meant; a zombie has kept its name only."""
    if options.name and one.name != options.name.encode()[: proc.NAME_BYTES_MAX]:
        return False
    if options.exe and not _runs(one, options.exe):
        return False
    return options.command is None or options.command.search(proc.command_line(one.pid)) is not None


def _runs(one: Process, exe: str) -> bool:
    named_so = one.name == Path(exe).name.encode()[: proc.NAME_BYTES_MAX]
    try:
        program = proc.executable(one.pid)
    except PermissionError:
        if named_so:
            raise  # it may well be the one: the group is unknown, not gone
        return False
    if program is None:
        return named_so and not one.running
    return program in (exe, os.path.realpath(exe))


def grouped(table: dict[int, Process], matching: Iterable[int]) -> Group:
    """Return the group of these members of the process table."""
    met = set(matching)
    members = tuple(one for one in table.values() if one.pid in met and one.running)
    mains = tuple(one for one in members if one.parent not in met)
    parents = {main.pid for main in mains}
    below = [one for one in table.values() if one.parent in parents]
    dead = {one.pid for one in (*below, *(table[pid] for pid in met)) if not one.running}
    return Group(members, mains, tuple(one for one in below if one.running), len(dead))


@cache
def _boot_time_s() -> float:
    """Return the boot time, read once: later readings may differ by a second, as after a restart of all."""
    return proc.boot_time_s()


def samples(name: str, group: Group) -> Iterator[Sample]:
    """Yield what a group uses; of a group that is gone only its counts."""
    yield COUNT(len(group.members), group=name)
    yield ZOMBIES(group.zombies, group=name)
    yield CHILDREN(len(group.children), group=name)
    if not group.members:
        return
    yield CPU(sum(one.cpu_s for one in group.members), group=name)
    yield RSS(sum(one.rss_bytes for one in group.members), group=name)
    yield THREADS(sum(one.threads for one in group.members), group=name)
    yield START(_boot_time_s() + min(one.started_s for one in group.members), group=name)
    fds = proc.open_fds(one.pid for one in group.members)
    if fds is not None:
        yield FDS(fds, group=name)


PROBE = Probe(
    "process", Options, run, (COUNT, ZOMBIES, CHILDREN, PIDFILE, CPU, RSS, FDS, THREADS, START),
    job="process", target=this_host, every=seconds(5),
    subject=lambda options: options.group,
)  # fmt: skip  # the metrics on one line
