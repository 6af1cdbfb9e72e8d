"""The CPU that a process and all its children took, also those that ended."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree_cpu_s(root: int) -> float:
    """Return the CPU seconds of a process and its descendants so far."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name may hold spaces, so the fields are counted from behind its parenthesis.
            fields = path.read_text().rpartition(")")[2].split()
            number = int(path.parent.name)
            parents[number] = int(fields[1])
            ticks[number] = sum(int(one) for one in fields[11:15])
    return sum(spent for number, spent in ticks.items() if _is_in(number, root, parents)) / _TICKS


def _is_in(number: int, root: int, parents: dict[int, int]) -> bool:
    while number > 1:
        if number == root:
            return True
        number = parents.get(number, 0)
    return False
