"""Reading what the desk is configured by, without trusting what lies at its path."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from model.misfit import Place, Problem, Rejected
from model.yaml_tree import FILE_BYTES_MAX

SECRET_BYTES_MAX: Final = 4096
_OPEN_TO_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


def read_bytes(path: Path, named_at: Place, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Return a regular file's bytes, or raise ``Rejected`` at the line that names it.

    One byte more than ``bytes_max`` is read at most, so that whoever decodes them sees the excess.
    """
    return _read(path, named_at, bytes_max, forbidden=0)


def read_secret(path: Path, named_at: Place) -> bytes:
    """Return the bytes of a file that nobody but its owner may write and others may not read."""
    return _read(path, named_at, SECRET_BYTES_MAX, _OPEN_TO_OTHERS)


def read_private(path: Path, named_at: Place, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Return the bytes of a longer file that nobody but its owner may write and others may not read."""
    return _read(path, named_at, bytes_max, _OPEN_TO_OTHERS)


def _read(path: Path, named_at: Place, bytes_max: int, forbidden: int) -> bytes:
    try:
        with open(path, "rb", opener=_not_waiting) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise _refused(named_at, f"{path.name} is not a regular file", "name a file")
            if mode & forbidden:
                sentence = f"{path.name} has the mode {stat.S_IMODE(mode):o}, so that others can use it"
                raise _refused(
                    named_at, sentence, f"run chmod 600 {path.name}, or 640 for a group of its own"
                )
            return file.read(bytes_max + 1)
    except OSError as wrong:
        sentence = f"{path.name} cannot be read: {wrong.strerror}"
        raise _refused(named_at, sentence, "create it, or mend the path") from None


def _not_waiting(path: str, flags: int) -> int:
    """Open without waiting for the other end of a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refused(place: Place, sentence: str, cure: str) -> Rejected:
    return Rejected((Problem(place, sentence, cure),))
