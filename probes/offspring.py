"""Programs that probes started and that slipped away from them, known by a mark in their environment."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from functools import cache
from typing import Final

from probes.service import proc

MARK: Final = "BEFOREHAND_PROBE"

_PREFIX: Final = f"{MARK}=".encode()
_numbers: Final = itertools.count(1)


def new_mark() -> str:
    """Return a mark that no other program has: where numbers of processes hold, who started it, a number."""
    return f"{_namespace()}.{_owner(os.getpid())}.{next(_numbers)}"


def kill_marked(meant: Callable[[str], bool]) -> None:
    """Kill every process whose mark is meant; those of other users are not asked."""
    with os.scandir(proc.PROC) as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    for pid in pids:
        if pid != os.getpid():
            _kill_if(pid, meant)


@cache
def kill_orphans() -> None:
    """Kill, once, what agents that are no more have left; an agent that is killed cannot do so itself."""
    kill_marked(_orphaned)


def _kill_if(pid: int, meant: Callable[[str], bool]) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # Read after the pidfd was opened: the number cannot have changed hands since.
        mark = _mark((proc.PROC / str(pid) / "environ").read_bytes())
        if mark and meant(mark):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except OSError:
        return  # It is gone, or belongs to somebody else.
    finally:
        os.close(pidfd)


def _mark(environment: bytes) -> str:
    marks = [one[len(_PREFIX) :] for one in environment.split(b"\0") if one.startswith(_PREFIX)]
    return marks[0].decode("latin-1") if marks else ""


def _namespace() -> int:
    """Return what tells our numbers of processes from those of a container."""
    return (proc.PROC / "self/ns/pid").stat().st_ino


def _owner(pid: int) -> str:
    """Return who owns marks: numbers of processes are used again, but not with the same start."""
    one = proc.process(pid)
    return f"{pid}.{round(one.started_s * 100)}" if one is not None and one.running else ""


def _orphaned(mark: str) -> bool:
    """Tell whether an agent of ours made this mark and is no more; of others we cannot know."""
    words = mark.split(".")
    if len(words) != 4 or words[0] != str(_namespace()) or not words[1].isdecimal() or len(words[1]) > 7:
        return False
    return _owner(int(words[1])) != f"{words[1]}.{words[2]}"
