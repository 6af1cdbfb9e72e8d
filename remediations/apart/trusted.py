"""Files that somebody with more rights believes: only root and this process's user can have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from model.misfit import Place, Problem, Rejected

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a FIFO at this path would hold us for ever.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: Path, bytes_max: int) -> bytes:
    """Return a file's bytes as ``read_trusted`` does, where nobody but its owner may do anything with it."""
    return _read(path, bytes_max, secret=True)


def read_trusted(path: Path, bytes_max: int) -> bytes:
    """Return a file's bytes, at most one more than ``bytes_max``, or raise ``Rejected`` with the cure.

    Every folder on the way is opened from the one above it and judged by what was opened, so that nothing
    can be put in its place between the look and the use (open(2), O_NOFOLLOW). A folder that all may write
    to passes where it is sticky, because nobody can replace there what is root's.
    """
    return _read(path, bytes_max, secret=False)


def _read(path: Path, bytes_max: int, *, secret: bool) -> bytes:
    whole = PurePosixPath(path)
    if not whole.name or not whole.is_absolute() or ".." in whole.parts:
        raise _refused(path, "this is not the absolute path of a file", "write it from / on, without ..")
    folder = os.open("/", _FOLDER)
    try:
        for index, name in enumerate(whole.parts[1:-1], 2):
            here = Path(*whole.parts[:index])
            folder, above = _opened(name, folder, here, _FOLDER), folder
            os.close(above)
            _judge(os.fstat(folder), here)
        return _content(whole.name, folder, path, bytes_max, secret=secret)
    finally:
        os.close(folder)


def _content(name: str, folder: int, path: Path, bytes_max: int, *, secret: bool) -> bytes:
    fd = _opened(name, folder, path, _FILE)
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise _refused(path, "this is not a regular file", "name a file")
        _judge(facts, path)
        if secret and facts.st_mode & _OTHERS:
            raise _refused(path, "others than its owner may read this", f"run chmod 600 {path}")
        with os.fdopen(os.dup(fd), "rb") as file:
            return file.read(bytes_max + 1)
    except OSError as wrong:
        raise _refused(path, f"the file cannot be read: {wrong.strerror}", "check the disk") from None
    finally:
        os.close(fd)


def _opened(name: str, folder: int, path: Path, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as wrong:
        if path.is_symlink():
            raise _refused(path, "this is a link, which may lead elsewhere", "name the real path") from None
        sentence = f"this cannot be opened: {wrong.strerror}"
        raise _refused(path, sentence, "check its path and its mode") from None


def _judge(facts: os.stat_result, path: Path) -> None:
    if facts.st_uid not in (0, os.geteuid()):
        raise _refused(path, "this belongs to another user than root", f"run chown root {path}")
    sticky = stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX
    if facts.st_mode & _OTHERS_WRITE and not sticky:
        raise _refused(path, "others than its owner may write here", f"run chmod go-w {path}")


def _refused(path: Path, sentence: str, cure: str) -> Rejected:
    return Rejected((Problem(Place(str(path)), sentence, cure),))
