"""Where the trees of the host are mounted, and how the small files of the kernel in them are read."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.misfit import Misfit

FILE_BYTES_MAX: Final = 16 << 20
ATTRIBUTE_BYTES_MAX: Final = 4096  # sysfs(5) gives an attribute one page

_CHUNK_BYTES: Final = 65536

# How a driver says that it has no such thing, or nothing to tell at the moment.
_NOTHING_TOLD: Final = frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.EIO,
        errno.ENODEV, errno.ENXIO, errno.ENODATA, errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT,
    }
)  # fmt: skip  # the kernel's words on two lines


@dataclass(frozen=True, slots=True)
class Tree:
    """An absolute path under which one of the host's trees is mounted."""

    path: Path

    @classmethod
    def parse(cls, text: str) -> Tree:
        """Read an absolute path."""
        if not text.startswith("/") or "\0" in text:
            raise Misfit(f"{text!r} is not an absolute path", "begin it with /")
        return cls(Path(text))

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def text(self, name: str) -> str:
        """Return a whole file; a table of the kernel comes in pieces, so it is read until its end.

        Half the cost of ``Path.read_text``, which asks for the size first: the kernel's files have none.
        """
        end = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            pieces = []
            left = FILE_BYTES_MAX
            while piece := os.read(end, _CHUNK_BYTES):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    raise OverflowError(f"{self.path}/{name} has more than {FILE_BYTES_MAX} bytes")
        finally:
            os.close(end)
        return b"".join(pieces).decode("utf-8", "replace")

    def text_if_any(self, name: str) -> str:
        """Return a whole file, or nothing where this kernel has no such file."""
        try:
            return self.text(name)
        except FileNotFoundError:
            return ""

    def attribute(self, name: str) -> str | None:
        """Return the one value that a small file holds; None where the device or driver does not tell it."""
        try:
            end = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as wrong:
            if wrong.errno in _NOTHING_TOLD:
                return None
            raise
        try:
            return os.read(end, ATTRIBUTE_BYTES_MAX).decode("utf-8", "replace").strip()
        except OSError as wrong:
            if wrong.errno in _NOTHING_TOLD:
                return None
            raise
        finally:
            os.close(end)

    def number(self, name: str) -> int | None:
        """Return the whole number in a small file, also one like 0x1003; None where it is not told."""
        told = self.attribute(name)
        return int(told, 16 if told.startswith("0x") else 10) if told else None

    def names(self, name: str) -> list[str]:
        """Return what a folder holds, in order; nothing where there is no such folder."""
        try:
            with os.scandir(f"{self.path}/{name}") as entries:
                return sorted(entry.name for entry in entries)
        except FileNotFoundError:
            return []


PROCFS: Final = Tree(Path("/proc"))
SYSFS: Final = Tree(Path("/sys"))
ROOTFS: Final = Tree(Path("/"))


@dataclass(frozen=True, slots=True)
class Procfs:
    """``procfs`` is where the host's /proc is; a container sees its host's elsewhere."""

    procfs: Tree = PROCFS


@dataclass(frozen=True, slots=True)
class Sysfs:
    """``sysfs`` is where the host's /sys is; a container sees its host's elsewhere."""

    sysfs: Tree = SYSFS


@dataclass(frozen=True, slots=True)
class Rootfs:
    """``rootfs`` is where the host's root directory is; a container sees its host's elsewhere."""

    rootfs: Tree = ROOTFS


def this_host(_options: object) -> str:
    """Return the target of a probe that looks at its own host."""
    return ""
