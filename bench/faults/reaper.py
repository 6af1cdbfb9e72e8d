"""Takes the status of each server that died at once, as an init process does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.faults.subject import NAMES

PAUSE_S: Final = 0.01


@contextmanager
def reaping() -> Iterator[None]:
    """Collect servers until the block ends; whatever else this process started is left to whoever did."""
    ended = threading.Event()
    thread = threading.Thread(target=_reap, args=(ended,), name="reaper")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _reap(ended: threading.Event) -> None:
    own = Path("/proc/self/task")
    while not ended.wait(PAUSE_S):
        for thread in own.iterdir():
            with suppress(OSError):  # it ended meanwhile
                for pid in (thread / "children").read_text().split():
                    _collect(int(pid))


def _collect(pid: int) -> None:
    """Take the status of a server that is dead (proc(5), /proc/PID/stat)."""
    with suppress(OSError):  # another took it
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        if name in NAMES and rest.split()[0] == "Z":
            os.waitpid(pid, os.WNOHANG)
