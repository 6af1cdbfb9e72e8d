"""Single processes: who is behind a pid file, and what belongs to a step that must end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from remediations.executable import found

PIDFILE_BYTES_MAX: Final = 64
KILLED_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Pidfile:
    """What a pid file says; ``pid`` is 0 where it says nothing."""

    state: Literal["missing", "alive", "dead", "unreadable"]
    pid: int = 0


def read_pidfile(path: str) -> Pidfile:
    """Read a pid file without following a link and without waiting on what only looks like a file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Pidfile("missing")
    except OSError:
        return Pidfile("unreadable")
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        text = os.read(fd, PIDFILE_BYTES_MAX) if regular else b""
    except OSError:
        return Pidfile("unreadable")
    finally:
        os.close(fd)
    words = text.split()
    if not words or not words[0].isdigit() or len(words[0]) > 9 or int(words[0]) < 2:
        return Pidfile("unreadable")
    pid = int(words[0])
    return Pidfile("alive" if runs(pid) else "dead", pid)


def runs(pid: int) -> bool:
    """Tell whether a process is there and more than a zombie."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def is_program(pid: int, exe: str) -> bool:
    """Tell whether the process runs this program, also after an upgrade replaced the file."""
    try:
        running = str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return False
    wanted = found(exe)
    return bool(wanted) and os.path.realpath(wanted) == running


def is_ours(pid: int) -> bool:
    """Tell whether the process is init, this process or one that it descends from."""
    return pid <= 1 or pid == os.getpid() or pid in {parent.pid for parent in psutil.Process().parents()}


def offspring(pid: int) -> tuple[psutil.Process, ...]:
    """Return the processes that descend from this one."""
    try:
        return tuple(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return ()


def orphans(leader: int, exe: str) -> tuple[psutil.Process, ...]:
    """Return what a dead daemon left behind: processes of its session that run the same program.

    The workers of a killed server go on and hold its port. The kernel gives the leader's number to
    nobody else while a session bears it (setsid(2)).
    """
    found: list[psutil.Process] = []
    for pid in psutil.pids():
        try:
            if pid != leader and os.getsid(pid) == leader and is_program(pid, exe) and not is_ours(pid):
                found.append(psutil.Process(pid))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return tuple(found)


def end(processes: tuple[psutil.Process, ...], patience_s: float) -> bool:
    """Ask each to end, kill those that do not; tell whether all are gone."""
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(processes, patience_s)
    kill(tuple(left))
    _, left = psutil.wait_procs(left, KILLED_WITHIN_S)
    return not left


def marked(name: str, value: str) -> Iterator[psutil.Process]:
    """Yield the processes whose environment carries this mark, wherever they went since."""
    needle = f"{name}={value}".encode()
    for process in psutil.process_iter():
        try:
            words = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if needle in words:
            yield process


def kill(processes: Iterator[psutil.Process] | tuple[psutil.Process, ...]) -> None:
    """Kill each; psutil makes sure that a number which was given to another process is left alone."""
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
