"""A share that does not answer, in a world of mounts of its own: run as a program before the agent's command.

The words are a table of mounts, which stands in for /etc/fstab, a folder, and the command to become. What is
mounted on the folder says that it is sshfs, and nobody serves it: whoever asks it something waits.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

BIND: Final = 4096  # MS_BIND of mount(2)


def mount(source: str, place: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount, or raise ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), place.encode(), kind.encode(), flags, options.encode()):
        raise OSError(ctypes.get_errno(), f"mount {place}")


if __name__ == "__main__":
    table, folder, *command = sys.argv[1:]
    mount(table, "/etc/fstab", "", BIND)
    device = os.open("/dev/fuse", os.O_RDWR)
    os.set_inheritable(device, True)  # while it is open, the questions wait
    mount("nas:/export", folder, "fuse.sshfs", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0")
    os.execv(command[0], command)
