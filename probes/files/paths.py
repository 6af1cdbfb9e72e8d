"""Which files are meant: absolute paths, also with wildcards, and what of them is there."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from model.misfit import Misfit

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class TooMany(Exception):
    """More files match than may be looked at; the text is a sentence with its cure."""


@dataclass(frozen=True, slots=True)
class ExactPath:
    """An absolute path."""

    text: str

    @classmethod
    def parse(cls, text: str) -> ExactPath:
        """Read an absolute path."""
        return cls(_absolute(text))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class FilePath:
    """An absolute path, or one with the wildcards ``*``, ``?`` and ``[...]`` in it (glob(7))."""

    text: str

    @classmethod
    def parse(cls, text: str) -> FilePath:
        """Read an absolute path."""
        return cls(_absolute(text))

    @property
    def exact(self) -> bool:
        """True where it names one file, which may be missing."""
        return not glob.has_magic(self.text)

    def found(self, files_max: int) -> list[str]:
        """Return what is there, sorted by name; raise ``TooMany`` beyond the limit."""
        if self.exact:
            return [self.text] if is_there(self.text) else []
        paths = list(islice(glob.iglob(self.text), files_max + 1))  # noqa: PTH207  # Path takes hidden files too
        if not paths:
            check_readable(_folder(self.text))
        if len(paths) > files_max:
            raise TooMany(f"more than {files_max} files match {self.text}; narrow it, or raise files_max")
        return sorted(paths)

    def __str__(self) -> str:
        return self.text


def is_there(path: str) -> bool:
    """Tell whether something stands there; a PermissionError passes through: what is hidden is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def check_readable(folder: str) -> None:
    """Raise ``PermissionError`` if the folder is there, but may not be listed."""
    if is_there(folder) and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        raise PermissionError(f"the folder {shown(folder)} may not be read; let the agent's user read it")


def _folder(pattern: str) -> str:
    """Return the folder that stands before the first wildcard."""
    kept = pattern.split("/")
    while glob.has_magic("/".join(kept)):
        kept.pop()
    return "/".join(kept) or "/"


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\0" in text or "\n" in text:
        raise Misfit(f"{text[:80]!r} is not an absolute path", "begin it with /")
    return text


def all_found(wanted: tuple[FilePath, ...], files_max: int) -> Iterator[tuple[FilePath, str]]:
    """Yield each file that is there once, with the path that asked for it first."""
    seen: set[str] = set()
    for one in wanted:
        for path in one.found(files_max):
            if path not in seen:
                seen.add(path)
                yield one, path
        if len(seen) > files_max:
            raise TooMany(f"more than {files_max} files match; narrow the paths, or raise files_max")


def open_regular(path: str, *, symlinks: bool) -> int | None:
    """Return a descriptor to read a regular file by; None for whatever else stands there, or nothing.

    Opening never waits, as it would for a pipe. A link as the last part of the path is followed only where
    ``symlinks`` says so: who may write in the folder could else choose what is read. A PermissionError
    passes through.
    """
    try:
        fd = os.open(path, _FLAGS if symlinks else _FLAGS | os.O_NOFOLLOW)
    except PermissionError:
        cure = "let the agent's user into the group that may, for logs mostly adm"
        raise PermissionError(f"{shown(path)} may not be read; {cure}") from None
    except OSError:
        return None  # gone since it was listed, a link, a socket, or a device without a driver
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def read_regular(path: str, bytes_max: int, *, symlinks: bool = True) -> bytes | None:
    """Return what a regular file holds, at most one byte more than ``bytes_max``; None if there is none."""
    fd = open_regular(path, symlinks=symlinks)
    if fd is None:
        return None
    with open(fd, "rb", closefd=True) as file:  # noqa: PTH123  # a descriptor has no path
        return file.read(bytes_max + 1)


def shown(path: str) -> str:
    """Return a path as text fit for a label; whoever made the file chose its bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
