"""Which file a program's name means, and whether it may be run."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

SAFE_PATH: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

# These change user so that anybody may mount a stick; to root they give nothing that it has not.
_ROOTS_OWN: Final = frozenset(f"{folder}/{name}" for folder in SAFE_PATH for name in ("mount", "umount"))


class NotRunnable(Exception):
    """A program must not or cannot be run; the text is a sentence."""


def found(name: str) -> str:
    """Return the absolute path of a program, or the empty text; no PATH of anybody is asked."""
    if name.startswith("/"):
        return name if Path(name).is_file() else ""
    paths = (f"{folder}/{name}" for folder in SAFE_PATH)
    return next((path for path in paths if Path(path).is_file()), "") if "/" not in name else ""


def runnable(name: str) -> str:
    """Return the absolute path of a program that only root and this user could have written, or replaced."""
    path = found(name)
    if not path:
        raise NotRunnable(f"{name} is not installed")
    facts = Path(path).stat()
    if not os.access(path, os.X_OK):
        raise NotRunnable(f"{path} is not executable")
    if facts.st_mode & (stat.S_ISUID | stat.S_ISGID) and not (path in _ROOTS_OWN and os.geteuid() == 0):
        raise NotRunnable(f"{path} would run as another user (setuid)")
    if facts.st_uid not in (0, os.geteuid()):
        raise NotRunnable(f"{path} belongs to another user")
    if facts.st_mode & stat.S_IWOTH or (
        facts.st_mode & stat.S_IWGRP and facts.st_gid not in (0, os.getegid())
    ):
        raise NotRunnable(f"{path} can be changed by other users")
    for folder in {*Path(path).parents, *Path(os.path.realpath(path)).parents}:
        _judge_folder(folder)
    return path


def _judge_folder(folder: Path) -> None:
    """Refuse a folder in which others could put another program; a sticky one keeps what is not theirs."""
    facts = folder.stat()
    if facts.st_uid not in (0, os.geteuid()):
        raise NotRunnable(f"{folder} belongs to another user, who could replace what is in it")
    others = facts.st_mode & stat.S_IWOTH or (
        facts.st_mode & stat.S_IWGRP and facts.st_gid not in (0, os.getegid())
    )
    if others and not facts.st_mode & stat.S_ISVTX:
        raise NotRunnable(f"what is in {folder} can be replaced by other users")
