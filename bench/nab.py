"""The Numenta Anomaly Benchmark's corpus, and its score for a detector.

The score is that of the benchmark's white paper and of its own ``nab/sweeper.py``: of each window around a
labelled anomaly the first detection counts, the earlier the more; each detection outside costs, and costs
less shortly after a window; one threshold holds for the whole corpus, the one that is best for the
detector. 0 is what a detector gets that finds nothing, 100 what one gets that finds everything at once and
nothing else.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

PROBATION: Final = 0.15
PROBATION_ROWS_MAX: Final = 5000


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit is worth, and what a missed window and a false alarm cost."""

    name: str
    hit: float
    miss: float
    alarm: float


PROFILES: Final = (
    Profile("standard", 1.0, 1.0, 0.11),
    Profile("reward_low_FP_rate", 1.0, 1.0, 0.22),
    Profile("reward_low_FN_rate", 1.0, 2.0, 0.11),
)


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of the corpus; a window is its first and its last row."""

    name: str
    times_ms: Sequence[int]
    values: Sequence[float]
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> float:
        """How many rows at the beginning are not judged."""
        return min(math.floor(PROBATION * len(self.values)), PROBATION * PROBATION_ROWS_MAX)


@dataclass(frozen=True, slots=True)
class Point:
    """What a detection at one judged row is worth; ``window`` is None outside of every window."""

    row: int
    worth: float
    window: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Result:
    """The best score of a detector, its threshold, and what it ``found`` and falsely alarmed there."""

    profile: str
    score: float
    threshold: float
    found: int
    windows: int
    alarms: int


def read_corpus(root: Path) -> list[DataFile]:
    """Read every labelled file below ``data/`` of a checkout of the benchmark."""
    labels: dict[str, list[list[str]]] = json.loads((root / "labels/combined_windows.json").read_text())
    return [_read(root / "data" / name, name, windows) for name, windows in sorted(labels.items())]


def _read(path: Path, name: str, windows: list[list[str]]) -> DataFile:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [_ms(row["timestamp"]) for row in rows]
    spans = []
    after = 0
    for first, last in windows:
        begin = times.index(_ms(first), after)
        after = times.index(_ms(last), begin)
        spans.append((begin, after))
    return DataFile(name, times, [float(row["value"]) for row in rows], tuple(spans))


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def points(file: DataFile, profile: Profile) -> Iterator[Point]:
    """Yield what a detection is worth at each row that is judged."""
    windows = iter(enumerate(file.windows))
    at = next(windows, None)
    last_end, last_width = -1, 0
    for row in range(len(file.values)):
        inside = at is not None and at[1][0] <= row
        if inside and at is not None:
            number, (begin, end) = at
            width = end - begin + 1
            worth = profile.hit * _sigmoid(-(end - row + 1) / width) / _sigmoid(-1.0)
            window: tuple[str, int] | None = (file.name, number)
            if row == end:
                last_end, last_width = end, width
                at = next(windows, None)
        else:
            window = None
            past = (row - last_end) / (last_width - 1) if last_width else math.inf
            worth = profile.alarm * _sigmoid(past)
        if row >= file.probation:
            yield Point(row, worth, window)


def _sigmoid(position: float) -> float:
    """Return 1 long before a window's end, 0 at it, -1 long after; in widths of the window."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def judge(
    files: Sequence[DataFile],
    scores: Mapping[str, Sequence[float]],
    profile: Profile,
    threshold: float | None = None,
) -> Result:
    """Return the score of a detector whose anomaly scores are given by the name of each file.

    The threshold is the best one, unless it is given.
    """
    judged = [(scores[file.name][point.row], point) for file in files for point in points(file, profile)]
    judged.sort(key=lambda one: one[0], reverse=True)
    best = {point.window: -profile.miss for _, point in judged if point.window}
    raw = nothing = -profile.miss * len(best)
    perfect = profile.hit * sum(len(file.windows) for file in files)
    found = alarms = 0
    top = (raw, 1.1, 0, 0)  # beyond every score: nothing is found
    for index, (score, point) in enumerate(judged):
        if threshold is not None and score < threshold:
            break
        if point.window is None:
            raw += point.worth
            alarms += 1
        elif point.worth > best[point.window]:
            found += best[point.window] == -profile.miss
            raw += point.worth - best[point.window]
            best[point.window] = point.worth
        last_of_its_score = index + 1 == len(judged) or judged[index + 1][0] != score
        if last_of_its_score and (threshold is not None or raw > top[0]):
            top = (raw, score, found, alarms)
    raw, at, found, alarms = top
    normal = 100.0 * (raw - nothing) / (perfect - nothing)
    return Result(profile.name, normal, at if threshold is None else threshold, found, len(best), alarms)
