"""Groups of processes: are they there, since when, and what do they use.

The scheduler runs this probe again at once when a main process ends or the pidfile changes. Finding out by
pidfile that a process is gone reads two files and never the whole table, which costs 2 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from model.duration import seconds
from model.plugin import Deadline, FileChange, Probe, ProcessExit, Wish
from model.sample import Metric, Sample
from probes.host.roots import this_host
from probes.service import proc
from probes.service.group import Finder, Group, Options
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
RESTARTS = Metric(
    "beforehand_process_restarts_total",
    "Main processes that came in place of one that ended, as far as the agent saw.",
    "counter",
    _GROUP,
)
CPU = Metric(
    "beforehand_process_cpu_seconds_total",
    "CPU time the group used; what a process used that ended stays in it.",
    "counter",
    _GROUP,
)
RSS = Metric("beforehand_process_rss_bytes", "Resident memory of the group.", labels=_GROUP)
PSS = Metric(
    "beforehand_process_pss_bytes", "Memory of the group, what is shared by its part.", labels=_GROUP
)
USS = Metric("beforehand_process_uss_bytes", "Memory of the group that is shared with nobody.", labels=_GROUP)
FDS = Metric("beforehand_process_open_fds", "Files and sockets the group holds open.", labels=_GROUP)
MAX_FDS = Metric("beforehand_process_max_fds", "How many it may hold open, all together.", labels=_GROUP)
WORST_FDS = Metric(
    "beforehand_process_worst_fd_ratio",
    "Files held open, as a part of what is allowed, in the process nearest to its limit.",
    labels=_GROUP,
)
THREADS = Metric("beforehand_process_threads", "Threads of the group.", labels=_GROUP)
START = Metric("beforehand_process_start_time_seconds", "When the oldest began, since 1970.", labels=_GROUP)
EMITS: Final = (
    COUNT, ZOMBIES, CHILDREN, PIDFILE, RESTARTS, CPU, RSS, PSS, USS, FDS, MAX_FDS, WORST_FDS, THREADS, START,
)  # fmt: skip  # in the order of the reference

_Key = tuple[int, float]  # a process id and its start, since ids are used again


@dataclass(slots=True)
class Past:
    """What a group was like before, so that its counters never run backwards."""

    restarts: int = 0
    cpu_s: float = 0.0
    _vacant: int = 0
    _mains: frozenset[_Key] = frozenset()
    _used_s: dict[_Key, float] = field(default_factory=dict)

    def take(self, group: Group) -> None:
        """Count the main processes that came in place of others, and the CPU time used since."""
        mains = frozenset(_key(one) for one in group.mains)
        self._vacant = min(self._vacant + len(self._mains - mains), MAINS_MAX)
        filled = min(len(mains - self._mains), self._vacant)
        self.restarts += filled
        self._vacant -= filled
        self._mains = mains
        used_s = {_key(one): one.cpu_s for one in group.members}
        self.cpu_s += sum(max(0.0, now_s - self._used_s.get(key, 0.0)) for key, now_s in used_s.items())
        self._used_s = used_s


def _key(one: Process) -> _Key:
    return one.pid, one.started_s


def begin(options: Options) -> Callable[[Deadline], Iterator[Sample | Wish]]:
    """Return what looks for the group; it remembers what the group was like."""
    finder, past = Finder(options), Past()
    return lambda _deadline: _look(options, finder, past)


def _look(options: Options, finder: Finder, past: Past) -> Iterator[Sample | Wish]:
    """Yield what the group uses, and the wish to be woken when it ends."""
    if options.pidfile:
        content = proc.read_pidfile(options.pidfile)
        yield PIDFILE(content is not None, group=options.group)
        yield FileChange(options.pidfile)
        group = finder.by_pidfile(*content) if content else Group()
    else:
        group = finder.among_all()
    past.take(group)
    yield from samples(options, group, past)
    for main in group.mains[:MAINS_MAX]:
        yield ProcessExit(main.pid)


@cache
def _boot_time_s() -> float:
    """Return the boot time, read once: later readings may differ by a second, as after a restart of all."""
    return proc.boot_time_s()


def samples(options: Options, group: Group, past: Past) -> Iterator[Sample]:
    """Yield what a group uses; of a group that is gone only its counts."""
    name = options.group
    yield COUNT(len(group.members), group=name)
    yield ZOMBIES(group.zombies, group=name)
    yield CHILDREN(len(group.children), group=name)
    yield RESTARTS(past.restarts, group=name)
    if not group.members:
        return
    yield CPU(past.cpu_s, group=name)
    yield RSS(sum(one.rss_bytes for one in group.members), group=name)
    yield THREADS(sum(one.threads for one in group.members), group=name)
    yield START(_boot_time_s() + min(one.started_s for one in group.members), group=name)
    pids = [one.pid for one in group.members]
    yield from _files(name, pids)
    if options.memory:
        yield from _memory(name, pids)


def _files(name: str, pids: list[int]) -> Iterator[Sample]:
    opened = [proc.open_fds(pid) for pid in pids]
    held = [count for count in opened if count is not None]
    if len(held) < len(pids):
        return  # some may not be seen, and a part of them is no number
    yield FDS(sum(held), group=name)
    allowed = [proc.max_fds(pid) for pid in pids]
    limits = [count for count in allowed if count]
    if len(limits) == len(pids):
        yield MAX_FDS(sum(limits), group=name)
        worst = max(count / limit for count, limit in zip(held, limits, strict=True))
        yield WORST_FDS(worst, group=name)


def _memory(name: str, pids: list[int]) -> Iterator[Sample]:
    try:
        sizes = [proc.shares(pid) for pid in pids]
    except PermissionError:
        return  # as with its files: only root and the owner may know
    yield PSS(sum(pss for pss, _ in sizes), group=name)
    yield USS(sum(uss for _, uss in sizes), group=name)


PROBE = Probe(
    "process", Options, None, EMITS, job="process", target=this_host, every=seconds(5),
    subject=lambda options: options.group, begin=begin,
)  # fmt: skip  # the metrics on one line
