"""A file taken out of its folder so that nothing else can be taken in its place.

A name can be given to another file between a look and ``unlink``. So the name is first moved into a private
folder of ours on the same filesystem, where nobody else can touch it; only then is it compared with the file
that was judged. What is not that file goes back to where it was, never over something else.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from remediations.deeds.folders import Refused, mount_of, only_ours, shown
from remediations.deeds.in_use import Users
from remediations.deeds.survey import BIN, Found, Wanted

_HANDLE: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOREPLACE: Final = 1
_BACK_MAX: Final = 8


class Spared(Exception):
    """A file was left alone; the text says why in a few words."""


class Bin:
    """A private folder in a root that is cleaned; it stays there, so that a full disk has one already.

    Where a disk is so full that none can be made (``fd`` is None), a file is removed by its name, but only
    from a folder in which nobody else could give that name to another file.
    """

    def __init__(self, fd: int | None, wanted: Wanted, users: Users) -> None:
        self._fd = fd
        self._wanted = wanted
        self._users = users
        self.strays = 0

    def take(self, folder: int, found: Found, until_s: int = 0) -> str:
        """Take a file away and return its name in here, or raise ``Spared``; with ``until_s`` it is held."""
        with _handle(folder, found.name) as handle:
            self._judge(handle, found)
            kept = held_name(found, until_s)
            if self._fd is None:
                only_ours(os.fstat(folder), "its folder")
                os.unlink(found.name, dir_fd=folder)
                return kept
            try:
                move(folder, found.name, self._fd, kept)
            except OSError as wrong:
                raise Spared(_why(wrong)) from None
            arrived = os.stat(kept, dir_fd=self._fd, follow_symlinks=False)
            if (arrived.st_dev, arrived.st_ino, arrived.st_nlink) != (found.dev, found.ino, 1):
                self.strays += not put_back(self._fd, kept, folder, found.name)
                raise Spared("changed while we looked")
            if not until_s:
                os.unlink(kept, dir_fd=self._fd)
            return kept

    def look(self, folder: int, found: Found) -> None:
        """Raise ``Spared`` where a file would not be taken."""
        with _handle(folder, found.name) as handle:
            self._judge(handle, found)

    def expire(self, now_s: int) -> int:
        """Remove what was held long enough, and return how many bytes that were."""
        freed = 0
        if self._fd is None:
            return 0
        for name in os.listdir(self._fd):  # noqa: PTH208 - it is open, and its path may lead elsewhere now
            facts = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            if expired(name, facts, now_s):
                os.unlink(name, dir_fd=self._fd)
                freed += facts.st_blocks * 512
        return freed

    def _judge(self, handle: int, found: Found) -> None:
        facts = os.fstat(handle)
        if (facts.st_dev, facts.st_ino, facts.st_mtime_ns) != (found.dev, found.ino, found.changed_ns):
            raise Spared("changed while we looked")
        reason = self._wanted.objection(facts, found.dev)
        if reason:
            raise Spared(reason)
        if self._users.uses(handle, facts):
            raise Spared("open by a process")


def held_name(found: Found, until_s: int) -> str:
    """Return the name of a file in a private folder: until when it is held, and which file it must be."""
    return f"{until_s:x}-{found.ino:x}-{found.changed_ns:x}"


def expired(name: str, facts: os.stat_result, now_s: int) -> bool:
    """Tell whether this is a file that we held, known by its name to be the one we judged, long enough."""
    try:
        until_s, ino, changed_ns = (int(word, 16) for word in name.split("-"))
    except ValueError:
        return False
    same = (facts.st_ino, facts.st_mtime_ns) == (ino, changed_ns)
    return same and stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1 and until_s <= now_s


@contextmanager
def bin_in(root: int, *, make: bool = True) -> Iterator[int]:
    """Open the private folder in a root; raises ``Refused`` where it is not ours, or ``OSError``."""
    name = f"{BIN}{os.geteuid()}"
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=root)
    fd = os.open(name, _FOLDER, dir_fd=root)
    try:
        facts = os.fstat(fd)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o077 or mount_of(fd) != mount_of(root):
            raise Refused(f"somebody else made {name} there")
        yield fd
    finally:
        os.close(fd)


def put_back(private: int, kept: str, folder: int, name: str) -> bool:
    """Move something from a private folder to where it was, or beside that, never over something."""
    for attempt in range(_BACK_MAX):
        try:
            move(private, kept, folder, f"{name[:200]}.{attempt}" if attempt else name)
        except FileExistsError:
            continue
        except OSError:
            return False
        return True
    return False


def move(old_folder: int, old: str, folder: int, name: str) -> None:
    """Rename, but never over something that is there already (renameat2(2), RENAME_NOREPLACE)."""
    number = _renameat2()(old_folder, os.fsencode(old), folder, os.fsencode(name))
    if number:
        raise OSError(number, os.strerror(number), shown(name))


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes], int]:
    """Return the system call, which Python does not have; it answers with an error's number or 0."""
    import ctypes  # noqa: PLC0415 - costs memory, and most hosts clean nothing

    libc = ctypes.CDLL(None, use_errno=True)

    def call(old_folder: int, old: bytes, folder: int, name: bytes) -> int:
        failed = libc.renameat2(old_folder, old, folder, name, _NOREPLACE) != 0
        return ctypes.get_errno() if failed else 0

    return call


@contextmanager
def _handle(folder: int, name: str) -> Iterator[int]:
    """Hold on to a file without opening it; while it is held, its inode is nobody else's."""
    try:
        handle = os.open(name, _HANDLE, dir_fd=folder)
    except OSError:
        raise Spared("changed while we looked") from None
    try:
        yield handle
    finally:
        os.close(handle)


def _why(wrong: OSError) -> str:
    if wrong.errno in (errno.EXDEV, errno.EBUSY):
        return "mounted there"
    if wrong.errno in (errno.EPERM, errno.EACCES, errno.EROFS):
        return "not permitted"
    if wrong.errno in (errno.EINVAL, errno.ENOSYS):
        return "not possible on this filesystem"
    return "changed while we looked"
