"""A thread that steps whenever there is something to do, and sleeps until then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Loop:
    """Calls ``step`` again and again; it returns for how many seconds to sleep unless woken."""

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self._step = step
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to step."""
        self._thread.start()

    def wake(self) -> None:
        """Step at once, or as soon as the present step is done."""
        self._woken.set()

    def stop(self, within_s: float) -> bool:
        """End after the present step; tell whether it ended in time."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether it still steps."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            wait_s = self._step()
            if wait_s > 0 and not self._stopping.is_set():
                self._woken.wait(wait_s)
