"""Which processes listen at a port: the kernel's tables of sockets, and who holds those open (proc(5)).

Only sockets of this network namespace are seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from probes.service.proc import FDS_MAX, PROC

ROWS_MAX: Final = 100_000
_LISTENING: Final = b"0A"
_TABLES: Final = ("tcp", "tcp6", "udp", "udp6")


def sockets(port: int, root: Path = PROC) -> frozenset[int]:
    """Return the inodes of the sockets that listen at a TCP port, or are bound to a UDP port."""
    found: set[int] = set()
    for name in _TABLES:
        try:
            with (root / "net" / name).open("rb") as file:
                next(file, b"")  # the heads of the columns
                found |= at_port(islice(file, ROWS_MAX), port, listening=name.startswith("tcp"))
        except FileNotFoundError:
            continue  # a kernel without IPv6
    return frozenset(found)


def at_port(rows: Iterable[bytes], port: int, *, listening: bool) -> set[int]:
    """Return the inodes at this port in rows of a table of the kernel's.

    Where only those that listen are wanted, they stand first: the rest, which may be many thousands, is left
    unread.
    """
    ending = b":%04X" % port
    found: set[int] = set()
    for row in rows:
        columns = row.split()
        if len(columns) < 10 or (listening and columns[3] != _LISTENING):
            break
        if columns[1].endswith(ending):
            found.add(int(columns[9]))
    return found - {0}


def holders(pids: Iterable[int], inodes: frozenset[int], root: Path = PROC) -> set[int]:
    """Return which of these processes hold one of these sockets.

    Raises PermissionError where a socket is held by nobody who can be seen, and some cannot.
    """
    found: set[int] = set()
    met: set[int] = set()
    hidden = False
    for pid in pids:
        held = _held(pid, inodes, root)
        if held is None:
            hidden = True
        elif held:
            found.add(pid)
            met |= held
    if hidden and met != inodes:
        raise PermissionError("/proc hides from this user which processes hold the port's sockets")
    return found


def _held(pid: int, inodes: frozenset[int], root: Path) -> set[int] | None:
    """Return which of the sockets a process holds; None where that may not be seen."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    try:
        with os.scandir(f"{root}/{pid}/fd") as entries:
            links = [_link(entry.path) for entry in islice(entries, FDS_MAX)]
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except PermissionError:
        return None
    return {wanted[link] for link in links if link in wanted}


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  # thousands of them: a Path for each costs as much again
    except (FileNotFoundError, ProcessLookupError):
        return ""
