"""The systemd journal: how often patterns match, entries by priority, and the last entry that matched.

Read by journalctl, which knows every format of the journal's files: from the newest entry at the first look,
then on from the entry that was read last. Format: systemd's "Journal Export Formats", journalctl(1).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from model.misfit import Misfit
from model.plugin import Deadline, Look, Probe, Remark
from model.sample import Metric, Sample
from probes import program
from probes.files.lines import plain
from probes.files.log import DROPPED, LINES
from probes.files.paths import ExactPath
from probes.files.tally import COUNTED, Tally, Wanted, check
from probes.files.trouble import troubles
from probes.host.roots import this_host

JOURNALCTL: Final = ExactPath("/usr/bin/journalctl")
ENTRIES_MAX: Final = 2000
PAGES_MAX: Final = 10
PAGE_BYTES_MAX: Final = 2 << 20
NAMES_MAX: Final = 50

Priority = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
_PRIORITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_NONE: Final = "none"

ENTRIES = Metric(
    "beforehand_journal_entries_total", "Entries, by their priority.", "counter", ("path", "priority")
)

_NAME: Final = re.compile(r"[A-Za-z0-9:_.\\@*-]{1,255}")
_SEQUENCE: Final = re.compile(r"s=([0-9a-f]+);i=([0-9a-f]{1,16});")
_BLIND: Final = re.compile(rb"insufficient permissions|not seeing messages from other users")
_MISSING: Final = re.compile(rb"No journal files were found")


class Unreadable(Exception):
    """The journal cannot be read; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Options:
    """Which entries to read and what to count in them; without any restriction all entries are read.

    ``units`` and ``identifiers`` (as of syslog) name whose entries; ``priority`` leaves out those of less
    weight. ``kernel: true`` reads the kernel's entries alone, and counts the shipped list of its troubles
    too. ``directory`` is where the journal's files are, if not where systemd keeps them.
    """

    patterns: tuple[Wanted, ...] = ()
    units: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    priority: Priority = "debug"
    kernel: bool = False
    directory: ExactPath | None = None
    journalctl: ExactPath = JOURNALCTL

    def __post_init__(self) -> None:
        for key, names in (("units", self.units), ("identifiers", self.identifiers)):
            if len(names) > NAMES_MAX or not all(map(_NAME.fullmatch, names)):
                cure = f"write up to {NAMES_MAX} names, like nginx.service"
                raise Misfit(f"{key} has what is no name", cure, key=key)
        if self.kernel and self.units:
            raise Misfit("the kernel's entries belong to no unit", "use two probes", key="units")
        check(self.wanted)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """All that is counted."""
        return (*(troubles() if self.kernel else ()), *self.patterns)

    @property
    def path(self) -> str:
        """What is read, for the label ``path``."""
        whose = (*(("kernel",) if self.kernel else ()), *self.units, *self.identifiers)
        return " ".join(("journal", *whose))

    def argv(self, *more: str) -> tuple[str, ...]:
        """Return the command that reads these entries."""
        return (
            self.journalctl.text,
            "--no-pager",
            "--output=json",
            "--output-fields=MESSAGE,PRIORITY",
            f"--priority={self.priority}",
            *((f"--directory={self.directory}",) if self.directory else ()),
            *(f"--unit={unit}" for unit in self.units),
            *(f"--identifier={name}" for name in self.identifiers),
            *more,
            *(("_TRANSPORT=kernel",) if self.kernel else ()),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the journal; ``text`` is None where it is too long to be told in full."""

    cursor: str
    priority: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, in their order, and whether there are more behind them."""

    entries: tuple[Entry, ...]
    more: bool


def entries(output: bytes) -> Iterator[Entry]:
    """Yield the entries that journalctl told; one that was cut off at the end is left out."""
    for line in output.split(b"\n"):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and isinstance(cursor := told.get("__CURSOR"), str):
            yield Entry(cursor, _priority(told.get("PRIORITY")), _text(told.get("MESSAGE", "")))


def _priority(value: object) -> str:
    known = isinstance(value, str) and len(value) == 1 and value in "01234567"
    return _PRIORITIES[int(str(value))] if known else _NONE


def _text(value: object) -> str | None:
    """Return a field as text: a list of numbers are bytes, a list of others a field that came many times."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return plain(bytes(value).decode("utf-8", "replace"))
    if isinstance(value, list):
        return "\n".join(text for one in value if (text := _text(one)) is not None)
    return None


def distance(before: str, after: str) -> int:
    """Return how many entries lie between two cursors, 0 where that cannot be told."""
    start, end = _SEQUENCE.match(before), _SEQUENCE.match(after)
    if start is None or end is None or start[1] != end[1]:
        return 0
    return max(0, int(end[2], 16) - int(start[2], 16))


@dataclass(slots=True)
class Reader:
    """Counts what came to the journal since the first look."""

    options: Options
    tally: Tally = field(init=False)
    cursor: str | None = None  # None before the first look, empty where there was no entry yet
    lines: int = 0
    dropped: int = 0
    priorities: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tally = Tally(self.options.wanted)

    def look(self, deadline: Deadline) -> Iterator[Sample | Remark]:
        """Yield the counters and the last entries that matched."""
        if self.cursor is None:
            self.cursor = self._newest(deadline)
        else:
            self._read_on(deadline)
        path = self.options.path
        yield from self.tally.seen()
        yield LINES(self.lines, path=path)
        yield DROPPED(self.dropped, path=path)
        for priority in (*_PRIORITIES, _NONE):
            yield ENTRIES(self.priorities[priority], path=path, priority=priority)

    def _newest(self, deadline: Deadline) -> str:
        newest = self._ask(deadline, "--lines=1").entries
        return newest[-1].cursor if newest else self.cursor or ""

    def _read_on(self, deadline: Deadline) -> None:
        """Read page after page; what is too much for one look is passed over."""
        half_s = deadline.left_s() / 2
        for _ in range(PAGES_MAX):
            page = self._page(deadline)
            self._take(page, deadline.monotonic())
            if not page.more:
                return
            if deadline.left_s() < half_s:
                break
        newest = self._newest(deadline)
        self.dropped += distance(self.cursor or "", newest)
        self.cursor = newest

    def _page(self, deadline: Deadline) -> Page:
        """Return the entries after the one that was read last."""
        if not self.cursor:
            return self._ask(deadline, "--all")
        # Asked for from that entry on, because it may be gone, and --after-cursor then leaves out another.
        page = self._ask(deadline, f"--cursor={self.cursor}", f"--lines={ENTRIES_MAX + 1}", "--all")
        for terms in ((f"--lines={ENTRIES_MAX}", "--all"), ("--lines=1",)):
            if page.entries or not page.more:
                return page
            # That entry, or then the next, is more than is kept; without --all it comes without its text.
            page = replace(self._ask(deadline, f"--after-cursor={self.cursor}", *terms), more=True)
        return page

    def _take(self, page: Page, at_s: float) -> None:
        texts: list[str] = []
        for entry in page.entries:
            self.cursor = entry.cursor
            self.lines += 1
            self.priorities[entry.priority] += 1
            if entry.text is not None:
                texts.append(entry.text)
        self.tally.take_records(texts, at_s)

    def _ask(self, deadline: Deadline, *more: str) -> Page:
        """Run journalctl; raise ``Unreadable`` where it cannot see what it should."""
        done = program.run(self.options.argv(*more), deadline, output_bytes_max=PAGE_BYTES_MAX)
        if _BLIND.search(done.stderr):
            raise Unreadable(
                "journalctl may not see the system's entries; put the agent's user in systemd-journal"
            )
        if _MISSING.search(done.stderr):
            raise Unreadable("there is no journal on this host; is systemd-journald running?")
        if done.code != 0 and not done.overtime:
            raise Unreadable(f"journalctl failed: {done.stderr[:200].decode('utf-8', 'replace').strip()}")
        found = tuple(entry for entry in entries(done.stdout) if entry.cursor != self.cursor)
        return Page(found, done.truncated or done.overtime or len(found) >= ENTRIES_MAX)


def begin(options: Options) -> Look:
    """Return what reads the journal on from its newest entry at the first look."""
    return Reader(options).look


def _subject(options: Options) -> str:
    return options.path.removeprefix("journal").strip()


PROBE: Probe[Options] = Probe(
    "journal", Options, None, (*COUNTED, LINES, DROPPED, ENTRIES),
    job="node", target=this_host, subject=_subject, begin=begin,
)  # fmt: skip  # the head on one line
