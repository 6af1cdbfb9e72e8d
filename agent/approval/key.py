"""The approval key: with it people's words are sealed, so that nobody who only carries them can make one."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from model.grant import KEY_BYTES, key_of
from model.misfit import Misfit

SHARED: Final = Path("/etc/beforehand/approval.key")
"""Where a host keeps it that has a hand in a process of its own, for root and the desk to read."""

_BYTES_MAX: Final = 256


class NoKey(Exception):
    """The key cannot be had; the text is a sentence."""


def key_file(state: Path) -> Path:
    """Return where the key lies: in the host's own place, else beside the agent's state."""
    return SHARED if os.path.lexists(SHARED) else state / SHARED.name


def read_key(path: Path) -> bytes:
    """Return the key of a file that nobody but its owner and group may read, or raise ``NoKey``."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        raise NoKey(f"the approval key {path} cannot be read: {wrong.strerror}") from None
    try:
        mode = os.fstat(fd).st_mode
        data = os.read(fd, _BYTES_MAX) if stat.S_ISREG(mode) else b""
    finally:
        os.close(fd)
    if not stat.S_ISREG(mode) or mode & 0o007:
        raise NoKey(f"the approval key {path} is not a file that is kept from others; chmod 600 {path}")
    try:
        return key_of(data.decode("ascii", "replace"))
    except Misfit as wrong:
        raise NoKey(f"the approval key {path} is none: {wrong}") from None


def made_key(path: Path) -> bytes:
    """Return the key of this file, which is written first where there is none, or raise ``NoKey``."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return read_key(path)
    except OSError as wrong:
        raise NoKey(f"the approval key {path} cannot be written: {wrong.strerror}") from None
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    return read_key(path)
