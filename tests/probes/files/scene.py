"""What the tests of this room share: a clock that goes as told, what a look brought, and fewer rights."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from model.plugin import Deadline, FileChange, Look, Remark
from model.sample import Sample


@dataclass
class Clock:
    """A monotonic clock; each reading of it takes ``step_s``."""

    now_s: float = 1000.0
    step_s: float = 0.0

    def monotonic(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def look(self, look: Look, later_s: float = 15.0, within_s: float = 10.0) -> Seen:
        """Let time go by, then look."""
        self.now_s += later_s
        return Seen(tuple(look(Deadline(self.now_s + within_s, self.monotonic))))


@dataclass(frozen=True)
class Seen:
    """What one look brought."""

    told: tuple[object, ...]

    def __getitem__(self, series: str) -> float:
        return self.values[series]

    @property
    def values(self) -> dict[str, float]:
        return values(self.told)

    def named(self, name: str) -> dict[str, float]:
        """Return the samples of one metric."""
        return {series: value for series, value in self.values.items() if series.partition("{")[0] == name}

    def matches(self, pattern: str) -> float:
        return self.values[f'beforehand_log_matches_total{{pattern="{pattern}"}}']

    @property
    def remarks(self) -> list[tuple[str, str]]:
        return [(str(one.labels), one.text) for one in self.told if isinstance(one, Remark)]

    @property
    def wishes(self) -> list[str]:
        return [one.path for one in self.told if isinstance(one, FileChange)]


def values(told: Iterable[object]) -> dict[str, float]:
    """Return each sample's value under its series as text; no series may come twice."""
    samples = [one for one in told if isinstance(one, Sample)]
    found = {str(sample.labels): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


@contextlib.contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Give up root's rights over files for a while; this thread alone, as the kernel has it."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
