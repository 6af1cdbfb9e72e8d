"""How much one evaluation of one rule may cost; a rule that would cost more fails alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model.duration import Duration
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed
from rules.promql.syntax import MatrixSelector, Node, Subquery, children

LOOK_AFTER_SAMPLES: Final = 4096
"""How many samples are read between two looks at the clock."""

_DAY_MS: Final = 86_400_000


class QueryError(Exception):
    """An expression that is right in itself has no result on these samples; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an expression may ask for.

    ``range_max_ms`` and ``steps_max`` (of a subquery or a range query) are known early, ``series_max``
    (of one selector) and ``samples_max`` only when it is evaluated.
    """

    series_max: int = 10_000
    samples_max: int = 1_000_000
    range_max_ms: int = 366 * _DAY_MS
    steps_max: int = 11_000

    def check(self, tree: Node, step_ms: int) -> None:
        """Raise ``Misfit`` at the first range that is too long."""
        if isinstance(tree, MatrixSelector | Subquery):
            if tree.range_ms > self.range_max_ms:
                cure = f"the longest range is {Duration(self.range_max_ms)}"
                raise Misfit(f"the range {Duration(tree.range_ms)} is too long", cure, offset=tree.at)
            if isinstance(tree, Subquery) and tree.range_ms // (tree.step_ms or step_ms) > self.steps_max:
                cure = f"at most {self.steps_max} steps; write a longer step"
                raise Misfit("the subquery takes too many steps", cure, offset=tree.at)
        for child in children(tree):
            self.check(child, step_ms)


LIMITS: Final = Limits()


class Budget:
    """What one evaluation may still cost."""

    __slots__ = ("_deadline", "_limits", "_look_at", "samples_left")

    def __init__(self, limits: Limits, deadline: Deadline | None) -> None:
        self._limits = limits
        self._deadline = deadline
        self.samples_left = limits.samples_max
        self._look_at = self.samples_left

    def spend(self, samples: int) -> None:
        """Count samples that are read; raise ``QueryError`` when they or the time are too many."""
        self.samples_left -= samples
        if self.samples_left > self._look_at:
            return
        self._look_at = max(self.samples_left - LOOK_AFTER_SAMPLES, 0)
        if self.samples_left < 0:
            raise QueryError(f"the query reads more than {self._limits.samples_max} samples")
        if self._deadline is not None:
            try:
                self._deadline.left_s()
            except DeadlinePassed:
                raise QueryError("the query takes too long") from None

    def admit(self, series: int) -> None:
        """Raise ``QueryError`` when a selector means too many series."""
        if series > self._limits.series_max:
            raise QueryError(f"a selector means {series} series, more than {self._limits.series_max}")
