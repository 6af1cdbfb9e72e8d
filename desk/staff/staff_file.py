"""The file of staff: read strictly, and one entry longer for each token that is made."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from desk.catalogue.person import EmailAddress, Slug
from desk.config import Config
from desk.files import read_private
from desk.staff import staff
from desk.staff.staff import Role, Staff, StaffFile
from model.decode import decode
from model.misfit import Problem, Rejected

FILE_BYTES_MAX: Final = 1 << 20

_FIRST: Final = "# Who may do what at the desk; beforehand desk --staff-token adds to it.\nstaff:\n"


@dataclass(frozen=True, slots=True)
class Order:
    """For whom a token is to be made, what for, and for how many days.

    ``file`` is where to add it, None for the file that desk.yaml names.
    """

    name: Slug
    may: Sequence[Role]
    email: EmailAddress | None
    days: int
    file: Path | None = None


def read_staff(config: Config) -> Staff | None:
    """Return the staff that desk.yaml names, None where it names none; raises ``Rejected``."""
    path = _path(config)
    if path is None:
        return None
    return _decoded(read_private(path, config.place, FILE_BYTES_MAX), path)


def add(config: Config, order: Order, random: bytes, now_ms: int) -> str:
    """Make a token, add it to the file, and return it: it is kept nowhere; raises ``Rejected``.

    The file is replaced whole, so that a desk that reads it now finds it old or new.
    """
    path = order.file or _path(config)
    if path is None:
        cure = "add staff: staff.yaml, a file beside it that need not exist yet"
        raise Rejected((Problem(config.place, "desk.yaml names no file of staff", cure),))
    token = staff.written(random)
    entry = _entry(order, token, now_ms)
    try:
        with _alone(path.parent):
            exists = path.exists()
            known = read_private(path, config.place, FILE_BYTES_MAX) if exists else _FIRST.encode()
            whole = known + (b"" if known.endswith(b"\n") else b"\n") + entry.encode()
            _decoded(whole, path)
            _replace(path, whole)
    except OSError as wrong:
        sentence = f"{path.name} cannot be written: {wrong.strerror}"
        raise Rejected((Problem(config.place, sentence, "mend the path, or who may write there"),)) from None
    return token


def _path(config: Config) -> Path | None:
    return None if config.staff is None else Path(config.place.file).parent / config.staff


def _decoded(data: bytes, path: Path) -> Staff:
    return staff.joined(decode(data, str(path), StaffFile).staff)


def _entry(order: Order, token: str, now_ms: int) -> str:
    """Return the lines of YAML for a token; each value is of a kind that needs no quotes, or has them."""
    lines = [
        f"- name: '{order.name}'",
        f"  token: '{staff.named(token)}'",
        f"  sha256: '{staff.digest(token)}'",
        f"  may: [{', '.join(dict.fromkeys(order.may))}]",
        f"  until: {staff.day_after(now_ms, order.days)}",
    ]
    if order.email is not None:
        quoted = order.email.replace("'", "''")
        lines.append(f"  email: '{quoted}'")
    return "\n".join(lines) + "\n"


def _replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another, readable by nobody whom the old one kept out."""
    fresh = path.with_name(f".{path.name}.new")
    with open(fresh, "wb", opener=_ours) as file:
        if path.exists():
            # Where root adds to it, the desk's own user is to read it still.
            old = path.stat()
            os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), old.st_mode & 0o640)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others out who add to a file of this folder at the same moment."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _ours(path: str, flags: int) -> int:
    """Open a file that others cannot read, and no link that somebody put there."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
