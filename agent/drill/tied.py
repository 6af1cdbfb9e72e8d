"""Run a program that ends when the drill that started it ends, however that ends.

``python -m agent.drill.tied PARENT PROGRAM WORD...``; PR_SET_PDEATHSIG (prctl(2)) outlives execve(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Tie this process to its parent and become the program, unless the parent is gone already."""
    parent, *argv = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == int(parent):
        os.execv(argv[0], argv)  # noqa: S606 - the drill's own words, and no shell


if __name__ == "__main__":
    main()
