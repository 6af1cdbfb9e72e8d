"""Which files some process has open: asked of the kernel by a lease, else looked up in /proc.

A write lease is given only where nobody else has the file open or mapped (fcntl(2), F_SETLEASE), so the
answer is true at the moment of acting and costs no walk through all processes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROCESSES_MAX: Final = 65_536
FILES_MAX: Final = 1_000_000

Missed = Callable[[], None]

_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Held:
    """One open file of one process."""

    pid: int
    fd: int
    facts: os.stat_result


class Users:
    """Tells whether a file is in use; looks through /proc once, and only where no lease can be had."""

    def __init__(self) -> None:
        self._open: set[tuple[int, int]] | None = None
        self._whole = True

    def uses(self, handle: int, facts: os.stat_result) -> bool:
        """Tell whether anybody has the regular file of this O_PATH handle open, or might have."""
        try:
            fd = os.open(f"/proc/self/fd/{handle}", _FILE)
        except OSError:
            return self._seen(facts)
        try:
            # A lease that somebody wants broken is told by a signal: SIGIO would end this process.
            fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as wrong:
            return wrong.errno == errno.EAGAIN or self._seen(facts)
        else:
            return False
        finally:
            os.close(fd)

    def _seen(self, facts: os.stat_result) -> bool:
        if self._open is None:
            self._open = set()
            for held in open_files(self._missed):
                self._open.add((held.facts.st_dev, held.facts.st_ino))
        return not self._whole or (facts.st_dev, facts.st_ino) in self._open

    def _missed(self) -> None:
        self._whole = False


def open_files(missed: Missed = lambda: None) -> Iterator[Held]:
    """Yield the open regular files of every process; ``missed`` is called where some could not be seen."""
    left = FILES_MAX
    for pid in _pids(missed):
        try:
            numbers = [int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir()]
        except PermissionError:
            missed()
            continue
        except OSError:
            continue
        for number in numbers[:left]:
            try:
                # This follows the kernel's own link to the open file itself, whatever became of its name.
                facts = os.stat(f"/proc/{pid}/fd/{number}")  # noqa: PTH116 - no path of a file
            except PermissionError:
                missed()
                break
            except OSError:
                continue
            if stat.S_ISREG(facts.st_mode):
                yield Held(pid, number, facts)
        left -= len(numbers)
        if left <= 0:
            missed()
            return


def _pids(missed: Missed) -> list[int]:
    pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    if len(pids) > PROCESSES_MAX:
        missed()
    return pids[:PROCESSES_MAX]
