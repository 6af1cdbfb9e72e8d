"""Reading configuration files without trusting what lies at their path."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from model.misfit import Place, Problem, Rejected

_LEFTOVER: Final = re.compile(r"\..*|.*~|.*\.(swp|rpmnew|rpmsave|dpkg-(old|new|dist))|#.*#")
_SHIPPED: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


def read(path: Path, bytes_max: int) -> bytes:
    """Return a regular file's bytes, at most one more than ``bytes_max`` so that the excess shows."""
    try:
        # Without O_NONBLOCK a FIFO at this path would hold us for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        raise _refused(
            path, f"the file cannot be read: {wrong.strerror}", "check its path and its mode"
        ) from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise _refused(path, "this is not a regular file", "name a file")
        if mode & stat.S_IWOTH:
            raise _refused(path, "everybody on this host may write this file", f"run chmod o-w {path}")
        with os.fdopen(os.dup(fd), "rb") as file:
            return file.read(bytes_max + 1)
    except OSError as wrong:
        raise _refused(path, f"the file cannot be read: {wrong.strerror}", "check the disk") from None
    finally:
        os.close(fd)


def named(
    words: tuple[str, ...], base: Path, shipped: Path, place: Place
) -> tuple[list[Path], list[Problem]]:
    """Return the files that the words name: a bare word a shipped file, anything else a glob below ``base``.

    A word that names nothing is a problem: a rule that is not loaded protects nobody.
    """
    found: list[Path] = []
    problems: list[Problem] = []
    for word in words:
        if _SHIPPED.fullmatch(word):
            files = [shipped / f"{word}.yml"] if (shipped / f"{word}.yml").is_file() else []
            known = ", ".join(sorted(file.stem for file in shipped.glob("*.yml") if ".test" not in file.name))
            cure = f"the shipped ones are {known}; write a path with a / or a . for a file of yours"
        else:
            files = sorted(_matching(base, word))
            cure = "correct the path; it is relative to this file"
        if not files:
            problems.append(Problem(place, f"{word!r} names no file", cure))
        found += (file for file in files if file not in found)
    return found, problems


def _matching(base: Path, word: str) -> list[Path]:
    path = Path(word)
    root, pattern = (
        (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (base, word)
    )
    return [
        file
        for file in root.glob(pattern)
        if file.is_file() and not _LEFTOVER.fullmatch(file.name) and not file.name.endswith(".test.yml")
    ]


def _refused(path: Path, sentence: str, cure: str) -> Rejected:
    return Rejected((Problem(Place(str(path)), sentence, cure),))
