"""What this process holds open."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path


def open_descriptors() -> int:
    """Return how many descriptors this process holds; what only waits for the collector is closed first."""
    gc.collect()
    return len(_open())


def holds_open(path: Path) -> bool:
    """Tell whether this process holds a descriptor of this file."""
    for descriptor in _open():
        with suppress(OSError):  # The one by which the folder was read is closed again.
            if descriptor.readlink() == path:
                return True
    return False


def _open() -> list[Path]:
    names = os.listdir("/proc/self/fd")  # noqa: PTH208 (read whole, and closed at once)
    return [Path("/proc/self/fd", name) for name in names]
