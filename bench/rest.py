"""What a daemon costs while nothing happens."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.observer import now_ms
from tests.e2e.patience import pause

SETTLE_S: Final = 10.0
REST_S: Final = 60.0

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Memory of one process, in MB of 10^6 bytes, and its CPU time."""

    rss_mb: float
    pss_mb: float
    cpu_s_per_minute: float


def at_rest(pid: int, settle_s: float = SETTLE_S, rest_s: float = REST_S) -> Cost:
    """Let a process settle, then watch it for so long."""
    pause(settle_s)
    from_s, from_ms = _cpu_s(pid), now_ms()
    pause(rest_s)
    minutes = (now_ms() - from_ms) / 60_000
    used = (_cpu_s(pid) - from_s) / minutes
    return Cost(resident_mb(pid), _memory_mb(pid, "Pss"), used)


def resident_mb(pid: int) -> float:
    """Return the memory that a process has now, what it shares included."""
    return _memory_mb(pid, "Rss")


def _cpu_s(pid: int) -> float:
    """Return user and system time of all threads (proc(5), /proc/PID/stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory_mb(pid: int, name: str) -> float:
    """Return one sum of /proc/PID/smaps_rollup, which is in kB of 1024 bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(f"the kernel reports no {name}")
