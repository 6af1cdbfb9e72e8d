"""Worker threads for what may block: bounded, each job under a deadline that the loop keeps."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

_IDLE_S: Final = 60.0


class Done(NamedTuple):
    """A job that came back: its key, and what it returned or raised."""

    key: object
    value: object
    error: BaseException | None


class Pool:
    """Threads that are started as needed, up to ``threads_max``, and leave when idle for a minute.

    A job that hangs in the kernel cannot be ended; it keeps its thread until it comes back, and the
    loop stops waiting for it. The bound makes sure that such jobs cannot eat the host.
    """

    def __init__(self, threads_max: int, wake: Callable[[], None]) -> None:
        self.threads_max = threads_max
        self._wake = wake
        self._jobs: queue.SimpleQueue[tuple[object, Callable[[], object]] | None] = queue.SimpleQueue()
        self._done: deque[Done] = deque()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    @property
    def threads(self) -> int:
        """How many threads there are now."""
        return self._threads

    def submit(self, key: object, job: Callable[[], object]) -> bool:
        """Hand a job to an idle or a new thread; return False where the bound is reached."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < self.threads_max:
                self._threads += 1
                threading.Thread(target=self._work, name="probe", daemon=True).start()
            else:
                return False
        self._jobs.put((key, job))
        return True

    def finished(self) -> list[Done]:
        """Return what came back since the last call."""
        found: list[Done] = []
        while self._done:
            found.append(self._done.popleft())
        return found

    def close(self) -> None:
        """Let every idle thread leave."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while True:
            try:
                task = self._jobs.get(timeout=_IDLE_S)
            except queue.Empty:
                if self._leave():
                    return
                continue
            if task is None:
                with self._lock:
                    self._threads -= 1
                return
            key, job = task
            self._done.append(outcome(key, job))
            with self._lock:
                self._idle += 1
            self._wake()

    def _leave(self) -> bool:
        """Leave only while still counted as idle: otherwise a job is already on its way here."""
        with self._lock:
            if not self._idle:
                return False
            self._idle -= 1
            self._threads -= 1
            return True


def outcome(key: object, job: Callable[[], object]) -> Done:
    """Do a job here and now, and return what it returned or raised."""
    try:
        return Done(key, job(), None)
    except Exception as error:  # noqa: BLE001  # whatever a probe raises, its target becomes unknown
        return Done(key, None, error)
