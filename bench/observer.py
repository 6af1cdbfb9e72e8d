"""Outside observers: they look at the same process, log and clock whichever system is measured."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from inotify_simple import INotify, flags

from tests.e2e import servers
from tests.e2e.patience import until
from tests.e2e.servers import Redis

POLL_S: Final = 0.002
_PR_SET_CHILD_SUBREAPER: Final = 36


def now_ms() -> float:
    """Return milliseconds since 1970, the clock that every timestamp here is on."""
    return time.time_ns() / 1e6


def adopt_orphans() -> None:
    """Make this process the parent of daemons whose own parent ends, as an init process is.

    A killed daemon stays a zombie until its parent asks for its status; inits of small containers ask
    seconds later, and that delay would be charged to whoever waits for the process to be gone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this kernel has no child subreaper")


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill of a redis: who, and the moment just before the signal."""

    pid: int
    at_ms: float


def kill(redis: Redis) -> Kill:
    """Kill a redis and take its status at once, as an init process does."""
    at_ms = now_ms()
    pid = servers.kill(redis)
    os.waitpid(pid, 0)
    return Kill(pid, at_ms)


def healed_ms(redis: Redis, killed: Kill, within_s: float, poll_s: float = POLL_S) -> float:
    """Return when another process first answered in the killed one's place."""

    def answered() -> float | None:
        return now_ms() if redis.serving_pid() not in (0, killed.pid) else None

    return until(answered, within_s, f"{redis.folder} serves again", pause_s=poll_s)


class LogWatch:
    """Notes the moment at which a line with a word first stands in a log; a context manager."""

    def __init__(self, log: Path, word: str) -> None:
        self._log = log
        self._word = word
        self._from = log.stat().st_size
        self._ended = threading.Event()
        self._inotify = INotify()
        self._thread = threading.Thread(target=self._run, name="log watch")
        self.seen_ms: float | None = None

    def _run(self) -> None:
        while not self._ended.is_set() and self.seen_ms is None:
            if not self._inotify.read(timeout=200):
                continue
            at_ms = now_ms()
            with self._log.open("rb") as log:
                log.seek(self._from)
                if self._word.encode() in log.read():
                    self.seen_ms = at_ms

    def __enter__(self) -> LogWatch:
        self._inotify.add_watch(self._log, flags.MODIFY)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(2)
        self._inotify.close()
