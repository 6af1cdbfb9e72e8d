"""What a drill that was killed left behind: found by its name and folder, and taken away."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from agent.drill.faults import place_of
from agent.drill.unit import Unit

KILLED_WITHIN_S: Final = 5.0

_NAME: Final = re.compile(r"[0-9a-f]{8}")


class UnderWay(Exception):
    """Another drill takes place on this host; the text is a sentence."""


@contextlib.contextmanager
def alone(drills: Path) -> Iterator[None]:
    """Keep other drills from beginning below this folder; raises ``UnderWay``."""
    drills.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(drills / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UnderWay("another drill is under way") from None
    finally:
        os.close(lock)


def sweep_all(drills: Path) -> list[str]:
    """Take away what earlier drills left below this folder; return their names. Call it ``alone``."""
    names = [one.name for one in drills.iterdir() if _NAME.fullmatch(one.name) and not one.is_symlink()]
    for name in names:
        sweep(drills / name)
    return sorted(names)


def sweep(folder: Path) -> None:
    """End what still runs for this drill, and remove its unit, its mount point and its folder."""
    found = [process for process in psutil.process_iter() if _belongs(process, folder)]
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()  # psutil makes sure that the number is still that process's
    psutil.wait_procs(found, timeout=KILLED_WITHIN_S)
    if os.geteuid() == 0:
        Unit(folder.name).remove()
    _remove(place_of(folder.name))
    shutil.rmtree(folder, ignore_errors=True)


def _remove(place: Path) -> None:
    """Remove a folder of ours; what was mounted there went with the last process of the drill."""
    with contextlib.suppress(FileNotFoundError):
        if place.lstat().st_uid == os.getuid() and not place.is_mount():
            shutil.rmtree(place, ignore_errors=True)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    """Tell whether it is a program of ours that was started for a drill's folder."""
    try:
        if process.uids().real != os.getuid() or process.pid == os.getpid():
            return False
        words = process.cmdline()
    except psutil.Error:
        return False
    ours = any(one == "-m" and two.startswith("agent.") for one, two in itertools.pairwise(words))
    return ours and any(word.startswith(f"{folder}/") for word in words)
