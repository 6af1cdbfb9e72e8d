"""Incidents that are known to have happened, read from a CSV file, as the measure of a backtest."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from model.matcher import Matcher, Matchers
from model.misfit import Misfit, Place, Problem, Rejected
from rules.backtest.episode import Episode

EARLY_MS: Final = 3_600_000
"""An alert may tell of an incident so long before it begins."""

ROWS_MAX: Final = 100_000
FILE_BYTES_MAX: Final = 16 << 20

_SECONDS: Final = re.compile(r"[0-9]{1,11}(\.[0-9]+)?", re.ASCII)
_NAME: Final = re.compile(r"[^{}=~,\"]+")


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which something was broken; ``alerts`` tells which alerts may speak of it, None for any."""

    start_ms: int
    end_ms: int
    alerts: Matchers | None = None

    def covers(self, episode: Episode, until_ms: int) -> bool:
        """Tell whether an episode belongs to it: it fires in its time or within an hour before it."""
        if self.alerts is not None and not self.alerts.matches(episode.labels):
            return False
        ended_ms = episode.fired_ms + episode.length_ms(until_ms)
        return episode.fired_ms <= self.end_ms and ended_ms >= self.start_ms - EARLY_MS


def read_incidents(data: bytes, file: str) -> tuple[Incident, ...]:
    """Return the incidents of a CSV file ``start,end[,alerts]``, or raise ``Rejected`` with every mistake.

    Times are RFC 3339 or seconds since 1970; ``alerts`` is an alert's name or Alertmanager matchers. A first
    line without times is a heading.
    """
    problems: list[Problem] = []
    incidents: list[Incident] = []
    for line, cells in _lines(data, file):
        if line == 1 and cells[0].strip().lower() == "start":
            continue
        try:
            incidents.append(_incident(cells))
        except Misfit as wrong:
            problems.append(Problem(Place(file, line), wrong.sentence, wrong.cure))
    if problems:
        raise Rejected(tuple(problems))
    return tuple(incidents)


def _lines(data: bytes, file: str) -> Iterator[tuple[int, list[str]]]:
    if len(data) > FILE_BYTES_MAX:
        sentence = f"the file has more than {FILE_BYTES_MAX} bytes"
        raise Rejected((Problem(Place(file), sentence, "keep the incidents of one backtest"),))
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        for number, cells in enumerate(reader, 1):
            if number > ROWS_MAX:
                sentence = f"there are more than {ROWS_MAX} lines"
                raise Rejected((Problem(Place(file, number), sentence, "shorten it"),))
            if any(cells) and not cells[0].startswith("#"):
                yield reader.line_num, cells
    except (csv.Error, UnicodeDecodeError) as wrong:
        raise Rejected((Problem(Place(file), f"this is not CSV: {wrong}", "save it as UTF-8"),)) from None


def _incident(cells: list[str]) -> Incident:
    if not 2 <= len(cells) <= 3:
        raise Misfit(f"expected 2 or 3 columns, got {len(cells)}", "write start,end,alerts")
    start_ms, end_ms = _moment_ms(cells[0].strip()), _moment_ms(cells[1].strip())
    if end_ms < start_ms:
        raise Misfit("the incident ends before it begins", "write start,end")
    text = cells[2].strip() if len(cells) == 3 else ""
    if not text:
        return Incident(start_ms, end_ms)
    named = _NAME.fullmatch(text)
    alerts = Matchers((Matcher("alertname", "=", text),)) if named else Matchers.parse(text)
    return Incident(start_ms, end_ms, alerts)


def _moment_ms(text: str) -> int:
    if _SECONDS.fullmatch(text):
        return round(float(text) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misfit(f"{text[:40]!r} is not a time", "write it like 2026-05-04T10:00:00Z") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
