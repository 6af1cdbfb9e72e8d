"""What old files there are below a folder: a bounded walk that changes nothing and stays on one mount.

Folders are opened one from the other through no link and no mount, names are only names, and a file is told
by its device and inode. Both times count: a file that was moved here lately is not old, whatever its content
says, because nobody can set the time of the last change (inode(7), ctime).
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Final

from remediations.deeds import roots
from remediations.deeds.folders import mount_of

DEPTH_MAX: Final = 32
ENTRIES_MAX: Final = 200_000
PASSED_MAX: Final = 20_000_000
CANDIDATES_MAX: Final = 10_000
BIN: Final = ".beforehand-"
KEPT: Final = (
    f"{BIN}*", "lost+found", ".snapshot*", "systemd-private-*", ".X11-unix", ".ICE-unix", ".ssh", ".gnupg",
    ".git", "*.pid", "*.lock", "*.sock", "*.db", "*.sqlite", "*.sqlite3", "*.kdbx", "*.key", "*.pem",
)  # fmt: skip
"""Names that are never removed and never entered, whatever a playbook says."""

Named = Callable[[str], object]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """An old file: where it was seen below the root, and what tells it from every other."""

    changed_ns: int
    folder: tuple[str, ...]
    name: str
    dev: int
    ino: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files are looked for: names that match, unchanged since ``before_ns``, maybe ``unread`` as well.

    ``kept`` tells whether a name stays, ``named`` whether it is looked for.
    """

    patterns: tuple[str, ...]
    keep: tuple[str, ...]
    before_ns: int
    unread: bool = False
    kept: Named = field(init=False, repr=False, compare=False)
    named: Named = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", _any_of((*KEPT, *self.keep)))
        object.__setattr__(self, "named", _any_of(self.patterns))

    def objection(self, facts: os.stat_result, dev: int) -> str:
        """Return why a file is not to be touched, whatever its name, or the empty text."""
        used_ns = max(facts.st_mtime_ns, facts.st_ctime_ns, facts.st_atime_ns if self.unread else 0)
        reasons = (
            (not stat.S_ISREG(facts.st_mode), "no regular file"),
            (facts.st_dev != dev, "mounted there"),
            (facts.st_nlink != 1, "has other names"),
            (used_ns > self.before_ns, "too young"),
        )
        return next((reason for holds, reason in reasons if holds), "")


@dataclass(slots=True)
class Survey:
    """What a walk saw: the oldest files first, how many there are, and what it passed over and why.

    ``reached`` counts the entries up to the cut, for the next walk to begin after; 0 means all was seen.
    """

    found: list[Found] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    old: int = 0
    held_bytes: int = 0
    reached: int = 0


class _Cut(Exception):
    """The walk has looked at as much as it may."""


def survey(root: int, wanted: Wanted, stopped: Callable[[], str], after: int = 0) -> Survey:
    """Walk below an open folder, the first ``after`` entries unseen, and return what was found."""
    walk = _Walk(root, wanted, stopped, after)
    try:
        walk.enter(root, ())
        walk.seen.reached = 0
    except _Cut:
        walk.seen.reached = walk.entries
    walk.seen.found = _oldest(walk.seen.found)
    return walk.seen


class _Walk:
    def __init__(self, root: int, wanted: Wanted, stopped: Callable[[], str], after: int) -> None:
        self._wanted, self._stopped, self._after = wanted, stopped, after
        self._dev, self._mount = os.fstat(root).st_dev, mount_of(root)
        self._never = frozenset(_identities())
        self.entries = 0
        self.seen = Survey()

    def enter(self, folder: int, names: tuple[str, ...]) -> None:
        """Look at everything in a folder."""
        if len(names) > DEPTH_MAX:
            self.seen.passed["too deep"] += 1
            return
        for name, is_folder in self._listed(folder):
            if self._wanted.kept(name):
                self.seen.passed["kept by name"] += 1
            elif is_folder:
                self._descend(folder, name, names)
            elif self.entries > self._after:
                self._look(folder, name, names)

    def _listed(self, folder: int) -> Iterator[tuple[str, bool]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                self.entries += 1
                if self.entries % 256 == 0 and self._stopped():
                    raise _Cut
                if self.entries > min(self._after + ENTRIES_MAX, PASSED_MAX):
                    raise _Cut
                yield entry.name, entry.is_dir(follow_symlinks=False)

    def _descend(self, folder: int, name: str, names: tuple[str, ...]) -> None:
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except OSError:
            self.seen.passed["changed while we looked"] += 1
            return
        try:
            facts = os.fstat(inner)
            if facts.st_dev != self._dev or mount_of(inner) != self._mount:
                self.seen.passed["mounted there"] += 1
            elif (facts.st_dev, facts.st_ino) in self._never:
                self.seen.passed["carries the host"] += 1
            else:
                self.enter(inner, (*names, name))
        finally:
            os.close(inner)

    def _look(self, folder: int, name: str, names: tuple[str, ...]) -> None:
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            self.seen.passed["changed while we looked"] += 1
            return
        size_bytes = facts.st_blocks * 512
        reason = self._wanted.objection(facts, self._dev)
        self.seen.held_bytes += size_bytes if stat.S_ISREG(facts.st_mode) else 0
        if not reason and not self._wanted.named(name):
            reason = "other names"
        if reason:
            self.seen.passed[reason] += 1
            return
        one = Found(facts.st_mtime_ns, names, name, facts.st_dev, facts.st_ino, size_bytes)
        self.seen.found.append(one)
        self.seen.old += 1
        if len(self.seen.found) >= 4 * CANDIDATES_MAX:
            self.seen.found = _oldest(self.seen.found)


def _oldest(found: list[Found]) -> list[Found]:
    return heapq.nsmallest(CANDIDATES_MAX, found, key=lambda one: one.changed_ns)


def _any_of(patterns: tuple[str, ...]) -> Named:
    # What fnmatch makes of a pattern never backtracks into a star, so no name takes long.
    return re.compile("|".join(map(translate, patterns)) or r"(?!)").match


def _identities() -> Iterator[tuple[int, int]]:
    """Yield which folders are never entered by whatever name, such as a bind mount of /etc."""
    for path in (*roots.WHOLE, *roots.ITSELF):
        try:
            facts = os.stat(path)  # noqa: PTH116 - the fields, not the path, are wanted
        except OSError:
            continue
        yield facts.st_dev, facts.st_ino


def never_entered(folder: int) -> bool:
    """Tell whether an open folder is, by whatever name, one that carries the host."""
    facts = os.fstat(folder)
    return (facts.st_dev, facts.st_ino) in set(_identities())
