"""Recordings: samples of the past in the order of time, many rows of a block at once, as columns.

A page holds all that was recorded within some time, so that a replay can judge up to its end.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from model.labels import Labels
from rules.store.log import Change, read_changes

PAGE_MS: Final = 3_600_000
ROWS_MAX: Final = 4_096

Wanted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of one block: their times, and the values of each series in all of them.

    ``key`` is the block's in the store: a target, or a series that stands alone.
    """

    key: Labels
    times: array[int]
    columns: Mapping[Labels, array[float]]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that was recorded up to a time, in ms since 1970 in UTC, and after the page before."""

    until_ms: int
    sheets: tuple[Sheet, ...]


@dataclass(slots=True)
class _Open:
    """The rows of one block that are being gathered: the newest values, and all of them row by row."""

    labels: list[Labels] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    newest: array[float] = field(default_factory=lambda: array("d"))
    times: array[int] = field(default_factory=lambda: array("q"))
    rows: array[float] = field(default_factory=lambda: array("d"))

    def put(self, change: Change) -> None:
        """Take over the values that changed; raises ``KeyError`` for a series without a place."""
        places, newest = self.places, self.newest
        for number, value in zip(change.ids, change.values, strict=True):
            place = places[number]
            if place >= 0:
                newest[place] = value

    def sheet(self, key: Labels) -> Sheet:
        """Return what was gathered, and gather anew."""
        width = len(self.labels)
        columns = {labels: self.rows[index::width] for index, labels in enumerate(self.labels)}
        sheet = Sheet(key, self.times, columns)
        self.times, self.rows = array("q"), array("d")
        return sheet


class Recording:
    """Turns the records of a sample log into pages; only the series of ``wanted`` metrics are kept."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._open: dict[Labels, _Open] = {}
        self._done: list[Sheet] = []
        self._edge_ms = 0
        self._newest_ms = 0

    def pages(self, paths: Iterable[Path], since_ms: int, until_ms: int) -> Iterator[Page]:
        """Yield what segments hold, from one time to another."""
        for change, labels in self._changes(paths):
            if change.at_ms > until_ms:
                break
            new = change.key not in self._open
            if change.at_ms >= since_ms and (new or change.at_ms > self._edge_ms):
                # A new block may take over series of another, so what was before is told first.
                yield from self._turn(change.at_ms)
            self._take(change, labels)
            if change.at_ms < since_ms:
                self._drop(change.key)
        yield from self._turn(self._newest_ms)

    def _changes(self, paths: Iterable[Path]) -> Iterator[tuple[Change, Mapping[int, Labels]]]:
        for path in paths:
            for opened in self._open.values():
                opened.places.clear()  # A segment counts its ids anew, and begins each key with all values.
            yield from read_changes(path)

    def _turn(self, at_ms: int) -> Iterator[Page]:
        for key, opened in self._open.items():
            if opened.times:
                self._done.append(opened.sheet(key))
        self._edge_ms = at_ms + PAGE_MS
        if self._done:
            yield Page(self._newest_ms, tuple(self._done))
            self._done = []

    def _take(self, change: Change, labels: Mapping[int, Labels]) -> None:
        opened = self._open.setdefault(change.key, _Open())
        try:
            if change.ended:
                self._arrange(opened, change, labels)
            opened.put(change)
        except KeyError:  # a series that was not there before
            self._arrange(opened, change, labels)
            opened.put(change)
        opened.times.append(change.at_ms)
        opened.rows.extend(opened.newest)
        self._newest_ms = max(self._newest_ms, change.at_ms)
        if len(opened.times) >= ROWS_MAX:
            self._done.append(opened.sheet(change.key))

    def _arrange(self, opened: _Open, change: Change, labels: Mapping[int, Labels]) -> None:
        """Begin a new sheet, because the row has other series than the one before."""
        if opened.times:
            self._done.append(opened.sheet(change.key))
        kept = {
            number: opened.newest[place] if place >= 0 else 0.0
            for number, place in opened.places.items()
            if number not in change.ended
        }
        kept |= {number: 0.0 for number in change.ids if number not in kept}
        opened.labels, opened.places, opened.newest = [], {}, array("d")
        for number, value in kept.items():
            wanted = self._wanted(labels[number].name)
            opened.places[number] = len(opened.labels) if wanted else -1
            if wanted:
                opened.labels.append(labels[number])
                opened.newest.append(value)

    def _drop(self, key: Labels) -> None:
        opened = self._open[key]
        opened.times, opened.rows = array("q"), array("d")
