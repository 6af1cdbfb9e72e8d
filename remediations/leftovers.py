"""What steps leave behind: daemons that are ours to reap, and output that nobody reads any more."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
from collections import deque
from typing import Final

KEPT_MAX: Final = 256
_CHUNK_BYTES: Final = 64 << 10


class Leftovers:
    """One thread that reaps started daemons and empties the pipes that they still hold.

    A daemon that keeps its starter's output would be ended by SIGPIPE when the pipe closed, or stand
    still when it was full; so the pipe is read, and thrown away, for as long as somebody can write.
    """

    def __init__(self) -> None:
        self._new: deque[subprocess.Popen[bytes] | int] = deque()
        self._lock = threading.Lock()
        self._wake = -1
        self._thread: threading.Thread | None = None
        self._closing = False

    def reap(self, child: subprocess.Popen[bytes]) -> None:
        """Take over a child that goes on by itself."""
        self._take(child)

    def empty(self, pipe: int) -> None:
        """Take over the reading end of a pipe and close it when nobody holds the other end."""
        self._take(pipe)

    def close(self) -> None:
        """Let everything go that is still there; daemons go on."""
        with self._lock:
            thread, self._closing = self._thread, True
            if thread is not None:
                os.eventfd_write(self._wake, 1)
        if thread is not None:
            thread.join()
            os.close(self._wake)
        self._thread = None

    def _take(self, thing: subprocess.Popen[bytes] | int) -> None:
        with self._lock:
            self._new.append(thing)
            if self._thread is None:
                self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="leftovers", daemon=True)
                self._thread.start()
            os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._closing:
                for key, _ in selector.select():
                    if key.fd == self._wake:
                        os.eventfd_read(self._wake)
                        self._admit(selector)
                    elif _is_over(key):
                        _let_go(selector, key)
            self._admit(selector)
            for key in list(selector.get_map().values()):
                if key.fd != self._wake:
                    _let_go(selector, key)

    def _admit(self, selector: selectors.BaseSelector) -> None:
        with self._lock:
            things = list(self._new)
            self._new.clear()
        for thing in things:
            fd = thing if isinstance(thing, int) else os.pidfd_open(thing.pid)
            key = selector.register(fd, selectors.EVENT_READ, thing)
            if len(selector.get_map()) > KEPT_MAX:
                _let_go(selector, key)


def _is_over(key: selectors.SelectorKey) -> bool:
    if isinstance(key.data, subprocess.Popen):
        return True
    try:
        return not os.read(key.fd, _CHUNK_BYTES)
    except BlockingIOError:
        return False


def _let_go(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    selector.unregister(key.fd)
    os.close(key.fd)
    child = key.data
    if isinstance(child, subprocess.Popen) and child.poll() is None:
        child.returncode = 0  # it goes on without us, on purpose; unset, it would warn
