"""The programs that run on a host: each by its main process, with its unit and its pid file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from agent.discovery import nginx_conf
from agent.discovery.finding import Program
from agent.discovery.trees import Trees, said
from probes.service import listeners, proc
from probes.service.proc import Process

COMMAND_CHARS_MAX: Final = 4096
PIDFILES: Final = ("/run/*.pid", "/run/*/*.pid", "/run/*/pid", "/var/run/*.pid", "/var/run/*/*.pid")

_UNIT: Final = re.compile(r"[A-Za-z0-9:_.\\@-]{1,200}\.service")


@dataclass(slots=True)
class Processes:
    """All processes, and what is known of those that were asked about."""

    trees: Trees
    table: Mapping[int, Process]
    pidfiles: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, trees: Trees) -> Processes:
        """Read the table; a PermissionError where /proc hides the processes of others."""
        table = proc.processes(trees.procfs.path)
        return cls(trees, table, dict(_pidfiles(trees, table)))

    def program(self, pid: int) -> Program:
        """Return what a process is, found in the way that needs the least rights.

        A pid file below /run can be read by all; one in the working directory often by its owner alone, so
        a unit goes before it.
        """
        unit = self._unit(pid)
        pidfile = self.pidfiles.get(pid, "") or nginx_conf.pidfile(self.trees, self.command(pid), pid)
        if not pidfile and not unit:
            pidfile = self._beside(pid)
        return Program(said(self.table[pid].name), self.command(pid), unit, pidfile)

    def command(self, pid: int) -> str:
        """Return a command line."""
        try:
            return said(proc.command_line(pid, self._root))[:COMMAND_CHARS_MAX]
        except PermissionError:
            return ""

    def _unit(self, pid: int) -> str:
        try:
            return innermost(proc.control_groups(pid, self._root))
        except PermissionError:
            return ""

    def ours(self, pid: int) -> bool:
        """Tell whether this is Beforehand itself, which a configuration does not watch by probes."""
        words = self.command(pid).split(" ")[:4]
        return "agent.cli" in words or any(PurePosixPath(word).name == "beforehand" for word in words)

    def named(self, names: Iterable[str]) -> list[int]:
        """Return the main processes of these names, the oldest first."""
        met = {pid for pid, one in self.table.items() if said(one.name) in names and one.running}
        return self.mains(met)

    def mains(self, pids: Iterable[int]) -> list[int]:
        """Return those whose parent is not among them, the oldest first."""
        known = set(pids)
        above = [self.table[pid] for pid in known if self.table[pid].parent not in known]
        return [one.pid for one in sorted(above, key=lambda one: (one.started_s, one.pid))]

    def holders(self, inodes: frozenset[int]) -> tuple[dict[int, int], bool]:
        """Return the main process that holds each of these sockets, and whether some could not be asked."""
        held: dict[int, set[int]] = {}
        hidden = False
        for pid in self.table:
            try:
                if listeners.holders((pid,), inodes, self._root):
                    held[pid] = set()
            except PermissionError:
                hidden = True
        found: dict[int, int] = {}
        for pid in self.mains(held):
            for inode in inodes - found.keys():
                if self._holds(pid, inode):
                    found[inode] = pid
        return found, hidden

    def _holds(self, pid: int, inode: int) -> bool:
        try:
            return bool(listeners.holders((pid,), frozenset((inode,)), self._root))
        except PermissionError:
            return False

    def _beside(self, pid: int) -> str:
        """Return a pid file in the working directory of a process, where servers of databases have it."""
        try:
            folder = said(bytes((self._root / str(pid) / "cwd").readlink()))
        except OSError:
            return ""
        found = dict(_naming(self.trees, [folder.rstrip("/") + "/*.pid"], {pid: self.table[pid]}))
        return found.get(pid, "") if folder != "/" else ""

    @property
    def _root(self) -> Path:
        return self.trees.procfs.path


def _pidfiles(trees: Trees, table: Mapping[int, Process]) -> Iterator[tuple[int, str]]:
    return _naming(trees, PIDFILES, table)


def _naming(trees: Trees, patterns: Iterable[str], table: Mapping[int, Process]) -> Iterator[tuple[int, str]]:
    """Yield each process of the table that a pid file names, with the file; the last pattern's first."""
    for pattern in reversed(tuple(patterns)):
        for path in reversed(trees.matching(pattern)):
            try:
                pid = proc.parse_pidfile(trees.read(path) or b"")
            except OSError:
                continue
            if pid is not None and pid in table:
                yield pid, path


def innermost(groups: Iterable[str]) -> str:
    """Return the innermost service of systemd that a process belongs to; sessions of users have none."""
    for group in sorted(groups):
        names = group.split("/")
        if "user.slice" in names:
            continue
        for name in reversed(names):
            if _UNIT.fullmatch(name):
                return name
    return ""
