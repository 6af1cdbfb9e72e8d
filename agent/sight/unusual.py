"""Unusual behaviour: a detector beside each series that ops name, and its score as a series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from model.duration import Duration, seconds
from model.labels import NAME, Labels
from model.misfit import Misfit
from model.sample import Metric, Sample
from rules.promql.parser import parse
from rules.promql.syntax import Shift, VectorSelector
from rules.store.store import LOOKBACK_MS, Selector, Store
from rules.unusual import FORM, Detector, Lost, recalled, remembered

EVERY_MIN: Final = seconds(1)
EVERY_MAX: Final = seconds(3600)
SERIES_MAX: Final = 10_000
SAMPLES_MAX: Final = 20_000
"""How many samples one look takes, about."""

_SCORE_NAME: Final = "beforehand_anomaly_score"
SCORE: Final = Metric(
    _SCORE_NAME,
    "How unusual a series has just become: 0 usual, 0.99 worth a look, towards 1. It has the labels of the"
    " series as well.",
    labels=("metric",),
)

_COUNTERS: Final = ("_total", "_count", "_sum", "_bucket")
_PORTION_MS: Final = 600_000
_FORGOTTEN_MS: Final = 86_400_000


class SeriesName(str):
    """Which series: a metric name, with matchers in braces if need be, as in PromQL."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> SeriesName:
        """Take a selector, and nothing around it."""
        cls(text).selector()
        return cls(text)

    def selector(self) -> Selector:
        """Return what a store can select by."""
        node = parse(self)
        if not isinstance(node, VectorSelector) or node.shift != Shift():
            cure = 'write one like node_load1 or x{phase="connect"}'
            raise Misfit(f"{self[:60]!r} does not name series", cure)
        return node.selector


@dataclass(frozen=True, slots=True)
class UnusualTerms:
    """Which series are watched for unusual behaviour, under ``unusual:``.

    Each series that ``series`` names, such as ``node_load1`` or ``probe_duration_seconds{service="shop"}``,
    gets a series ``beforehand_anomaly_score`` with its labels and ``metric``. Its values are averaged over
    ``every`` first; of counters the rate is taken. At most ``series_max`` are watched; each takes about 6 kB.
    """

    series: tuple[SeriesName, ...] = ()
    every: Duration = seconds(60)
    series_max: int = 500

    def __post_init__(self) -> None:
        if not EVERY_MIN <= self.every <= EVERY_MAX:
            raise Misfit(
                f"every: {self.every} is out of range", f"choose {EVERY_MIN} to {EVERY_MAX}", key="every"
            )
        if not 1 <= self.series_max <= SERIES_MAX:
            raise Misfit("series_max is out of range", f"choose 1 to {SERIES_MAX}", key="series_max")


USUAL: Final = UnusualTerms()


class _Watched:
    """One series: its detector, and what has come since the detector was last told."""

    __slots__ = ("_before", "_count", "_counter", "_slot", "_sum", "at_ms", "detector", "labels", "score")

    def __init__(self, series: Labels, detector: Detector) -> None:
        self.labels = series.having({NAME: _SCORE_NAME, "metric": series.name})
        self.detector = detector
        self.score = 0.0
        self.at_ms = 0
        self._counter = series.name.endswith(_COUNTERS)
        self._before: tuple[int, float] | None = None
        self._slot = self._count = 0
        self._sum = 0.0

    def take(self, at_ms: int, value: float, every_ms: int) -> None:
        """Take a sample; the first one of a slot ends the slot before."""
        slot = at_ms // every_ms
        if slot != self._slot:
            if self._count:
                self.score = self.detector.score((self._slot + 1) * every_ms, self._sum / self._count)
            self._slot, self._sum, self._count = slot, 0.0, 0
        size = self._rate(at_ms, value) if self._counter else value
        if size is not None:
            self._sum += size
            self._count += 1
        self.at_ms = at_ms

    def _rate(self, at_ms: int, value: float) -> float | None:
        """Return how much a counter grew per second; nothing is known where it began anew."""
        before, self._before = self._before, (at_ms, value)
        if before is None or value < before[1]:
            return None
        return (value - before[1]) * 1000 / (at_ms - before[0])


@dataclass(slots=True)
class Unusual:
    """All detectors; used by the loop's thread only."""

    terms: UnusualTerms = USUAL
    _selectors: tuple[Selector, ...] = ()
    _watched: dict[Labels, _Watched] = field(default_factory=dict)
    _after_ms: int = 0

    def __post_init__(self) -> None:
        self.use(self.terms)

    def use(self, terms: UnusualTerms) -> None:
        """Go on with other terms; what stays watched is not forgotten."""
        if terms.every != self.terms.every:
            self._watched.clear()
        self.terms = terms
        self._selectors = tuple(name.selector() for name in terms.series)

    def look(self, store: Store, now_ms: int) -> tuple[Sample, ...]:
        """Learn from what the store got since the last look, and return the score of each series.

        After a start, and after a long time without a look, the past is caught up with in several looks.
        """
        taken = 0
        self._after_ms = max(self._after_ms, now_ms - store.retention_ms)
        while self._after_ms < now_ms and taken < SAMPLES_MAX:
            until_ms = min(now_ms, self._after_ms + _PORTION_MS)
            for selector in self._selectors:
                for series, times, values in store.windows(selector, self._after_ms, until_ms):
                    self._take(series, times, values)
                    taken += len(times)
            self._after_ms = until_ms
        self._forget(now_ms)
        return tuple(
            Sample(one.labels, one.score)
            for one in self._watched.values()
            if one.at_ms > now_ms - LOOKBACK_MS
        )

    def _take(self, series: Labels, times: Sequence[int], values: Sequence[float]) -> None:
        if series.name == _SCORE_NAME:
            return
        watched = self._watched.get(series)
        if watched is None:
            if len(self._watched) >= self.terms.series_max:
                return
            watched = self._watched[series] = _Watched(series, Detector())
        every_ms = self.terms.every.ms
        for at_ms, value in zip(times, values, strict=True):
            # A series that two selectors name is seen twice.
            if at_ms > watched.at_ms:
                watched.take(at_ms, value, every_ms)

    def _forget(self, now_ms: int) -> None:
        gone = [series for series, one in self._watched.items() if one.at_ms <= now_ms - _FORGOTTEN_MS]
        for series in gone:
            del self._watched[series]

    def known(self) -> object:
        """Return what all detectors know, as JSON can hold it."""
        return {
            "form": FORM,
            "every_ms": self.terms.every.ms,
            "series": [
                [list(series.pairs), one.at_ms, remembered(one.detector)]
                for series, one in self._watched.items()
            ],
        }

    def recall(self, known: object) -> None:
        """Take up what ``known`` returned in an earlier life; what does not fit is left out."""
        if not isinstance(known, dict) or known.get("form") != FORM:
            return
        if known.get("every_ms") == self.terms.every.ms:
            for series, at_ms, detector in _rows(known.get("series")):
                if len(self._watched) < self.terms.series_max:
                    watched = self._watched[series] = _Watched(series, detector)
                    watched.at_ms = at_ms


def _rows(rows: object) -> Iterator[tuple[Labels, int, Detector]]:
    for row in rows if isinstance(rows, list) else ():
        try:
            pairs, at_ms, detector = row
            yield Labels.of((str(name), str(value)) for name, value in pairs), int(at_ms), recalled(detector)
        except (TypeError, ValueError, Lost):
            continue
