"""What OpenMetrics 1.0 demands of a family's samples beyond their form, by the family's type.

The source is https://prometheus.io/docs/specs/om/open_metrics_spec/, "Metric Types".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from model.labels import NAME, Labels
from model.sample import Sample

SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("", "_sum", "_count", "_created"),
    "info": ("_info",),
}
"""What stands behind a family's name in the names of its samples; of the other types nothing."""

_NEVER_NEGATIVE: Final = ("_total", "_bucket", "_count", "_gcount")
_PART: Final[Mapping[str, str]] = {"histogram": "le", "gaugehistogram": "le", "summary": "quantile"}


class Row(NamedTuple):
    """A sample and the line that it stands in."""

    line: int
    sample: Sample


Flaw = tuple[int, str]
"""A line, and a sentence that says what is wrong there."""


def flaw(name: str, kind: str, rows: Sequence[Row]) -> Flaw | None:
    """Return the first thing that is wrong with the samples of one family."""
    return next(_flaws(name, kind, rows), None)


def _flaws(name: str, kind: str, rows: Sequence[Row]) -> Iterator[Flaw]:
    if kind not in SUFFIXES and kind not in _OF_ONE:
        return
    suffixes, met = SUFFIXES.get(kind, ("",)), set()
    for line, sample in rows:
        suffix = sample.labels[NAME][len(name) :]
        if suffix not in suffixes:
            yield line, f"a {kind} {name} has no sample {name}{suffix}"
        elif suffix in _NEVER_NEGATIVE and not sample.value >= 0:
            yield line, f"{name}{suffix} counts, and {sample.value} is no count"
        elif kind in _OF_ONE:
            yield from ((line, sentence) for sentence in _OF_ONE[kind](name, sample))
        met.add(suffix)
    if len(met) > 1 or kind in _PART:
        yield from _of_groups(name, kind, rows)


def _info(name: str, sample: Sample) -> Iterator[str]:
    if sample.value != 1:
        yield f"{name}_info is {sample.value}, and an info is 1"


def _stateset(name: str, sample: Sample) -> Iterator[str]:
    if sample.value not in (0, 1):
        yield f"a state of {name} is {sample.value}, neither 0 nor 1"
    if name not in sample.labels:
        yield f"a state of {name} does not say which in a label {name}"


_OF_ONE: Final[Mapping[str, Callable[[str, Sample], Iterator[str]]]] = {"info": _info, "stateset": _stateset}


def _of_groups(name: str, kind: str, rows: Sequence[Row]) -> Iterator[Flaw]:
    """Judge together what belongs together: the samples that differ only in what tells the parts apart."""
    part = _PART.get(kind, "")
    groups: dict[Labels, list[Row]] = {}
    last: Labels | None = None
    for row in rows:
        group = row.sample.labels.without((NAME, part))
        if group is not last and group in groups:
            yield row.line, f"the samples of {name}{group} do not stand together"
        groups.setdefault(group, []).append(row)
        last = group
    for group_rows in groups.values():
        if kind == "summary":
            yield from _summary(name, group_rows)
        elif part:
            yield from _histogram(name, group_rows)


def _summary(name: str, rows: Sequence[Row]) -> Iterator[Flaw]:
    for line, sample in rows:
        if sample.labels[NAME] == name and not 0 <= _number(sample.labels.get("quantile")) <= 1:
            yield line, f"a quantile of {name} is not between 0 and 1"


def _histogram(name: str, rows: Sequence[Row]) -> Iterator[Flaw]:
    """Judge one histogram: its buckets rise to +Inf, and what it counts and sums agrees with them."""
    found = {row.sample.labels[NAME][len(name) :]: row for row in rows}
    bound, count = -math.inf, 0.0
    for line, sample in rows:
        if sample.labels[NAME] != f"{name}_bucket":
            continue
        le = _number(sample.labels.get("le"))
        if not le > bound:
            yield line, f"the buckets of {name} do not rise"
        if sample.value < count:
            yield line, f"a bucket of {name} holds less than the one below it"
        bound, count = le, sample.value
    line = rows[0].line
    if bound != math.inf:
        yield line, f"{name} has no bucket +Inf"
    for counts, sums in (("_count", "_sum"), ("_gcount", "_gsum")):
        if (counts in found) is not (sums in found):
            yield line, f"{name}{counts} and {name}{sums} come together or not at all"
        if counts in found and found[counts].sample.value != count:
            yield found[counts].line, f"{name}{counts} is not what its bucket +Inf holds"


def _number(text: str) -> float:
    """Return a bound or quantile, or NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
