"""Metrics that other programs leave in files (``*.prom``), as node_exporter's textfile collector reads them.

Write a file under another name and rename it: a rename is seen at once, and nobody reads half a file. Files
hold Prometheus' text format 0.0.4, or OpenMetrics 1.0 if they end with ``# EOF``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from model.labels import Labels
from model.misfit import Misfit
from model.plugin import Deadline, FileChange, Look, Probe, Remark, Seen
from model.sample import Metric
from probes.exposition import Exposition, Format, Limits, Malformed, parse
from probes.host.roots import Tree, this_host

MTIME = Metric("node_textfile_mtime_seconds", "When a file that was read was last changed.", labels=("file",))
ERROR = Metric("node_textfile_scrape_error", "1 if a file or the directory could not be read.")

ENTRIES_MAX: Final = 10_000
_ERROR_LABELS: Final = Labels.of(__name__=ERROR.name)
_OURS: Final = frozenset(
    {"up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS", "ALERTS_FOR_STATE"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """Where the files lie, and how much they may hold.

    ``directories`` are read without what lies below them, and links to files are not followed.
    ``files_max`` and ``samples_max`` count over all directories; ``file_bytes_max`` bounds each file.
    """

    directories: tuple[Tree, ...] = (
        Tree(Path("/var/lib/node_exporter/textfile_collector")),
        Tree(Path("/var/lib/prometheus/node-exporter")),
    )
    files_max: int = 256
    file_bytes_max: int = 4 << 20
    samples_max: int = 5_000

    def __post_init__(self) -> None:
        for key in ("files_max", "file_bytes_max", "samples_max"):
            if getattr(self, key) < 1:
                raise Misfit(f"{key} is below 1", "leave it out, or write a larger number", key=key)


class Unfit(Exception):
    """A file cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells a file from what it was: the same while nobody wrote or replaced it."""

    inode: int
    mtime_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class File:
    """One file as it was read: what it exposes, or why nothing of it is taken."""

    version: Version
    exposition: Exposition | None
    wrong: str = ""


@dataclass(slots=True)
class Reader:
    """Reads the files, and remembers each until it changes."""

    options: Options
    files: dict[str, File] = field(default_factory=dict)

    def look(self, _deadline: Deadline) -> Iterator[Seen]:
        """Yield what the files expose, and when each was changed."""
        paths, wrongs = listed(self.options)
        self.files = {path: read(path, self.options, self.files.get(path)) for path in paths}
        taken = Taken(self.options.samples_max)
        for path, file in self.files.items():
            wrong = file.wrong or taken.take(file)
            if wrong:
                wrongs.append(f"{path}: {wrong}")
                continue
            assert file.exposition is not None, "a file without an exposition says what is wrong"
            yield from file.exposition.samples
            yield MTIME(file.version.mtime_ns / 1e9, file=path)
            yield FileChange(path)
        yield ERROR(bool(wrongs))
        if wrongs:
            yield Remark(_ERROR_LABELS, "\n".join(wrongs))


def listed(options: Options) -> tuple[list[str], list[str]]:
    """Return the paths of the files, and what is wrong with the directories; one may be missing."""
    paths, wrongs = list[str](), list[str]()
    for directory in options.directories:
        try:
            with os.scandir(directory.path) as entries:
                names = sorted(
                    entry.name for entry in islice(entries, ENTRIES_MAX) if entry.name.endswith(".prom")
                )
        except FileNotFoundError:
            continue
        except OSError as wrong:
            wrongs.append(f"{directory.path}: {wrong.strerror}")
            continue
        paths += [f"{directory.path}/{name}" for name in names]
    if len(paths) > options.files_max:
        wrongs.append(f"there are {len(paths)} files, and only {options.files_max} are read")
    return paths[: options.files_max], wrongs


def read(path: str, options: Options, before: File | None) -> File:
    """Return a file; one that did not change is as it was before."""
    version = Version(0, 0, 0)
    try:
        # Whoever may write here could lay a link to what only the agent may read, or a pipe that blocks it.
        end = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(end)
            version = Version(found.st_ino, found.st_mtime_ns, found.st_size)
            if before is not None and before.version == version:
                return before
            if not stat.S_ISREG(found.st_mode):
                raise Unfit("this is no file")
            with os.fdopen(end, "rb", closefd=False) as stream:
                data = stream.read(options.file_bytes_max + 1)
        finally:
            os.close(end)
        return File(version, exposed(data, options, before))
    except (Unfit, Malformed) as wrong:
        return File(version, None, str(wrong))
    except OSError as wrong:
        return File(version, None, wrong.strerror or "it cannot be read")


def exposed(data: bytes, options: Options, before: File | None) -> Exposition:
    """Return what a file exposes, or raise ``Unfit`` or ``Malformed``."""
    if len(data) > options.file_bytes_max:
        raise Unfit(f"it has more than {options.file_bytes_max} bytes")
    known = before.exposition.known if before and before.exposition else None
    form: Format = "openmetrics" if data.endswith(b"# EOF\n") else "text"
    exposition = parse(data, form, Limits(samples_max=options.samples_max), known)
    if exposition.times_ms:
        raise Unfit("its samples carry times, which textfiles must not")
    ours = {MTIME.name, ERROR.name, *_OURS}.intersection(sample.labels.name for sample in exposition.samples)
    if ours:
        raise Unfit(f"{min(ours)} is a metric of the agent itself")
    return exposition


@dataclass(slots=True)
class Taken:
    """What the files of one run have brought so far."""

    samples_max: int
    series: set[Labels] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)

    def take(self, file: File) -> str:
        """Add a file; if it collides with an earlier one nothing of it is added, and the reason returned."""
        assert file.exposition is not None, "only what was read is taken"
        for family in file.exposition.families.values():
            if self.kinds.get(family.name, family.kind) != family.kind:
                return f"another file says that {family.name} is a {self.kinds[family.name]}"
        series = {sample.labels for sample in file.exposition.samples}
        twice = series & self.series
        if twice:
            return f"another file has {min(map(str, twice))[:200]} already"
        if len(self.series) + len(series) > self.samples_max:
            return f"with it there are more than {self.samples_max} samples"
        self.series |= series
        self.kinds |= {family.name: family.kind for family in file.exposition.families.values()}
        return ""


def begin(options: Options) -> Look:
    """Return what reads the files."""
    return Reader(options).look


PROBE = Probe(
    "textfile", Options, None, (MTIME, ERROR), job="node", target=this_host, begin=begin, brings_more=True
)
