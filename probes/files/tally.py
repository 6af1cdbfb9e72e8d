"""What is looked for in logs, and how often it was found: the part that files, journal and kernel share.

A block of many lines is searched at once for each pattern, which costs a fortieth of searching line by line;
only a block that holds a match is taken apart, and only for the patterns that it holds.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from model.duration import Duration
from model.labels import Labels
from model.misfit import Misfit
from model.plugin import REMARK_CHARS_MAX, Remark
from model.regex import Match, Regex, compiled
from model.sample import Metric, Sample
from probes.files.lines import printable

PATTERNS_MAX: Final = 100
VALUES_MAX: Final = 1000
ALL_VALUES_MAX: Final = 5000
VALUE_CHARS_MAX: Final = 120
RECENT_MAX: Final = 1000
OTHER: Final = "other"

_PATTERN: Final = ("pattern",)
MATCHES = Metric("beforehand_log_matches_total", "Lines that matched the pattern.", "counter", _PATTERN)
REPEATS = Metric(
    "beforehand_log_repeats_total",
    "Matching lines that were not counted, being like one that was a short time before.",
    "counter",
    _PATTERN,
)
VALUES = Metric(
    "beforehand_log_values_total",
    "Lines that matched the pattern, by what its named groups matched: a label for each of them.",
    "counter",
    _PATTERN,
)
COUNTED: Final = (MATCHES, REPEATS, VALUES)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_TAKEN: Final = frozenset({"pattern", "job", "instance", "service"})
# With any of these a pattern may match a line and yet not a block that holds the line.
_BY_LINE: Final = re.compile(r"\\[Az]|\(\?[A-Za-z]*-")
_NUMBERS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class LineRegex:
    """A regular expression of RE2's kind for one line; a dot does not match the end of a line."""

    text: str
    line: Regex = field(init=False, repr=False, compare=False)
    block: Regex | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", compiled(self.text, dot_all=False))
        object.__setattr__(self, "block", _of_block(self.text))

    @classmethod
    def parse(cls, text: str) -> LineRegex:
        """Read the expression or raise ``Misfit``."""
        return cls(text)

    def may_be_in(self, block: str) -> bool:
        """Tell whether a line of this block may match."""
        return self.block is None or self.block.search(block) is not None


