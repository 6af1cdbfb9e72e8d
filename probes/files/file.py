"""Files: is each there, how old, how big, whose, is it changed; and what all files of a folder add up to."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from model.duration import seconds
from model.misfit import Misfit
from model.plugin import Deadline, FileChange, Look, Probe, Wish
from model.sample import Metric, Sample
from probes.files.paths import ExactPath, FilePath, all_found, check_readable, is_there, open_regular, shown
from probes.host.roots import this_host

FILES_MAX: Final = 1000
ENTRIES_MAX: Final = 1_000_000
HASHED_BYTES_MAX: Final = 64 << 20
WISHES_MAX: Final = 64
_PIECE_BYTES: Final = 1 << 20

_PATH: Final = ("path",)
EXISTS = Metric("beforehand_file_exists", "1 if it is there.", labels=_PATH)
MTIME = Metric("beforehand_file_mtime_timestamp_seconds", "When it was last written to.", labels=_PATH)
SIZE = Metric("beforehand_file_size_bytes", "How long it is.", labels=_PATH)
MODE = Metric(
    "beforehand_file_mode", "Its permissions, as their octal digits: 644 for rw-r--r--.", labels=_PATH
)
UID = Metric("beforehand_file_uid", "The number of its owner.", labels=_PATH)
GID = Metric("beforehand_file_gid", "The number of its group.", labels=_PATH)
CHANGES = Metric(
    "beforehand_file_changes_total", "How often its content was seen to be another.", "counter", _PATH
)
MATCHES = Metric("beforehand_file_matches", "How many files a path with wildcards stands for.", labels=_PATH)

FILES = Metric("beforehand_dir_files", "Files below the folder.", labels=_PATH)
BYTES = Metric("beforehand_dir_bytes", "What the files below the folder add up to.", labels=_PATH)
NEWEST = Metric(
    "beforehand_dir_newest_mtime_timestamp_seconds", "When the newest file was written.", labels=_PATH
)
OLDEST = Metric(
    "beforehand_dir_oldest_mtime_timestamp_seconds", "When the oldest file was written.", labels=_PATH
)
COMPLETE = Metric(
    "beforehand_dir_complete",
    "1 if all below was seen; 0 if there was too much, or some hidden.",
    labels=_PATH,
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which files and folders to look at.

    ``paths`` are absolute and may have wildcards; each file that one stands for has its own series, up to
    ``files_max`` of them. ``directories`` are folders whose files are added up, with those in folders below
    on the same filesystem, up to ``entries_max``. ``hash: true`` reads each file that has a new time or
    size, up to 64 MiB of it, and counts when its content became another. ``symlinks: true`` looks at what a
    link in ``paths`` leads to instead of at the link.
    """

    paths: tuple[FilePath, ...] = ()
    directories: tuple[ExactPath, ...] = ()
    hash: bool = False
    symlinks: bool = False
    files_max: int = 100
    entries_max: int = 100_000

    def __post_init__(self) -> None:
        if not self.paths and not self.directories:
            raise Misfit("nothing is named", "add paths: or directories:")
        if not 0 < self.files_max <= FILES_MAX:
            raise Misfit("files_max is out of its bounds", f"write 1 to {FILES_MAX}", key="files_max")
        if not 0 < self.entries_max <= ENTRIES_MAX:
            raise Misfit("entries_max is out of its bounds", f"write 1 to {ENTRIES_MAX}", key="entries_max")


@dataclass(slots=True)
class Content:
    """What was last known of a file's content, and how often it became another."""

    facts: tuple[int, ...]
    digest: bytes
    changes: int = 0


@dataclass(slots=True)
class Total:
    """What the files below a folder add up to."""

    files: int = 0
    bytes: int = 0
    newest_s: float = 0.0
    oldest_s: float = 0.0
    complete: bool = True

    def add(self, facts: os.stat_result) -> None:
        """Add one file."""
        self.oldest_s = min(self.oldest_s, facts.st_mtime) if self.files else facts.st_mtime
        self.newest_s = max(self.newest_s, facts.st_mtime) if self.files else facts.st_mtime
        self.files += 1
        self.bytes += facts.st_size


def total(folder: str, entries_max: int, until_s: float, deadline: Deadline) -> Total:
    """Add up the files below a folder, links not followed, as far as the limits allow."""
    found = Total()
    for number, facts in enumerate(_below(folder, found)):
        if number >= entries_max or (number % 1000 == 999 and deadline.monotonic() > until_s):
            found.complete = False
            break
        if not stat.S_ISDIR(facts.st_mode):
            found.add(facts)
    return found


