"""Reads what Prometheus would scrape: its text format 0.0.4 and OpenMetrics 1.0, strictly and within limits.

A text is taken whole or refused whole: ``Malformed`` says in which line and why. The formats are those of
https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/. A series stands once in a text; the several points in
time that OpenMetrics allows it are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, Protocol, get_args

from model.labels import NAME, Labels
from model.sample import LABEL_BYTES_MAX, Sample
from probes import openmetrics

Format = Literal["text", "openmetrics"]
Kind = Literal[
    "counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset", "gaugehistogram"
]

ACCEPT: Final = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
"""The header that asks for what is read here."""

_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_TEXT_KINDS: Final = ("counter", "gauge", "histogram", "summary", "untyped")
_TEXT_PARTS: Final = ("", "_bucket", "_sum", "_count")
_TIME_MS_MAX: Final = (1 << 63) - 1
_EXEMPLAR_CHARS_MAX: Final = 128


class Malformed(Exception):
    """A text is not in its format, or beyond a limit; ``line`` counts from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(f"line {line}: {sentence}")
        self.line = line
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one text may hold; ``label_bytes_max`` is that of a name and of a value, each."""

    samples_max: int = 10_000
    line_bytes_max: int = 65_536
    label_bytes_max: int = LABEL_BYTES_MAX
    labels_max: int = 64


@dataclass(frozen=True, slots=True)
class Family:
    """What a text says of a metric besides its samples."""

    name: str
    kind: Kind
    help: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Exposition:
    """One text: its families by name, and its samples in their order.

    ``times_ms`` has the time, in ms since 1970 in UTC, of each series whose sample carries one. ``known``
    makes the next text of the same source cheaper to read.
    """

    families: Mapping[str, Family]
    samples: tuple[Sample, ...]
    times_ms: Mapping[Labels, int]
    known: Mapping[str, Labels] = field(repr=False)


def format_of(content_type: str) -> Format:
    """Return the format that a Content-Type header tells; anything but OpenMetrics is the text format."""
    media, *_ = content_type.lower().split(";")
    return "openmetrics" if media.strip() == "application/openmetrics-text" else "text"


def parse(
    data: bytes, form: Format, limits: Limits = Limits(), known: Mapping[str, Labels] | None = None
) -> Exposition:
    """Return what a text exposes, or raise ``Malformed``; ``known`` is that of the text before, if any."""
    lines = _lines(data, limits)
    families: _Families = _TextFamilies()
    if form == "openmetrics":
        families = _OpenFamilies()
        if not lines or lines.pop() != "# EOF":
            raise Malformed(len(lines) + 1, "the text does not end with # EOF")
    reading = _Reading(_GRAMMARS[form], limits, known or {}, families)
    reading.read(lines)
    samples = tuple(map(Sample, reading.series, reading.values))
    families.judge(reading.lines, samples)
    return Exposition(families.by_name, samples, reading.times_ms, reading.seen)


def _lines(data: bytes, limits: Limits) -> list[str]:
    """Return the lines of a text, without their ends."""
    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        raise Malformed(data.count(b"\n", 0, wrong.start) + 1, "these bytes are not UTF-8") from None
    lines = text.split("\n")
    if lines.pop():
        raise Malformed(len(lines) + 1, "the last line does not end: the text was cut")
    for number, line in enumerate(lines, 1):
        if _longer(line, limits.line_bytes_max):
            raise Malformed(number, f"the line is longer than {limits.line_bytes_max} bytes")
    return lines


def _longer(text: str, bytes_max: int) -> bool:
    """Tell whether a text is longer in UTF-8, where a character takes four bytes at most."""
    return len(text) * 4 > bytes_max and len(text.encode()) > bytes_max


class _Grammar(NamedTuple):
    """The lines of a format.

    The groups of a sample are the series as it is written, its name, its label set, value, time, and the
    label set of an exemplar. No part gives back what it took: a hostile line costs no more than its length.
    """

    sample: re.Pattern[str]
    about: re.Pattern[str]
    ignored: re.Pattern[str]
    time: re.Pattern[str]
    time_ms: int


_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABEL: Final = r"[a-zA-Z_][a-zA-Z0-9_]*+"
_PAIR: Final = re.compile(rf'({_LABEL})[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"')

_B: Final = r"[ \t]*+"
_TEXT_PAIR: Final = rf'{_B}{_LABEL}{_B}={_B}"(?:[^"\\]|\\[\\"n])*+"{_B}'
_TEXT_SET: Final = rf"\{{(?:{_TEXT_PAIR}(?:,{_TEXT_PAIR})*+,?+)?+{_B}\}}"
_OPEN_PAIR: Final = rf'{_LABEL}="(?:[^"\\]|\\.)*+"'
_OPEN_SET: Final = rf"\{{(?:{_OPEN_PAIR}(?:,{_OPEN_PAIR})*+)?+\}}"

_GRAMMARS: Final[Mapping[Format, _Grammar]] = {
    "text": _Grammar(
        sample=re.compile(
            rf"{_B}(({_NAME})(?:{_B}({_TEXT_SET}))?+)(?:(?<=\}}){_B}|[ \t]++)"
            rf"([^ \t]++)(?:[ \t]++([^ \t]++))?+{_B}()"
        ),
        about=re.compile(rf"{_B}#{_B}(HELP|TYPE)[ \t]++({_NAME})(?:[ \t]++(.*+))?+"),
        ignored=re.compile(rf"{_B}(?:#{_B}(?!(?:HELP|TYPE)(?:[ \t]|$)).*+)?+"),
        time=re.compile(r"[-+]?[0-9]{1,19}"),
        time_ms=1,
    ),
    "openmetrics": _Grammar(
        sample=re.compile(
            rf"(({_NAME})({_OPEN_SET})?+) ([^ ]++)(?: ([^ #]++))?+(?: # ({_OPEN_SET}) [^ ]++(?: [^ ]++)?+)?+"
        ),
        about=re.compile(rf"# (HELP|TYPE|UNIT) ({_NAME})(?: (.*+))?+"),
        ignored=re.compile(r"(?!)"),
        time=re.compile(r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,2})?"),
        time_ms=1000,
    ),
}

_NUMBER: Final = re.compile(
    r"[-+]?+(?:(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+|inf(?:inity)?+|nan)", re.IGNORECASE
)
_ESCAPE: Final = re.compile(r'\\([\\"n])')


def _number(line: int, text: str) -> float:
    """Return a value; what overflows is refused, as Go refuses it, in which most readers are written."""
    value = float(text) if _NUMBER.fullmatch(text) else None
    if value is None or (math.isinf(value) and "n" not in text.lower()):
        raise Malformed(line, f"{_shown(text)} is not a number")
    return value


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def _shown(text: str) -> str:
    return repr(text[:60])


class _Families(Protocol):
    """What one text says of its families."""

    by_name: dict[str, Family]

    def tell(self, line: int, word: str, name: str, rest: str) -> None:
        """Take a HELP, TYPE or UNIT line."""

    def enter(self, line: int, name: str, /) -> None:
        """Take note that samples of this name begin here."""

    def judge(self, lines: Sequence[int], samples: Sequence[Sample], /) -> None:
        """Judge the samples when all have been read."""


@dataclass(slots=True)
class _Reading:
    """One text on the way from its lines to its samples."""

    grammar: _Grammar
    limits: Limits
    known: Mapping[str, Labels]
    families: _Families
    lines: list[int] = field(default_factory=list)
    series: list[Labels] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    seen: dict[str, Labels] = field(default_factory=dict)
    times_ms: dict[Labels, int] = field(default_factory=dict)

    def read(self, texts: list[str]) -> None:
        """Read every line; one whose series is known is only parted at its last space."""
        known, seen, entered = self.known, self.seen, ""
        for line, text in enumerate(texts, 1):
            series, _, value = text.rpartition(" ")
            labels = known.get(series)
            if labels is None:
                found = self.grammar.sample.fullmatch(text)
                if found is None:
                    self._about(line, text)
                    entered = ""
                    continue
                series, value = found[1], found[4]
                labels = known.get(series) or self._labels(line, found[2], found[3] or "")
                self._extras(line, labels, found[5], found[6])
            name = labels[NAME]
            if name != entered:
                self.families.enter(line, name)
                entered = name
            seen[series] = labels
            if len(self.lines) >= self.limits.samples_max:
                raise Malformed(line, f"there are more than {self.limits.samples_max} samples")
            self.lines.append(line)
            self.series.append(labels)
            self.values.append(_number(line, value))
        self._once()

    def _about(self, line: int, text: str) -> None:
        if self.grammar.ignored.fullmatch(text):
            return
        found = self.grammar.about.fullmatch(text)
        if found is None:
            raise Malformed(line, f"{_shown(text)} is neither a sample nor a comment of this format")
        self._bounded(line, found[2])
        self.families.tell(line, found[1], found[2], found[3] or "")
        if len(self.families.by_name) > self.limits.samples_max:
            raise Malformed(line, f"there are more than {self.limits.samples_max} families")

    def _labels(self, line: int, name: str, label_set: str) -> Labels:
        pairs: list[tuple[str, str]] = _PAIR.findall(label_set)
        if "\\" in label_set:
            pairs = [(label, _unescaped(raw)) for label, raw in pairs]
        names = {label for label, _ in pairs}
        if len(names) < len(pairs):
            raise Malformed(line, "a label stands twice")
        if NAME in names:
            raise Malformed(line, f"{NAME} is not a label to write")
        if len(names) > self.limits.labels_max:
            raise Malformed(line, f"there are more than {self.limits.labels_max} labels")
        if (len(name) + len(label_set)) * 4 > self.limits.label_bytes_max:
            self._bounded(line, name)
            for label, value in pairs:
                self._bounded(line, label)
                self._bounded(line, value)
        pairs.append((NAME, name))
        return Labels(tuple(sorted(pair for pair in pairs if pair[1])))

    def _bounded(self, line: int, text: str) -> None:
        if _longer(text, self.limits.label_bytes_max):
            raise Malformed(line, f"a name or label is longer than {self.limits.label_bytes_max} bytes")

    def _extras(self, line: int, labels: Labels, time: str | None, exemplar: str | None) -> None:
        """Take the time of a sample, and leave its exemplar after a look at it."""
        if time is not None:
            if not self.grammar.time.fullmatch(time):
                raise Malformed(line, f"{_shown(time)} is not a time")
            time_ms = int(time) if self.grammar.time_ms == 1 else round(float(time) * self.grammar.time_ms)
            if abs(time_ms) > _TIME_MS_MAX:
                raise Malformed(line, f"{_shown(time)} is not a time")
            self.times_ms[labels] = time_ms
        if exemplar:
            if not labels[NAME].endswith(("_total", "_bucket")):
                raise Malformed(line, "only a counter and a bucket have exemplars")
            if sum(len(label) + len(_unescaped(raw)) for label, raw in _PAIR.findall(exemplar)) > (
                _EXEMPLAR_CHARS_MAX
            ):
                raise Malformed(line, f"the exemplar's labels are over {_EXEMPLAR_CHARS_MAX} characters")

    def _once(self) -> None:
        """Refuse a series that stands twice, however it is written."""
        if len(set(self.series)) == len(self.series):
            return
        met: set[Labels] = set()
        for line, labels in zip(self.lines, self.series, strict=True):
            if labels in met:
                raise Malformed(line, f"the series {str(labels)[:200]} stands twice")
            met.add(labels)


@dataclass(slots=True)
class _TextFamilies:
    """Families of the text format, whose lines may stand anywhere but for TYPE before the samples."""

    by_name: dict[str, Family] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)
    sampled: set[str] = field(default_factory=set)

    def tell(self, line: int, word: str, name: str, rest: str) -> None:
        """Take a HELP or TYPE line."""
        if (word, name) in self.told:
            raise Malformed(line, f"there is a second {word} line for {name}")
        self.told.add((word, name))
        family = self.by_name.get(name) or Family(name, "untyped")
        rest = rest.rstrip(" \t")
        if word == "HELP":
            family = replace(family, help=_unescaped(rest))
        elif rest not in _TEXT_KINDS:
            raise Malformed(line, f"{_shown(rest)} is not a type of the text format")
        elif name in self.sampled:
            raise Malformed(line, f"the type of {name} comes after its samples")
        else:
            family = replace(family, kind=_KINDS[rest])
        self.by_name[name] = family

    def enter(self, _line: int, name: str) -> None:
        """Note a name; which family it belongs to is known at the end."""
        self.sampled.add(name)

    def judge(self, _lines: Sequence[int], _samples: Sequence[Sample]) -> None:
        """Add a family for each name of samples of which nothing was said."""
        owned = {
            family.name + part
            for family in self.by_name.values()
            if family.kind in ("histogram", "summary")
            for part in _TEXT_PARTS
        }
        for name in sorted(self.sampled - owned - self.by_name.keys()):
            self.by_name[name] = Family(name, "untyped")


@dataclass(slots=True)
class _OpenFamilies:
    """Families of OpenMetrics: the lines of each stand together, those about it before its samples."""

    by_name: dict[str, Family] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    current: str = ""

    def tell(self, line: int, word: str, name: str, rest: str) -> None:
        """Take a HELP, TYPE or UNIT line."""
        family = self.by_name[name] if name == self.current else self._begin(line, name)
        if word in self.told:
            raise Malformed(line, f"a second {word} line for {name}, or one after its samples")
        self.told.add(word)
        if word == "HELP":
            family = replace(family, help=_unescaped(rest))
        elif word == "UNIT":
            if rest and not name.endswith(f"_{rest}"):
                raise Malformed(line, f"the name {name} does not end in its unit {_shown(rest)}")
            family = replace(family, unit=rest)
        else:
            if rest not in _KINDS or rest == "untyped":
                raise Malformed(line, f"{_shown(rest)} is not a type of OpenMetrics")
            family = replace(family, kind=_KINDS[rest])
            for suffix in openmetrics.SUFFIXES.get(rest, ()):
                self._own(line, name + suffix, name)
        self.by_name[name] = family

    def enter(self, line: int, name: str) -> None:
        """Begin the samples of a family, or go on with them."""
        if self.owner.get(name) != self.current or not self.current:
            self._begin(line, name)
        self.told = {"HELP", "TYPE", "UNIT"}

    def judge(self, lines: Sequence[int], samples: Sequence[Sample]) -> None:
        """Hold the samples of each family to what its type demands."""
        by_family: dict[str, list[openmetrics.Row]] = {}
        for line, sample in zip(lines, samples, strict=True):
            row = openmetrics.Row(line, sample)
            by_family.setdefault(self.owner[sample.labels[NAME]], []).append(row)
        for name, its_rows in by_family.items():
            wrong = openmetrics.flaw(name, self.by_name[name].kind, its_rows)
            if wrong:
                raise Malformed(*wrong)

    def _begin(self, line: int, name: str) -> Family:
        if name in self.owner:
            raise Malformed(line, f"{name} stands apart from the rest of its family {self.owner[name]}")
        self.current, self.told = name, set()
        self.owner[name] = name
        family = self.by_name[name] = Family(name, "unknown")
        return family

    def _own(self, line: int, name: str, family: str) -> None:
        if self.owner.setdefault(name, family) != family:
            raise Malformed(line, f"{name} belongs to the families {self.owner[name]} and {family}")
