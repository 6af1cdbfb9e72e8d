"""Deleted files that take space because a process holds them open: who holds them, and how they are let go.

They are found and reached through /proc/PID/fd (proc_pid_fd(5)), whose links the kernel follows to the open
file itself. Each is told by its device and inode and looked at again on the handle that is then written to.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.deed import ReleaseDeleted, TruncateDeleted
from model.step import Exec, Result
from remediations import processes
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused, opened, shown
from remediations.deeds.in_use import open_files
from remediations.writing.amounts import sized

RESTART_S: Final = 90.0
SETTLE_S: Final = 5.0
FILES_MAX: Final = 16

_HANDLE: Final = os.O_PATH | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Ghost:
    """A deleted file and one process that holds it; ``appends`` tells how it writes."""

    pid: int
    fd: int
    dev: int
    ino: int
    size_bytes: int
    name: str
    program: str
    appends: bool

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.program}) holds {sized(self.size_bytes)} of {self.name}"


def release(step: ReleaseDeleted, doing: Doing) -> Result:
    """Have the service let go, where it is the one that holds."""
    try:
        ghosts = found(step.path, step.min_size_bytes)
    except Refused as why:
        return Result(ok=False, reason=str(why))
    if not ghosts:
        return Result(ok=True, output=_none(step.path, step.min_size_bytes))
    listed = "\n".join(map(str, ghosts))
    mine = [one for one in ghosts if _belongs(one.pid, step)]
    if not mine:
        whose = step.unit or step.exe
        return Result(ok=False, reason=f"{ghosts[0]}, and that is not {whose}", output=listed)
    if doing.check:
        return Result(ok=True, output=listed, diff=f"would {Exec(step.argv)}")
    result = doing.exec(Exec(step.argv, timeout_s=RESTART_S))
    if not result.ok:
        return Result(
            ok=False, reason=result.reason, output=f"{listed}\n{result.output}", stopped=result.stopped
        )
    left = _left(step, {(one.dev, one.ino) for one in mine}, doing)
    reason = f"it still holds them: {left[0]}" if left else ""
    freed = sum({(one.dev, one.ino): one.size_bytes for one in mine}.values())
    return Result(ok=not left, reason=reason, output=listed, changed=True, diff=f"- {sized(freed)} held open")


def truncate(step: TruncateDeleted, doing: Doing) -> Result:
    """Empty each file that is only appended to; what is written at a place of its own would be damaged."""
    try:
        ghosts = found(step.path, step.min_size_bytes)
    except Refused as why:
        return Result(ok=False, reason=str(why))
    chosen: dict[tuple[int, int], Ghost] = {}
    told: list[str] = []
    for one in ghosts:
        if not processes.is_program(one.pid, step.exe):
            told.append(f"{one}; it was left alone, because that is not {step.exe}")
        elif not one.appends:
            told.append(f"{one}; it was left alone, because it is not only appended to")
        elif len(chosen) < FILES_MAX:
            chosen[one.dev, one.ino] = one
    done = [one for one in chosen.values() if doing.check or (not doing.stopped() and _emptied(one, step))]
    diff = "\n".join(f"- {sized(one.size_bytes)} of {one.name}" for one in done)
    if done or not ghosts:
        output = "\n".join(told) or _none(step.path, step.min_size_bytes)
        return Result(ok=True, output=output, changed=bool(done) and not doing.check, diff=diff)
    return Result(ok=False, reason="none of the deleted files could be emptied", output="\n".join(told))


def found(path: str, min_size_bytes: int) -> list[Ghost]:
    """Return the large deleted files of the filesystem of a folder, the largest first."""
    with opened(path) as folder:
        dev = os.fstat(folder).st_dev
    ghosts = []
    for one in open_files():
        size_bytes = one.facts.st_blocks * 512
        if one.facts.st_nlink or one.facts.st_dev != dev or size_bytes < min_size_bytes:
            continue
        try:
            name = os.readlink(f"/proc/{one.pid}/fd/{one.fd}")  # noqa: PTH115 - it may be no path at all
            program = os.readlink(f"/proc/{one.pid}/exe")  # noqa: PTH115 - as above
            appends = _appends(one.pid, one.fd)
        except OSError:
            continue
        ghosts.append(
            Ghost(one.pid, one.fd, dev, one.facts.st_ino, size_bytes, shown(name), shown(program), appends)
        )
    return sorted(ghosts, key=lambda one: (-one.size_bytes, one.pid, one.fd))


def _appends(pid: int, fd: int) -> bool:
    """Tell whether every write goes to the end (proc_pid_fdinfo(5), flags in octal)."""
    text = Path(f"/proc/{pid}/fdinfo/{fd}").read_text(encoding="ascii")
    flags = re.search(r"^flags:\s*([0-7]+)$", text, re.MULTILINE)
    return flags is not None and bool(int(flags[1], 8) & os.O_APPEND)


def _belongs(pid: int, step: ReleaseDeleted) -> bool:
    if not step.unit:
        return processes.is_program(pid, step.exe)
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text(errors="replace")
    except OSError:
        return False
    return any(step.unit in line.split(":", 2)[-1].split("/") for line in text.splitlines())


def _left(step: ReleaseDeleted, files: Iterable[tuple[int, int]], doing: Doing) -> list[Ghost]:
    """Return what is still held after a moment in which old processes end."""
    gone = set(files)
    until_s = doing.monotonic() + SETTLE_S
    while True:
        left = [one for one in found(step.path, step.min_size_bytes) if (one.dev, one.ino) in gone]
        if not left or doing.stopped() or doing.monotonic() >= until_s:
            return left
        doing.pause(0.2)


def _emptied(ghost: Ghost, step: TruncateDeleted) -> bool:
    """Empty the file on a handle that was looked at: pid and number may mean another file by now."""
    try:
        handle = os.open(f"/proc/{ghost.pid}/fd/{ghost.fd}", _HANDLE)
    except OSError:
        return False
    try:
        facts = os.fstat(handle)
        same = (facts.st_dev, facts.st_ino) == (ghost.dev, ghost.ino)
        if not same or facts.st_nlink or not stat.S_ISREG(facts.st_mode):
            return False
        if not processes.is_program(ghost.pid, step.exe):
            return False
        fd = os.open(f"/proc/self/fd/{handle}", _WRITE)
        try:
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _none(path: str, min_size_bytes: int) -> str:
    return f"nothing on the filesystem of {path} is deleted, open and {sized(min_size_bytes)} large"
