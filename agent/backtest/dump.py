"""Samples with times from a text file: OpenMetrics, or Prometheus' text format.

Such a file may hold one series after the other, so it is sorted first: each line goes into a file of its
hour, in a directory that is deleted afterwards. Neither step holds more than an hour's samples in memory.
"""

from __future__ import annotations

import io
import math
import os
import re
import tempfile
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from model.labels import NAME, Labels
from model.misfit import Place, Problem, Rejected
from rules.backtest import Page, Sheet
from rules.store.store import PART

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
LINE_CHARACTERS_MAX: Final = 64 << 10
SERIES_MAX: Final = 500_000
SORTED_BYTES_MAX: Final = 8 << 30

_PER_SAMPLE: Final = 3  # series number, time in ms and value, each a double
_FLUSH_NUMBERS: Final = _PER_SAMPLE * 4_096
_TAIL_BYTES: Final = 64

_LINE: Final = re.compile(
    r'(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})?|\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})'
    r"[ \t]+(?P<value>[^\s#]+)(?:[ \t]+(?P<time>[^\s#]+))?[ \t]*(?:#.*)?"
)

_HEARD: Final = Labels.of({PART: "heard"})

Wanted = Callable[[str], bool]


class Dump:
    """The samples of one file, sorted by hours; close it to delete what was sorted.

    ``first_ms`` and ``last_ms`` are the times of its oldest and newest sample.
    """

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self._path = path
        self._wanted = wanted
        self._directory = tempfile.TemporaryDirectory(prefix="beforehand-backtest-")
        self._series: dict[str, int] = {}
        self._labels: list[Labels] = []
        self._buffers: dict[int, array[float]] = {}
        self._bytes = 0
        self._heard: dict[int, int] = {}  # the first sample of each minute, wanted or not
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        try:
            self._sort()
        except BaseException:  # whatever ended the sorting, its files are deleted before it goes on
            self.close()
            raise

    def close(self) -> None:
        """Delete what was sorted."""
        self._directory.cleanup()

    def pages(self, since_ms: int, until_ms: int) -> Iterator[Page]:
        """Yield the samples from one time to another, hour by hour."""
        hours: dict[int, list[int]] = {}
        for minute in sorted(self._heard):
            hours.setdefault(minute * MINUTE_MS // HOUR_MS, []).append(self._heard[minute])
        for hour, heard in hours.items():
            first_ms = hour * HOUR_MS
            if first_ms + HOUR_MS > since_ms and first_ms <= until_ms:
                # Something was recorded then, even where nothing of it is wanted.
                marks = Sheet(_HEARD, array("q", heard), {})
                sheets = (marks, *self._sheets(self._file(hour)))
                yield Page(max(sheet.times[-1] for sheet in sheets), sheets)

    def _sort(self) -> None:
        """Read the file line by line into its hours."""
        try:
            with self._path.open("rb") as raw:
                unit_ms = 1000.0 if _is_openmetrics(raw) else 1.0
                text = io.TextIOWrapper(raw, encoding="utf-8", errors="strict", newline="\n")
                number = 0
                while line := text.readline(LINE_CHARACTERS_MAX):
                    number += 1
                    self._take(line.rstrip("\r\n"), number, unit_ms)
        except OSError as wrong:
            raise self._refused(1, f"the file cannot be read: {wrong.strerror}", "check its path") from None
        except UnicodeDecodeError:
            raise self._refused(number + 1, "this line is not UTF-8", "write the dump anew") from None
        for hour in list(self._buffers):
            self._flush(hour)

    def _take(self, line: str, number: int, unit_ms: float) -> None:
        if not line or line.startswith("#"):
            return
        shape = _LINE.fullmatch(line)
        if shape is None:
            raise self._refused(number, "this is no sample", 'write it like up{job="a"} 1 1700000000')
        series = self._series.get(shape["series"])
        if series is None:
            series = self._meet(shape["series"], number)
        if shape["time"] is None:
            raise self._refused(number, "the sample has no time", "dump samples with their times")
        try:
            value, at_ms = float(shape["value"]), round(float(shape["time"]) * unit_ms)
        except (ValueError, OverflowError):
            raise self._refused(number, "value and time must be numbers", "write the dump anew") from None
        if self.first_ms is None or self.last_ms is None:
            self.first_ms = self.last_ms = at_ms
        self.first_ms, self.last_ms = min(self.first_ms, at_ms), max(self.last_ms, at_ms)
        self._heard.setdefault(at_ms // MINUTE_MS, at_ms)
        if series >= 0:
            self._keep(series, at_ms, value)

    def _keep(self, series: int, at_ms: int, value: float) -> None:
        hour = at_ms // HOUR_MS
        buffer = self._buffers.get(hour)
        if buffer is None:
            buffer = self._buffers[hour] = array("d")
        buffer.extend((series, at_ms, value))
        if len(buffer) >= _FLUSH_NUMBERS:
            self._flush(hour)

    def _meet(self, text: str, number: int) -> int:
        """Return the number of a series that was not met before, or -1 where its metric is not wanted."""
        if len(self._series) >= SERIES_MAX:
            raise self._refused(number, f"there are more than {SERIES_MAX} series", "dump fewer of them")
        try:
            sample = next(iter(text_string_to_metric_families(f"{text} 0\n"))).samples[0]
        except (ValueError, StopIteration, IndexError):
            raise self._refused(number, f"{text[:60]!r} is no series", "write the dump anew") from None
        place = -1
        if self._wanted(sample.name):
            place = len(self._labels)
            self._labels.append(Labels.of(sample.labels, **{NAME: sample.name}))
        self._series[text] = place
        return place

    def _flush(self, hour: int) -> None:
        """Append what was gathered to the hour's file; there may be more hours than files can be open."""
        buffer = self._buffers.pop(hour)
        self._bytes += len(buffer) * buffer.itemsize
        if self._bytes > SORTED_BYTES_MAX:
            raise self._refused(1, f"the samples pass {SORTED_BYTES_MAX >> 30} GiB", "dump a shorter time")
        with self._file(hour).open("ab") as file:
            buffer.tofile(file)

    def _file(self, hour: int) -> Path:
        return Path(self._directory.name) / str(hour)

    def _sheets(self, file: Path) -> Iterator[Sheet]:
        """Yield the samples of an hour, series by series; a NaN ends one, since dumps write staleness so."""
        numbers: array[float] = array("d")
        numbers.frombytes(file.read_bytes() if file.exists() else b"")
        rows = sorted(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True), key=lambda row: row[:2])
        times: array[int] = array("q")
        values: array[float] = array("d")
        for index, (series, at_ms, value) in enumerate(rows):
            labels = self._labels[int(series)]
            if not times or int(at_ms) > times[-1]:
                if math.isnan(value):
                    if times:
                        yield Sheet(labels, times, {labels: values})
                    yield Sheet(labels, array("q", (int(at_ms),)), {})
                    times, values = array("q"), array("d")
                else:
                    times.append(int(at_ms))
                    values.append(value)
            last = index + 1 == len(rows) or rows[index + 1][0] != series
            if last and times:
                yield Sheet(labels, times, {labels: values})
                times, values = array("q"), array("d")

    def _refused(self, line: int, sentence: str, cure: str) -> Rejected:
        return Rejected((Problem(Place(str(self._path), line), sentence, cure),))


def _is_openmetrics(file: io.BufferedReader) -> bool:
    """Tell whether a file ends as OpenMetrics must: its times are seconds, Prometheus' are milliseconds."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES).rstrip()
    file.seek(0)
    return tail.endswith(b"# EOF")
