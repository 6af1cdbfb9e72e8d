"""Follows files that others append to through rotation, so that no line is lost or read twice.

A file is known by its device and inode, and its descriptor stays open while it is followed: so what was
written before it was renamed or removed can still be read, and its number cannot come to mean another file.
Rotation by rename makes a new file appear, which is read from its start. A file that was cut short, even if
it has grown again since, no longer holds the bytes that were read last; what was written to it in between
is then looked for in the copy that logrotate's ``copytruncate`` leaves beside it. Such a copy is not read
otherwise. Where that copy is packed at once, what was written since the last look is lost.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from probes.files.lines import BLOCK_BYTES, Records, Splitter
from probes.files.paths import FilePath, all_found, open_regular

TAIL_BYTES: Final = 1024
LINGER_S: Final = 60.0
"""How long a file that is not listed any more is read on: its writer may be told late of the new one."""
UNLISTED_MAX: Final = 16
COPIES_MAX: Final = 16
UNDECIDED_S_MAX: Final = 5.0

_PACKED: Final = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".lzma", ".Z", ".zip")

Identity = tuple[int, int]


@dataclass(slots=True, eq=False)
class Followed:
    """One file being followed; ``asked`` is the path of the configuration that it was found by.

    ``tail`` is what stands before ``position``, a little of it. ``grown_s`` and ``unlisted_s`` say when it
    was last seen to grow and since when it is not listed any more, on the monotonic clock; ``written_ns`` is
    the file's own time. ``copied`` marks a copy of a file that is followed itself, ``undecided_bytes`` one
    that may become such a copy, ``ended`` a file that is read for the last time.
    """

    asked: FilePath
    path: str
    fd: int
    identity: Identity
    grown_s: float
    written_ns: int = 0
    position: int = 0
    tail: bytes = b""
    splitter: Splitter = field(default_factory=Splitter)
    records: Records | None = None
    unlisted_s: float | None = None
    undecided_bytes: int = 0
    copied: bool = False
    ended: bool = False

    def size(self) -> int:
        """Return how many bytes it has now."""
        return os.fstat(self.fd).st_size

    def waiting(self) -> int:
        """Return how many bytes wait to be read."""
        return max(0, self.size() - self.position)

    def read(self) -> bytes:
        """Return the next block, nothing at the end."""
        block = os.pread(self.fd, BLOCK_BYTES, self.position)
        self.position += len(block)
        self.tail = block[-TAIL_BYTES:] if len(block) >= TAIL_BYTES else (self.tail + block)[-TAIL_BYTES:]
        return block

    def jump(self, position: int) -> None:
        """Go on elsewhere, without having read what is before."""
        self.position = position
        start = max(0, position - TAIL_BYTES)
        self.tail = os.pread(self.fd, position - start, start)
        self.splitter.midway = bool(self.tail) and not self.tail.endswith(b"\n")

    def was_cut(self) -> bool:
        """Tell whether it no longer holds what was read of it, at the place where it was read."""
        if not self.read_in(self.fd):
            return True
        self.written_ns = os.fstat(self.fd).st_mtime_ns
        return False

    def read_in(self, fd: int) -> bool:
        """Tell whether another file holds what was read of this one, at the same place."""
        return os.pread(fd, len(self.tail), self.position - len(self.tail)) == self.tail

    def begins_like(self, other: Followed) -> bool:
        """Tell whether all there is of this file is how another begins, as of a copy that is being made."""
        size = self.size()
        head = os.pread(self.fd, TAIL_BYTES, 0)
        return 0 < size < other.position and os.pread(other.fd, len(head), 0) == head


def _identity(fd: int) -> Identity:
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino


def _named_as_copy(name: str, original: str) -> bool:
    """Tell whether a file is named as logrotate names copies of another: with a number or a date added."""
    return len(name) > len(original) and name.startswith(original.partition(".")[0])


@dataclass(slots=True)
class Follower:
    """All files that some paths stand for; one that is there at first is followed from its end.

    Descriptors are closed when a file is let go, and when the follower itself is.
    """

    wanted: tuple[FilePath, ...]
    files_max: int
    symlinks: bool
    cuts: int = 0
    _files: dict[Identity, Followed] = field(default_factory=dict)
    _new: list[Followed] = field(default_factory=list)
    _ending: list[Followed] = field(default_factory=list)
    _begun: bool = False

    def refresh(self, now_s: float) -> list[Followed]:
        """Look which files are there now, and return those to read, what is left of old ones first."""
        self._close(self._ending)
        self._list(now_s)
        self._settle(now_s)
        for one in self._files.values():
            if one.was_cut():
                self._restart(one, now_s)
        self._let_go(now_s)
        self._begun = True
        files = [one for one in self._files.values() if not one.copied and not one.undecided_bytes]
        ending = [one for one in self._ending if not one.copied]
        return [*ending, *sorted(files, key=lambda one: one.unlisted_s is None)]

    @property
    def paths(self) -> list[str]:
        """Where the files are that are listed now."""
        return [one.path for one in self._files.values() if one.unlisted_s is None and not one.copied]

    def count(self, asked: FilePath) -> int:
        """Return how many files this path of the configuration stands for now."""
        return sum(one.asked == asked and one.unlisted_s is None for one in self._files.values())

    def close(self) -> None:
        """Let go of every file."""
        self._close(self._ending)
        for one in self._files.values():
            os.close(one.fd)
        self._files.clear()

    def __del__(self) -> None:
        self.close()

    def _list(self, now_s: float) -> None:
        """Open what is new, and note what is not listed any more."""
        listed: set[Identity] = set()
        for asked, path in all_found(self.wanted, self.files_max):
            fd = None if path.endswith(_PACKED) else open_regular(path, symlinks=self.symlinks)
            if fd is None:
                continue
            identity = _identity(fd)
            known = self._files.get(identity)
            if known is None:
                self._add(Followed(asked, path, fd, identity, now_s))
            else:
                os.close(fd)
                if identity not in listed:
                    known.asked, known.path = asked, path
            listed.add(identity)
        for identity, one in self._files.items():
            if identity in listed:
                one.unlisted_s = None
            elif one.unlisted_s is None:
                one.unlisted_s = now_s

    def _add(self, one: Followed) -> None:
        self._files[one.identity] = one
        if self._begun:
            self._new.append(one)
        else:
            one.jump(one.size())

    def _settle(self, now_s: float) -> None:
        """Decide of new files which are copies of others; one that may still become one waits unread."""
        self._new = [one for one in self._new if not one.ended]
        for one in self._new:
            others = self._originals(one)
            one.copied = any(other.read_in(one.fd) for other in others)
            size = one.size() if any(one.begins_like(other) for other in others) else 0
            if size > one.undecided_bytes:
                one.grown_s = now_s
            one.undecided_bytes = size if now_s - one.grown_s < UNDECIDED_S_MAX and not one.copied else 0
        self._new = [one for one in self._new if one.undecided_bytes or (not one.size() and not one.copied)]

    def _originals(self, one: Followed) -> list[Followed]:
        """Return the files that a new one may be a copy of."""
        path = Path(one.path)
        return [
            other
            for other in self._files.values()
            if other.position
            and other.unlisted_s is None
            and Path(other.path).parent == path.parent
            and _named_as_copy(path.name, Path(other.path).name)
        ]

    def _restart(self, one: Followed, now_s: float) -> None:
        """Follow a file that was cut short from its start, after the rest of its copy, if there is one."""
        self.cuts += 1
        copy = self._copy_of(one)
        if copy is not None:
            rest = Followed(one.asked, one.path, copy, one.identity, now_s, position=one.position)
            rest.tail, rest.splitter = one.tail, one.splitter
            rest.records, one.records = one.records, None
            rest.ended = True
            self._ending.append(rest)
        one.position, one.tail, one.splitter = 0, b"", Splitter()

    def _copy_of(self, one: Followed) -> int | None:
        """Return a descriptor of the copy of this file, which holds what was read of it."""
        for path in _copies(one.path, one.written_ns):
            with suppress(PermissionError):
                fd = open_regular(path, symlinks=False)
                if fd is not None:
                    if one.read_in(fd):
                        return fd
                    os.close(fd)
        return None

    def _let_go(self, now_s: float) -> None:
        """Read for the last time what is not listed any more and grows no more, or is one too many."""
        unlisted = [one for one in self._files.values() if one.unlisted_s is not None]
        unlisted.sort(key=lambda one: one.unlisted_s or 0.0)
        for left, one in zip(range(len(unlisted), 0, -1), unlisted, strict=True):
            quiet_s = now_s - max(one.grown_s, one.unlisted_s or 0.0)
            if left > UNLISTED_MAX or one.copied or (quiet_s >= LINGER_S and not one.waiting()):
                one.ended = True
                del self._files[one.identity]
                self._ending.append(one)

    def _close(self, files: list[Followed]) -> None:
        for one in files:
            os.close(one.fd)
        files.clear()


def _copies(path: str, since_ns: int) -> list[str]:
    """Return what may be a copy of this file, made since it was written last; the newest come first."""
    own = Path(path)
    found: list[tuple[int, str]] = []
    with suppress(FileNotFoundError), os.scandir(own.parent) as entries:
        for entry in entries:
            if _named_as_copy(entry.name, own.name) and not entry.name.endswith(_PACKED):
                with suppress(FileNotFoundError):
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    return [copy for made_ns, copy in sorted(found, reverse=True)[:COPIES_MAX] if made_ns >= since_ns]
