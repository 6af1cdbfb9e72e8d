"""How unusual each value of one series is, given all that came before."""

from __future__ import annotations

from typing import Final

from rules.unusual.course import Courses
from rules.unusual.habit import Habit
from rules.unusual.liveliness import Liveliness
from rules.unusual.onset import Onset
from rules.unusual.recurrence import Recurrence
from rules.unusual.season import Season
from rules.unusual.tail import Tail

LEARNING: Final = 150
"""Samples that a detector only learns from."""

_LASTING: Final = 24
_PER_THOUSAND: Final = 3.0  # -log10 of a chance of one in a thousand is one unit of evidence
_MINOR: Final = 0.3
_NEW: Final = 0.3  # so much novelty is one unit of evidence as well
_HUNDREDTH: Final = 1.25
"""The evidence whose score is 0.99."""

_SIZE_MAX: Final = 1e30
_EVERY_FIRST_MS: Final = 60_000.0
_EVERY_MEMORY: Final = 100


class Detector:
    """Adds up five kinds of evidence, each in units of how rare it was in this series until now.

    How far the value is from what was expected of its hour, less where that recurs; the same in units of
    the hour's usual spread; the same, averaged over two dozen samples; how much livelier the series is than
    of late; and how unlike any course seen before the last 40 samples are. What has become a
    habit counts for little. All constants hold for every series: there is nothing to set.
    """

    __slots__ = (
        "_courses",
        "_every_ms",
        "_habit",
        "_last_ms",
        "_lasting",
        "_lasting_tail",
        "_least_tail",
        "_liveliness",
        "_lively_tail",
        "_onset",
        "_recurrence",
        "_relative_tail",
        "_season",
        "_seen",
    )  # fmt: skip

    def __init__(self) -> None:
        self._season = Season()
        self._courses = Courses()
        self._recurrence = Recurrence()
        self._liveliness = Liveliness()
        self._habit = Habit()
        self._onset = Onset()
        self._least_tail = Tail()
        self._lasting_tail = Tail()
        self._relative_tail = Tail()
        self._lively_tail = Tail()
        self._lasting = 0.0
        self._seen = 0
        self._last_ms = 0
        self._every_ms = _EVERY_FIRST_MS

    def score(self, at_ms: int, value: float) -> float:
        """Return how unusual a value is, then learn from it: 0 usual, 0.99 worth a look, towards 1.

        Only the moment at which something unusual begins, or becomes more so, has a score. A value that is
        no number has none, and nothing is learnt from it; nor from one that is not later than the last.
        """
        if not -_SIZE_MAX < value < _SIZE_MAX or (self._seen and at_ms <= self._last_ms):
            return 0.0
        self._follow_cadence(at_ms)
        evidence = self._onset.passed(self._evidence(at_ms, value))
        return 1.0 - 0.01 ** (evidence / _HUNDREDTH) if self._seen > LEARNING else 0.0

    def _evidence(self, at_ms: int, value: float) -> float:
        daily, least, relative = self._season.departure(at_ms, value, self._every_ms)
        self._lasting += (daily - self._lasting) / _LASTING
        major = self._recurrence.discount(least, self._least_tail.surprise(least))
        minor = (
            self._lasting_tail.surprise(abs(self._lasting))
            + self._relative_tail.surprise(abs(relative))
            + self._lively_tail.surprise(self._liveliness.ratio(value))
        )
        evidence = (major + _MINOR * minor) / _PER_THOUSAND + self._courses.novelty(value) / _NEW
        return self._habit.weighed(least, evidence)

    def _follow_cadence(self, at_ms: int) -> None:
        """Learn how far apart samples usually are; a gap counts as twice that."""
        self._seen += 1
        since_ms = at_ms - self._last_ms
        self._last_ms = at_ms
        if self._seen == 2:
            self._every_ms = float(since_ms)
        elif self._seen > 2:
            change_ms = min(float(since_ms), 2.0 * self._every_ms) - self._every_ms
            self._every_ms += change_ms / min(self._seen - 1, _EVERY_MEMORY)
