"""The crew: the threads that take steps, so that the loop which decides is never kept waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, Protocol, TypeVar

from remediations.writing.playbook import RUNS_AT_ONCE_MAX

LEAVING_S: Final = 5.0

T = TypeVar("T")


class Crew(Protocol):
    """Whoever takes steps beside the loop: threads, or in a simulation one after the other."""

    @property
    def leaving(self) -> bool:
        """Whether nothing more is to be begun."""

    @property
    def ending(self) -> bool:
        """Whether what is under way is to be ended as well."""

    def send(self, work: Callable[[], T]) -> Future[T]:
        """Have a worker do this."""

    def rest(self, wait_s: float) -> None:
        """Let the worker that calls this wait for so long, or until it is to end."""

    def close(self) -> None:
        """Let what is under way end, then end it."""


class Threads:
    """A crew of four threads at most."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(RUNS_AT_ONCE_MAX, thread_name_prefix="step")
        self._jobs: set[Future[Any]] = set()
        self._leaving = threading.Event()
        self._ending = threading.Event()

    @property
    def leaving(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._leaving.is_set()

    @property
    def ending(self) -> bool:
        """Whether what is under way is to be ended as well."""
        return self._ending.is_set()

    def send(self, work: Callable[[], T]) -> Future[T]:
        """Have a thread do this; what is sent once the crew is leaving is not begun."""
        if self.leaving:
            unbegun: Future[T] = Future()
            unbegun.cancel()
            return unbegun
        job = self._pool.submit(work)
        self._jobs = {each for each in self._jobs if not each.done()} | {job}
        return job

    def rest(self, wait_s: float) -> None:
        """Wait for so long, or until it is to end."""
        self._ending.wait(wait_s)

    def close(self) -> None:
        """Let steps that are under way end, no longer than 5 s; then end them."""
        self._leaving.set()
        wait(self._jobs, timeout=LEAVING_S)
        self._ending.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
