"""Log files: which lines come, how often patterns match, and the last line that did.

Files that are there at first are read from their end, so that old lines raise no alert; where the agent was
in a file is not remembered over its restart. A flood of lines is sampled, and what was passed over counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from model.misfit import Misfit
from model.plugin import Deadline, FileChange, Look, Probe, Remark, Wish
from model.sample import Metric, Sample
from probes.files.follow import Followed, Follower
from probes.files.lines import BLOCK_BYTES, Records, cleaned
from probes.files.paths import FilePath
from probes.files.tally import COUNTED, LineRegex, Tally, Wanted, check
from probes.files.thrift import Thrift
from probes.host.roots import this_host

FILES_MAX: Final = 512
WISHES_MAX: Final = 64
COUNTED_BYTES_MAX: Final = 256 << 20
"""How many bytes one run may pass over line by line; beyond them, only bytes are counted."""

RECORD_S: Final = 1.0
"""How long a record of several lines is waited for after its last line."""

_PATH: Final = ("path",)
LINES = Metric("beforehand_log_lines_total", "Lines that were looked at.", "counter", _PATH)
BYTES = Metric("beforehand_log_bytes_total", "Bytes that were appended.", "counter", _PATH)
DROPPED = Metric(
    "beforehand_log_dropped_lines_total", "Lines passed over, because too many came.", "counter", _PATH
)
CUT = Metric("beforehand_log_cut_lines_total", "Lines too long to be looked at whole.", "counter", _PATH)
FILES = Metric("beforehand_log_files", "Files that are followed.", labels=_PATH)
TRUNCATIONS = Metric("beforehand_log_truncations_total", "How often a file was cut short.", "counter")


@dataclass(frozen=True, slots=True)
class Options:
    """Which files to follow, by absolute paths that may have wildcards, and which patterns to count in them.

    Packed files (.gz and the like) are left out. ``starts_with`` says how the first line of a record looks
    where one spans several lines, as a stack trace does; the other lines are joined to it.
    ``cpu_percent_max`` is how much of one core reading may take in the long run: of a flood beyond that,
    lines are sampled. ``symlinks: true`` follows links, and trusts whoever may write in the folder.
    """

    paths: tuple[FilePath, ...]
    patterns: tuple[Wanted, ...] = ()
    starts_with: LineRegex | None = None
    symlinks: bool = False
    files_max: int = 128
    cpu_percent_max: float = 5

    def __post_init__(self) -> None:
        if not self.paths:
            raise Misfit("no file is named", "add a path, like /var/log/syslog", key="paths")
        check(self.patterns)
        if not 0 < self.files_max <= FILES_MAX:
            raise Misfit("files_max is out of its bounds", f"write 1 to {FILES_MAX}", key="files_max")
        if not 0 < self.cpu_percent_max <= 100:
            raise Misfit("that is no share of a core", "write a number up to 100", key="cpu_percent_max")


@dataclass(slots=True)
class Reader:
    """Reads what was appended since it last looked, and counts."""

    options: Options
    follower: Follower = field(init=False)
    tally: Tally = field(init=False)
    thrift: Thrift = field(init=False)
    lines: Counter[FilePath] = field(default_factory=Counter)
    sizes: Counter[FilePath] = field(default_factory=Counter)
    dropped: Counter[FilePath] = field(default_factory=Counter)
    cut: Counter[FilePath] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        options = self.options
        self.follower = Follower(options.paths, options.files_max, options.symlinks)
        self.tally = Tally(options.patterns)
        self.thrift = Thrift(options.cpu_percent_max / 100)

    def look(self, deadline: Deadline) -> Iterator[Sample | Wish | Remark]:
        """Yield the counters and the last matching lines, and the wish to be woken when a file changes."""
        now_s = deadline.monotonic()
        self.thrift.begin(now_s, deadline.left_s() / 2)
        files = self.follower.refresh(now_s)
        waiting = sum(one.waiting() for one in files)
        for one in files:
            waiting -= self._read(one, waiting, deadline)
        yield from self.tally.seen()
        yield from self._samples()
        exact = [asked.text for asked in self.options.paths if asked.exact]
        for path in [*exact, *self.follower.paths][:WISHES_MAX]:
            yield FileChange(path)

    def _read(self, one: Followed, waiting: int, deadline: Deadline) -> int:
        """Read one file to its present end, and return how many bytes that was."""
        began, end = one.position, one.position + one.waiting()
        while (at := one.position) < end:
            left = waiting - (at - began)
            self._pass_over(one, min(self.thrift.skip_bytes(left, BLOCK_BYTES), end - at), deadline)
            if one.position < end:
                self._take_block(one, deadline)
            if one.position == at:
                break  # it was cut short meanwhile
        now_s = deadline.monotonic()
        if one.position > began:
            one.grown_s = now_s
        self._finish(one, now_s)
        self._count(one, one.position - began)
        return end - began

    def _take_block(self, one: Followed, deadline: Deadline) -> None:
        started_s = deadline.monotonic()
        block = one.read()
        self._take(one, one.splitter.whole(block), started_s)
        self.thrift.spend(deadline.monotonic() - started_s, len(block))

    def _take(self, one: Followed, whole: bytes, at_s: float) -> None:
        if not whole:
            return
        self.lines[one.asked] += whole.count(b"\n")
        text = cleaned(whole)
        if self.options.starts_with is None:
            self.tally.take_block(text, at_s)
            return
        if one.records is None:
            one.records = Records(self.options.starts_with.line)
        self.tally.take_records(one.records.joined(text.removesuffix("\n").split("\n")), at_s)

    def _pass_over(self, one: Followed, skip_bytes: int, deadline: Deadline) -> None:
        """Pass over so many bytes, and count the lines in them where they are not too many for that."""
        started_s, until = deadline.monotonic(), one.position + skip_bytes
        if skip_bytes > COUNTED_BYTES_MAX:
            one.jump(until - COUNTED_BYTES_MAX)
        while one.position < until and (block := one.read()):
            one.splitter.passed(block)
        if skip_bytes:
            self.thrift.spend(deadline.monotonic() - started_s)

    def _finish(self, one: Followed, now_s: float) -> None:
        """Take what a file ends in that has ended, and the record that nobody goes on with."""
        if one.ended:
            self._take(one, one.splitter.rest(), now_s)
        if one.records is not None and (one.ended or now_s - one.grown_s >= RECORD_S):
            self.tally.take_records(one.records.flush(), now_s)

    def _count(self, one: Followed, read_bytes: int) -> None:
        self.sizes[one.asked] += read_bytes
        self.cut[one.asked] += one.splitter.cut
        self.dropped[one.asked] += one.splitter.dropped
        one.splitter.cut = one.splitter.dropped = 0

    def _samples(self) -> Iterator[Sample]:
        for asked in self.options.paths:
            path = asked.text
            yield LINES(self.lines[asked], path=path)
            yield BYTES(self.sizes[asked], path=path)
            yield DROPPED(self.dropped[asked], path=path)
            yield CUT(self.cut[asked], path=path)
            yield FILES(self.follower.count(asked), path=path)
        yield TRUNCATIONS(self.follower.cuts)


def begin(options: Options) -> Look:
    """Return what reads these files on from where they end at its first look."""
    return Reader(options).look


def _subject(options: Options) -> str:
    return options.paths[0].text


PROBE = Probe(
    "log", Options, None, (*COUNTED, LINES, BYTES, DROPPED, CUT, FILES, TRUNCATIONS),
    job="node", target=this_host, subject=_subject, begin=begin,
)  # fmt: skip  # the metrics on one line