def _of_block(text: str) -> Regex | None:
    """Return what matches every block with a line that matches ``text``; None if nothing does."""
    if _BY_LINE.search(text):
        return None
    try:
        return compiled(f"(?m){text}", dot_all=False)
    except Misfit:
        return None  # too long with those four more characters


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to count.

    ``pattern`` names it in the label, ``regex`` is searched for in each line, and a line that also matches
    ``unless`` is left out. A line that differs only in its numbers from one counted less than ``once_per``
    before is not counted again. Named groups, as in ``(?P<status>5..)``, make the labels of
    ``beforehand_log_values_total``; beyond ``values_max`` combinations the rest is counted as ``other``.
    """

    pattern: str
    regex: LineRegex
    unless: LineRegex | None = None
    once_per: Duration = Duration(0)
    values_max: int = 20

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.pattern):
            cure = "write a word of up to 64 letters, digits and _ . : -"
            raise Misfit(f"{self.pattern[:80]!r} cannot name a pattern", cure, key="pattern")
        for name in self.regex.line.names:
            if name in _TAKEN or not name.isascii() or name.startswith("__"):
                raise Misfit(f"the group {name!r} cannot be a label", "name it otherwise", key="regex")
        if not 0 < self.values_max <= VALUES_MAX:
            raise Misfit(
                "values_max is out of its bounds", f"write a number from 1 to {VALUES_MAX}", key="values_max"
            )

    @property
    def groups(self) -> tuple[str, ...]:
        """The named groups of the expression."""
        return tuple(self.regex.line.names)


def check(wanted: tuple[Wanted, ...]) -> None:
    """Raise ``Misfit`` where two patterns share a name, or there are too many."""
    names = [one.pattern for one in wanted]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise Misfit(f"two patterns are named {twice!r}", "give each a name of its own", key="patterns")
    if sum(one.values_max for one in wanted if one.groups) > ALL_VALUES_MAX:
        cure = f"keep values_max of all within {ALL_VALUES_MAX} together"
        raise Misfit("the named groups may make too many series", cure, key="patterns")
    if len(names) > PATTERNS_MAX:
        raise Misfit("there are too many patterns", f"keep to {PATTERNS_MAX}", key="patterns")


@dataclass(slots=True)
class Count:
    """How often one pattern was found, and what was found last."""

    wanted: Wanted
    matches: int = 0
    repeats: int = 0
    excerpt: str = ""
    values: dict[tuple[str, ...], int] = field(default_factory=dict)
    recent: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def take(self, line: str, at_s: float) -> None:
        """Count a line if it matches; ``at_s`` is when, on the monotonic clock."""
        found = self.wanted.regex.line.search(line)
        if found is None or (self.wanted.unless and self.wanted.unless.line.search(line) is not None):
            return
        if self.wanted.once_per.ms and self._known(line, at_s):
            self.repeats += 1
            return
        self.matches += 1
        self.excerpt = printable(line, REMARK_CHARS_MAX)
        if self.wanted.groups:
            key = self._key(found)
            self.values[key] = self.values.get(key, 0) + 1

    def _known(self, line: str, at_s: float) -> bool:
        """Tell whether a line like this was counted a short time before; remember it if not."""
        shape = _NUMBERS.sub("#", line[:VALUES_MAX])
        before_s = self.recent.get(shape)
        if before_s is not None and at_s - before_s < self.wanted.once_per.s:
            return True
        self.recent[shape] = at_s
        self.recent.move_to_end(shape)
        if len(self.recent) > RECENT_MAX:
            self.recent.popitem(last=False)
        return False

    def _key(self, found: Match) -> tuple[str, ...]:
        key = tuple(printable(found[name], VALUE_CHARS_MAX) for name in self.wanted.groups)
        if key in self.values or len(self.values) < self.wanted.values_max:
            return key
        return (OTHER,) * len(key)

    def seen(self) -> Iterator[Sample | Remark]:
        """Yield the counters, and the last line that was not told yet."""
        name = self.wanted.pattern
        yield MATCHES(self.matches, pattern=name)
        if self.wanted.once_per.ms:
            yield REPEATS(self.repeats, pattern=name)
        for key, count in self.values.items():
            groups = dict(zip(self.wanted.groups, key, strict=True))
            yield Sample(Labels.of(groups, __name__=VALUES.name, pattern=name), float(count))
        if self.excerpt:
            yield Remark(Labels.of(pattern=name), self.excerpt)
            self.excerpt = ""


class Tally:
    """Counts what is looked for; a counter stands at 0 before its first line, so that one line shows."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._counts = [Count(one) for one in wanted]

    def take_block(self, block: str, at_s: float) -> None:
        """Count the lines of a block."""
        near = self._near(block)
        if near:
            self._count(near, block.removesuffix("\n").split("\n"), at_s)

    def take_records(self, records: list[str], at_s: float) -> None:
        """Count records, each of which may be of several lines."""
        near = self._near("\n".join(records))
        if near:
            self._count(near, records, at_s)

    def _near(self, block: str) -> list[Count]:
        """Return the counts of what may be in a block."""
        return [count for count in self._counts if count.wanted.regex.may_be_in(block)]

    def _count(self, near: list[Count], records: list[str], at_s: float) -> None:
        for record in records:
            for count in near:
                count.take(record, at_s)

    def seen(self) -> Iterator[Sample | Remark]:
        """Yield all counters, and the last lines that were not told yet."""
        for count in self._counts:
            yield from count.seen()
