"""Which rules a metric reaches: those that read it, and those that read what such rules write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from rules.file import RecordingRule, Rule

ALERTS: Final = "ALERTS"
ALERTS_FOR_STATE: Final = "ALERTS_FOR_STATE"
ANY: Final = ""

RANK_MAX: Final = 16
ANSWERS_MAX: Final = 1024


class Reach:
    """The way from metric names to rules, worked out once for a list of rules; rules are named by index."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._reads = [rule.expr.query.metrics for rule in rules]
        self._writes = [_written(rule) for rule in rules]
        self._readers: dict[str, set[int]] = defaultdict(set)
        for index, names in enumerate(self._reads):
            for name in names:
                self._readers[name].add(index)
        self._feeds = [frozenset(self._reading(names)) - {i} for i, names in enumerate(self._writes)]
        self._ranks = self._ranked()
        self._sources = self._sourced()
        self._answers: dict[frozenset[str], tuple[int, ...]] = {}

    def of(self, names: frozenset[str]) -> tuple[int, ...]:
        """Return the rules that new samples of these metrics can change, writers before readers."""
        known = self._answers.get(names)
        if known is None:
            if len(self._answers) >= ANSWERS_MAX:
                self._answers.clear()
            reached = self._onward(self._reading(names))
            known = tuple(sorted(reached, key=lambda index: (self._ranks[index], index)))
            self._answers[names] = known
        return known

    def sources(self, index: int) -> frozenset[str]:
        """Return every metric that a rule depends on, also through other rules; ``ANY`` stands for all."""
        return self._sources[index]

    def _reading(self, names: Iterable[str]) -> set[int]:
        read = [self._readers[name] for name in names if name in self._readers]
        return set().union(*read, self._readers.get(ANY, ()))

    def _onward(self, reached: set[int]) -> set[int]:
        found, left = set(reached), list(reached)
        while left:
            new = self._feeds[left.pop()] - found
            found |= new
            left += new
        return found

    def _ranked(self) -> list[int]:
        """Give each rule a rank above all that feed it; a circle ends at the highest rank."""
        ranks = [0] * len(self._reads)
        for _ in range(RANK_MAX):
            before = list(ranks)
            for index, fed in enumerate(self._feeds):
                for reader in fed:
                    ranks[reader] = min(RANK_MAX, max(ranks[reader], ranks[index] + 1))
            if ranks == before:
                break
        return ranks

    def _sourced(self) -> list[frozenset[str]]:
        sources = [set(names) for names in self._reads]
        for index, names in enumerate(self._reads):
            for reader in self._onward({index}):
                sources[reader] |= names
        return [frozenset(names) for names in sources]


def _written(rule: Rule) -> frozenset[str]:
    return frozenset({rule.record} if isinstance(rule, RecordingRule) else {ALERTS, ALERTS_FOR_STATE})
