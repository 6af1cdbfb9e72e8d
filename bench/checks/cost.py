"""What a system costs while it checks: CPU of all its processes, also those that ended, and their memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bench.checks.target import Target
from bench.observer import now_ms
from tests.e2e.patience import pause

Kind = Literal["http", "tcp"]

_KEPT_UP: Final = 0.9
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """One system: the checks that nginx saw of those that were due, and what they took.

    Memory is in MB of 10^6 bytes, shared pages counted for the part that each process has in them.
    """

    checks: int
    due: float
    seconds: float
    cpu_s: float
    pss_mb: float
    rss_mb: float

    @property
    def per_second(self) -> float:
        """How many checks nginx saw in a second."""
        return self.checks / self.seconds

    @property
    def kept_up(self) -> bool:
        """Whether it did what was asked of it."""
        return self.checks >= _KEPT_UP * self.due

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds for each check."""
        return self.cpu_s * 1000 / self.checks if self.checks else float("nan")


def measure(pids: Iterable[int], target: Target, kind: Kind, due_per_s: float, window_s: float) -> Figures:
    """Watch these processes, with all that they start, for so long."""
    roots = tuple(pids)
    seen, cpu_s, from_ms = _seen(target, kind), _cpu_s(roots), now_ms()
    pause(window_s)
    checks = _seen(target, kind) - seen
    used_s, seconds = _cpu_s(roots) - cpu_s, (now_ms() - from_ms) / 1000
    tree = _tree(roots)
    due = due_per_s * seconds
    return Figures(checks, due, seconds, used_s, _memory_mb(tree, "Pss"), _memory_mb(tree, "Rss"))


def _seen(target: Target, kind: Kind) -> int:
    seen = target.seen()
    return seen.requests if kind == "http" else seen.connections


def _cpu_s(roots: tuple[int, ...]) -> float:
    """Return the CPU time of these processes and all below, with that of children that ended.

    The latter is told in hundredths of a second only, as fields 16 and 17 of /proc/PID/stat (proc(5)).
    """
    total_s = 0.0
    for pid in _tree(roots):
        fields = _stat(pid)
        if fields:
            with suppress(OSError):  # It may just have ended.
                total_s += time.clock_gettime(_clock_of(pid)) + sum(map(int, fields[13:15])) / _TICKS
    return total_s


def _clock_of(pid: int) -> int:
    """Return the clock of a process, as clock_getcpuclockid(3) makes it of its id on Linux."""
    return (~pid << 3) | 2


def _tree(roots: tuple[int, ...]) -> list[int]:
    """Return these processes and everything that they started and that still runs."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            fields = _stat(int(path.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(path.name))
    found: list[int] = []
    left = list(roots)
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name of a process, or none where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _memory_mb(pids: Iterable[int], name: str) -> float:
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:"))
    return total * 1024 / 1e6
