"""Reading what the desk is configured by, without trusting what lies at its path."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from model.misfit import Place, Problem, Rejected
from model.yaml_tree import FILE_BYTES_MAX


def read_bytes(path: Path, named_at: Place, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Return a regular file's bytes, or raise ``Rejected`` at the line that names it.

    One byte more than ``bytes_max`` is read at most, so that whoever decodes them sees the excess.
    """
    try:
        with open(path, "rb", opener=_not_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _refused(named_at, f"{path.name} is not a regular file", "name a file")
            return file.read(bytes_max + 1)
    except OSError as wrong:
        sentence = f"{path.name} cannot be read: {wrong.strerror}"
        raise _refused(named_at, sentence, "create it, or mend the path") from None


def _not_waiting(path: str, flags: int) -> int:
    """Open without waiting for the other end of a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refused(place: Place, sentence: str, cure: str) -> Rejected:
    return Rejected((Problem(place, sentence, cure),))
