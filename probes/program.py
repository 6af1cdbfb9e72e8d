"""The one place where probes start a program: no shell, bounded output, nothing left behind.

A program runs in a session of its own, so that all it started ends with it: its group is killed as soon as it
is gone itself. What left the group is found by a mark in its environment, which is looked for when somebody
still holds the output, when the time was over, and once for an earlier life of this agent that was killed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from model.plugin import Deadline
from probes.offspring import MARK, kill_marked, kill_orphans, new_mark

OUTPUT_BYTES_MAX: Final = 64 << 10
STOP_S_MAX: Final = 1.0
NICE: Final = 5

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT: Final = MappingProxyType({"PATH": _PATH, "LANG": "C", "LC_ALL": "C", "HOME": "/"})
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_CHUNK_BYTES: Final = 64 << 10
_LAST_WORDS_S: Final = 0.05


class NotStarted(Exception):
    """A program is not there or must not be run; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended: by its exit code, or by a signal; and what it said.

    ``truncated`` tells that it said more than was kept. ``overtime`` tells that it was ended because its
    time was over; it may still have gone by an exit code of its own.
    """

    code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool
    overtime: bool


@dataclass(slots=True)
class _Stream:
    """The reading end of a pipe; it never blocks."""

    pipe: int
    bytes_max: int
    kept: bytearray = field(default_factory=bytearray)
    dropped: bool = False
    open: bool = True

    def read(self) -> None:
        """Keep what fits and drop the rest."""
        try:
            data = os.read(self.pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return
        room = self.bytes_max - len(self.kept)
        self.kept += data[:room]
        self.dropped |= len(data) > room
        self.open = bool(data)

    def wait(self, wait_s: float) -> None:
        """Wait for something to read, or for the end of it."""
        watched = select.poll()
        watched.register(self.pipe, select.POLLIN)
        watched.poll(wait_s * 1000)


@dataclass(slots=True)
class _Running:
    """A program at work; its number stays ours until it was waited for."""

    process: subprocess.Popen[bytes]
    pidfd: int
    mark: str
    streams: tuple[_Stream, _Stream]

    def attend(self, wait_s: float) -> bool:
        """Read what comes until the program is gone or the time is over; tell whether it is gone."""
        watched = select.poll()
        watched.register(self.pidfd, select.POLLIN)
        for stream in self.streams:
            if stream.open:
                watched.register(stream.pipe, select.POLLIN)
        ready = {fd for fd, _ in watched.poll(wait_s * 1000)}
        for stream in self.streams:
            if stream.pipe in ready:
                stream.read()
        return self.pidfd in ready

    def attend_for(self, wait_s: float, monotonic: Callable[[], float]) -> bool:
        """Stay for so long, or until the program is gone; tell whether it is gone."""
        until_s = monotonic() + wait_s
        while not self.attend(max(0.0, until_s - monotonic())):
            if monotonic() >= until_s:
                return False
        return True

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def empty(self, monotonic: Callable[[], float]) -> None:
        """Read what stands in the pipes; those that were just killed take a moment to let go of them."""
        until_s = monotonic() + _LAST_WORDS_S
        for stream in self.streams:
            stream.read()
            while stream.open and (left_s := until_s - monotonic()) > 0:
                stream.wait(left_s)
                stream.read()

    def close(self) -> None:
        """Let go of what is ours."""
        for stream in self.streams:
            os.close(stream.pipe)
        os.close(self.pidfd)


def run(
    argv: tuple[str, ...],
    deadline: Deadline,
    *,
    environment: Mapping[str, str] = _NONE,
    user: str = "",
    output_bytes_max: int = OUTPUT_BYTES_MAX,
    nice: int = NICE,
) -> Finished:
    """Run a program, whose absolute path comes first in ``argv``, to its end and return how it ended.

    A fifth of the time, at most one second, is kept back: then it is asked to end, and soon after killed, so
    that the caller can still tell of it before the deadline. ``environment`` is laid over a small fixed one;
    ``user`` runs it as somebody else, which root may; it is by ``nice`` nicer than this process. Of each
    output so many bytes are kept, the rest is read and dropped. Raises ``NotStarted``.
    """
    left_s = deadline.left_s()
    kept_s = min(STOP_S_MAX, left_s / 5)
    _bury()
    kill_orphans()
    running = _start(argv, environment, user, output_bytes_max)
    try:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PGRP, running.process.pid, own + nice)
        overtime = not running.attend_for(left_s - kept_s, deadline.monotonic)
        if overtime:
            running.signal(signal.SIGTERM)
            running.attend_for(kept_s / 2, deadline.monotonic)
        running.signal(signal.SIGKILL)
        running.empty(deadline.monotonic)
        if overtime or any(stream.open for stream in running.streams):
            kill_marked(lambda mark: mark == running.mark)
            running.empty(deadline.monotonic)
        code = _waited(running, kept_s / 4, deadline.monotonic)
        out, err = running.streams
        return Finished(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=bytes(out.kept),
            stderr=bytes(err.kept),
            truncated=out.dropped or err.dropped,
            overtime=overtime,
        )
    finally:
        running.close()


def _start(
    argv: tuple[str, ...], environment: Mapping[str, str], user: str, output_bytes_max: int
) -> _Running:
    path = _allowed(argv[0], user)
    person = _person(user)
    mark = new_mark()
    readers, writers = zip(os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC), strict=True)
    try:
        process = subprocess.Popen(
            argv,
            executable=path,
            stdin=subprocess.DEVNULL,
            stdout=writers[0],
            stderr=writers[1],
            cwd="/",
            env={**_ENVIRONMENT, **environment, MARK: mark},
            umask=0o077,
            start_new_session=True,
            user=person.uid if person else None,
            group=person.gid if person else None,
            extra_groups=person.groups if person else None,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as wrong:
        for pipe in readers:
            os.close(pipe)
        raise NotStarted(f"{path} could not be started: {wrong}") from None
    finally:
        for pipe in writers:
            os.close(pipe)
    for pipe in readers:
        os.set_blocking(pipe, False)
    out, err = (_Stream(pipe, output_bytes_max) for pipe in readers)
    return _Running(process, os.pidfd_open(process.pid), mark, (out, err))


def _allowed(path: str, user: str) -> str:
    """Return the path of a program that nobody with fewer rights could have written."""
    if not path.startswith("/"):
        raise NotStarted(f"{path[:100]!r} is not an absolute path")
    try:
        facts = Path(path).stat()
    except (OSError, ValueError):
        raise NotStarted(f"{path[:200]} is not there") from None
    if not stat.S_ISREG(facts.st_mode) or not facts.st_mode & 0o111:
        raise NotStarted(f"{path} is not a program")
    if facts.st_mode & stat.S_IWOTH:
        raise NotStarted(f"{path} can be changed by everybody")
    if not user and facts.st_uid not in (0, os.geteuid()):
        raise NotStarted(f"{path} belongs to another user; name that user, so that it runs with their rights")
    return path


@dataclass(frozen=True, slots=True)
class _Person:
    """An account as the kernel knows it."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def _person(user: str) -> _Person | None:
    """Return whom to run as, None for ourselves."""
    if not user:
        return None
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise NotStarted(f"there is no user {user[:40]!r}") from None
    if entry.pw_uid == os.geteuid():
        return None
    return _Person(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(user, entry.pw_gid)))


_held: Final[list[subprocess.Popen[bytes]]] = []
"""Killed programs that the kernel holds on to, say in a hung mount; they are reaped when it lets go."""

_holding: Final = threading.Lock()


def _waited(running: _Running, wait_s: float, monotonic: Callable[[], float]) -> int:
    """Return how the program ended, negative for a signal; one that cannot end now is reaped later."""
    if running.attend_for(wait_s, monotonic):
        return running.process.wait()
    with _holding:
        _held.append(running.process)
    return -signal.SIGKILL


def _bury() -> None:
    with _holding:
        _held[:] = [process for process in _held if process.poll() is None]
