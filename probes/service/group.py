"""Which processes belong to a group: the one that a pidfile names, or all that are as described."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.misfit import Misfit
from probes.pattern import Pattern
from probes.service import listeners, proc
from probes.service.proc import Process

_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class Options:
    """How to find a group; of several ways all must agree.

    ``exe`` is the path of the program, ``name`` what the kernel calls the process, ``command`` is looked for
    in the command line. ``unit`` is a unit of systemd, like nginx.service, and ``cgroup`` the path of a
    control group, like /system.slice/nginx.service; processes in groups below count as well. ``port`` is a
    TCP or UDP port at which the process listens. A pidfile names one process; without one all processes are
    looked through. ``memory`` also tells what the group does not share with others, for which the kernel
    walks all its pages: some milliseconds for each GB.
    """

    group: str
    pidfile: str = ""
    exe: str = ""
    command: Pattern | None = None
    name: str = ""
    unit: str = ""
    cgroup: str = ""
    port: int = 0
    memory: bool = False

    def __post_init__(self) -> None:
        if not self.group:
            raise Misfit("the group has no name", "write one, like nginx", key="group")
        if not 0 <= self.port <= _PORT_MAX:
            raise Misfit(f"{self.port} is not a port", f"write 1 to {_PORT_MAX}", key="port")
        ways = (self.pidfile, self.exe, self.command, self.name, self.unit, self.cgroup, self.port)
        if not any(ways):
            cure = "add pidfile:, exe:, command:, name:, unit:, cgroup: or port:"
            raise Misfit("nothing says which processes are meant", cure)
        for key, path in (("pidfile", self.pidfile), ("exe", self.exe), ("cgroup", self.cgroup)):
            if path and not path.startswith("/"):
                raise Misfit(f"{path!r} is not an absolute path", "begin it with /", key=key)
        if self.unit and ("/" in self.unit or "." not in self.unit):
            raise Misfit(
                f"{self.unit!r} is not a unit", "write its whole name, like nginx.service", key="unit"
            )


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


class Finder:
    """Finds one group again and again; it remembers the pidfile as it was first seen."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._first: Written | None = None

    def by_pidfile(self, data: bytes, written_ns: int) -> Group:
        """Return the group of the process that a pidfile names, if it is still the same one."""
        pid = proc.parse_pidfile(data)
        if pid is None:
            return Group()
        named = proc.process(pid)
        if named is None:
            _refuse_hidden(pid)
        reused = self.reused(Written(data, written_ns, named.started_s if named else None))
        if named is None or reused or proc.is_thread(pid) or not self._matching([named]):
            return Group()
        if not named.running:
            return Group(zombies=1)
        below = proc.children(named)
        alive = tuple(child for child in below if child.running)
        return Group((named,), (named,), alive, len(below) - len(alive))

    def among_all(self) -> Group:
        """Return the group of all processes that are as described."""
        table = proc.processes()
        return grouped(table, self._matching(table.values()))

    def reused(self, now: Written) -> bool:
        """Tell whether another process took over the id since the pidfile was first seen as it is.

        The file's time is not compared with the process's: after a step of the clock healthy ones look
        reused.
        """
        first = self._first
        if first is None or (first.data, first.written_ns) != (now.data, now.written_ns):
            first = self._first = now
        return first.started_s != now.started_s

    def _matching(self, processes: Iterable[Process]) -> set[int]:
        met = {one.pid for one in processes if matches(self._options, one)}
        if not self._options.port or not met:
            return met
        sockets = listeners.sockets(self._options.port)
        return listeners.holders(met, sockets) if sockets else set()


def _refuse_hidden(pid: int) -> None:
    """Raise PermissionError if the process is there, but /proc hides it: it is unknown then, not gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    if proc.process(pid) is None:
        raise PermissionError(f"/proc hides process {pid} from this one (hidepid)")


def matches(options: Options, one: Process) -> bool:
    """Tell whether a process is one that is meant, but for its port; a zombie has kept its name only."""
    if options.name and one.name != options.name.encode()[: proc.NAME_BYTES_MAX]:
        return False
    if options.exe and not _runs(one, options.exe):
        return False
    if (options.unit or options.cgroup) and not _is_in(options, proc.control_groups(one.pid)):
        return False
    return options.command is None or options.command.search(proc.command_line(one.pid)) is not None


def _is_in(options: Options, paths: Iterable[str]) -> bool:
    """Tell whether one of the paths is that of the unit and of the control group, or below."""
    below = options.cgroup.rstrip("/") + "/"
    return any(
        (not options.cgroup or f"{path}/".startswith(below))
        and (not options.unit or options.unit in path.split("/"))
        for path in paths
    )


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
