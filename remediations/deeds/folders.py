"""Folders opened one from the other, so that nothing can be put in their place between the look and the use.

See open(2), O_NOFOLLOW and O_PATH, and proc_pid_fdinfo(5) for ``mnt_id``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_WAY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

Judge = Callable[[os.stat_result, str], None]


class Refused(Exception):
    """Something is not as it must be before it is acted upon; the text is a sentence."""


def is_plain(path: str) -> bool:
    """Tell whether a path is absolute and says what it means: no ``.``, ``..``, ``//`` or ending ``/``."""
    return path.startswith("/") and path.isprintable() and os.path.normpath(path) == path and path[:2] != "//"


def shown(name: str) -> str:
    """Return a file's name for people: on one line, in ASCII, not too long."""
    text = ascii(name)[1:-1]
    return text if len(text) <= 120 else f"{text[:117]}..."


@contextmanager
def opened(path: str, judge: Judge | None = None) -> Iterator[int]:
    """Open a folder from / on, through no link; ``judge`` may refuse each folder on the way and itself."""
    if not is_plain(path):
        raise Refused(f"{shown(path)} is not an absolute path that says what it means")
    names = [name for name in path.split("/") if name]
    folder = os.open("/", _WAY if names else _FOLDER)
    try:
        for index, name in enumerate(names, 1):
            above, folder = folder, _entered(folder, name, path, last=index == len(names))
            os.close(above)
            if judge:
                judge(os.fstat(folder), "/" + "/".join(names[:index]))
        yield folder
    finally:
        os.close(folder)


def _entered(above: int, name: str, path: str, *, last: bool) -> int:
    try:
        return os.open(name, _FOLDER if last else _WAY, dir_fd=above)
    except OSError as wrong:
        raise Refused(f"{path}: {shown(name)} is no folder that can be opened: {wrong.strerror}") from None


def only_ours(facts: os.stat_result, path: str) -> None:
    """Refuse a folder in which another user could put something in the place of what is root's or ours."""
    if facts.st_uid not in (0, os.geteuid()):
        raise Refused(f"{path} belongs to another user")
    if facts.st_mode & _OTHERS and not facts.st_mode & stat.S_ISVTX:
        raise Refused(f"others than its owner may write to {path}")


def mount_of(fd: int) -> str:
    """Return the number of the mount that something was opened through."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").splitlines():
        if line.startswith("mnt_id:"):
            return line.split()[1]
    raise Refused("the kernel does not tell through which mount a folder was opened")


@contextmanager
def below(root: int, names: Iterable[str]) -> Iterator[int]:
    """Open a folder below another one that is open, through no link and no mount."""
    mount, folder = mount_of(root), os.dup(root)
    try:
        for name in names:
            above, folder = folder, os.open(name, _FOLDER, dir_fd=folder)
            os.close(above)
        if mount_of(folder) != mount:
            raise Refused("something is mounted there now")
        yield folder
    finally:
        os.close(folder)