def _below(folder: str, found: Total) -> Iterator[os.stat_result]:
    """Yield what is known of each entry below a folder on its filesystem."""
    device, pending = os.lstat(folder).st_dev, [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    facts = _facts(entry.path)
                    if facts is not None:
                        yield facts
                    if facts is not None and stat.S_ISDIR(facts.st_mode) and facts.st_dev == device:
                        pending.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone since it was listed
        except PermissionError:
            found.complete = False


def _facts(path: str, *, symlinks: bool = False) -> os.stat_result | None:
    """Return what is known of a file; None if it is gone, as is what a broken link leads to."""
    try:
        return os.stat(path, follow_symlinks=symlinks)  # noqa: PTH116  # a Path costs more than the look itself
    except (FileNotFoundError, NotADirectoryError):
        return None


def _digest(path: str, size: int, *, symlinks: bool) -> bytes | None:
    """Return a hash of the content, None where there is none or more of it than is hashed."""
    if size > HASHED_BYTES_MAX:
        return None
    fd = open_regular(path, symlinks=symlinks)
    if fd is None:
        return None
    with open(fd, "rb") as file:  # noqa: PTH123  # a descriptor has no path
        content = hashlib.blake2b(digest_size=16)
        left = HASHED_BYTES_MAX
        while left > 0 and (piece := file.read(min(_PIECE_BYTES, left))):
            content.update(piece)
            left -= len(piece)
        return content.digest()


@dataclass(slots=True)
class Watcher:
    """Looks at the files, and remembers what was in them."""

    options: Options
    contents: dict[str, Content] = field(default_factory=dict)

    def look(self, deadline: Deadline) -> Iterator[Sample | Wish]:
        """Yield what is seen of each file and folder, and the wish to be woken when a file changes."""
        until_s = deadline.monotonic() + deadline.left_s() / 2
        wishes = [FileChange(path.text) for path in self.options.paths if path.exact]
        found = list(all_found(self.options.paths, self.options.files_max))
        self._forget({path for _, path in found})
        told: set[str] = set()
        for _, path in found:
            facts = _facts(path, symlinks=self.options.symlinks)
            if facts is not None:
                told.add(path)
                yield from self._file(path, facts)
                yield from self._changes(path, facts, until_s, deadline)
        for asked in self.options.paths:
            if asked.exact and asked.text not in told:
                yield EXISTS(0, path=asked.text)
            elif not asked.exact:
                yield MATCHES(sum(one == asked for one, _ in found), path=asked.text)
        for folder in self.options.directories:
            yield from self._folder(folder.text, until_s, deadline)
        yield from wishes[:WISHES_MAX]

    def _forget(self, kept: set[str]) -> None:
        self.contents = {path: known for path, known in self.contents.items() if path in kept}

    def _file(self, path: str, facts: os.stat_result) -> Iterator[Sample]:
        name = shown(path)
        yield EXISTS(1, path=name)
        yield MTIME(facts.st_mtime, path=name)
        yield SIZE(facts.st_size, path=name)
        yield MODE(int(f"{stat.S_IMODE(facts.st_mode):o}"), path=name)
        yield UID(facts.st_uid, path=name)
        yield GID(facts.st_gid, path=name)

    def _changes(
        self, path: str, facts: os.stat_result, until_s: float, deadline: Deadline
    ) -> Iterator[Sample]:
        """Yield how often the content changed; what there is no time for now is read at the next look."""
        if not self.options.hash or not stat.S_ISREG(facts.st_mode):
            return
        known = self.contents.get(path)
        now = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)
        if (known is None or known.facts != now) and deadline.monotonic() < until_s:
            digest = _digest(path, facts.st_size, symlinks=self.options.symlinks)
            if digest is None:
                return
            if known is None:
                known = self.contents[path] = Content(now, digest)
            known.changes += known.digest != digest
            known.facts, known.digest = now, digest
        if known is not None:
            yield CHANGES(known.changes, path=shown(path))

    def _folder(self, path: str, until_s: float, deadline: Deadline) -> Iterator[Sample]:
        check_readable(path)
        there = is_there(path)
        yield EXISTS(there, path=path)
        if not there:
            return
        seen = total(path, self.options.entries_max, until_s, deadline)
        yield FILES(seen.files, path=path)
        yield BYTES(seen.bytes, path=path)
        yield COMPLETE(seen.complete, path=path)
        if seen.files:
            yield NEWEST(seen.newest_s, path=path)
            yield OLDEST(seen.oldest_s, path=path)


def begin(options: Options) -> Look:
    """Return what looks at these files."""
    return Watcher(options).look


def _subject(options: Options) -> str:
    return str((*options.paths, *options.directories)[0])


PROBE = Probe(
    "file", Options, None,
    (EXISTS, MTIME, SIZE, MODE, UID, GID, CHANGES, MATCHES, FILES, BYTES, NEWEST, OLDEST, COMPLETE),
    job="node", target=this_host, subject=_subject, begin=begin, every=seconds(60), timeout=seconds(20),
)  # fmt: skip  # the metrics on one line
