"""Runs script tests: ``python -m tests.rules.promql.script_run [--compat prometheus2] FILE...``."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.labels import EMPTY, NAME, Labels
from model.misfit import Misfit
from rules.promql import Compat, Query, QueryError, compile_query
from rules.store.store import Store
from tests.rules.promql.script import HISTOGRAM, MISSING, STALE, Clear, Eval, Load, Value, read

RELATIVE_ERROR = 1e-6
Verdict = Literal["passed", "failed", "skipped"]
_BUCKET = re.compile(r"_bucket$")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one expression of a script, and why."""

    line: int
    query: str
    verdict: Verdict
    why: str = ""


class Run:
    """One script over a store of its own."""

    def __init__(self, compat: Compat = "prometheus3", *, experimental: bool = False) -> None:
        self._compat: Compat = compat
        self._experimental = experimental
        self._clear()

    def outcomes(self, text: str) -> Iterator[Outcome]:
        """Run a script and yield what became of each of its expressions."""
        for command in read(text):
            match command:
                case Load():
                    self._load(command)
                case Clear():
                    self._clear()
                case Eval():
                    verdict, why = self._judge(command)
                    yield Outcome(command.line, command.query, verdict, why)

    def _clear(self) -> None:
        self._store = Store(retention_ms=1 << 60, series_max=100_000)
        self._histograms: set[Labels] = set()

    def _load(self, command: Load) -> None:
        # A series that is given twice is what it was given last.
        for labels, values in dict(command.series).items():
            if HISTOGRAM in values:
                self._histograms.add(labels)
            if command.converted and "le" in labels:
                name = _BUCKET.sub("", labels.name)
                self._histograms.add(labels.without(("le",)).having({NAME: name}))
            for row, value in enumerate(values):
                if value == STALE:
                    self._store.mark_stale(labels, row * command.step_ms)
                elif isinstance(value, float):
                    self._store.append(labels, row * command.step_ms, value)

    def _judge(self, command: Eval) -> tuple[Verdict, str]:
        expected = [value for _, values in command.expected for value in values]
        if HISTOGRAM in expected:
            return "skipped", "expects a native histogram"
        try:
            query = compile_query(command.query, compat=self._compat, experimental=self._experimental)
            if self._reads_histograms(query):
                return "skipped", "reads a native histogram"
            wrong = _wrong(command, query, self._store)
        except (Misfit, QueryError) as refused:
            sentence = refused.sentence if isinstance(refused, Misfit) else str(refused)
            if "native histograms" in sentence:
                return "skipped", sentence
            if not command.fails:
                return "failed", f"refused: {sentence}"
            told = isinstance(refused, Misfit) or _is_expected_failure(command, sentence)
            return ("passed", "") if told else ("failed", f"refused with other words: {sentence}")
        return ("failed", wrong) if wrong else ("passed", "")

    def _reads_histograms(self, query: Query) -> bool:
        return any(
            (not selector.name or selector.name == labels.name)
            and all(matcher.matches(labels) for matcher in selector.matchers)
            for selector in (read.selector for read in query.reads)
            for labels in self._histograms
        )


def _is_expected_failure(command: Eval, sentence: str) -> bool:
    if command.fail_text and command.fail_text != sentence:
        return False
    return re.search(command.fail_regex, sentence) is not None


def _wrong(command: Eval, query: Query, store: Store) -> str:
    """Return how the result differs from what is expected, or an empty text."""
    found = query.between(store, command.start_ms, command.end_ms, command.step_ms or 1)
    plain = query.between(store, command.start_ms, command.end_ms, command.step_ms or 1, plain=True)
    if differs := _difference(plain, found):
        return f"the short cuts lead elsewhere: {differs}"
    if command.ordered:
        wanted = [labels for labels, _ in command.expected]
        points = query.at(store, command.start_ms)
        if [point.labels for point in points] != wanted:
            return f"expected the order {wanted}, got {points}"
    if command.fails:
        return f"expected a failure, got {found}"
    series = command.expected
    if command.scalar is not None:
        series = [(EMPTY, (command.scalar,))]
    return _difference(dict(_points(command, series)), found)


def _points(
    command: Eval, series: Sequence[tuple[Labels, tuple[Value, ...]]]
) -> Iterator[tuple[Labels, list[tuple[int, float]]]]:
    for labels, values in series:
        yield (
            labels,
            [
                (command.start_ms + row * command.step_ms, value)
                for row, value in enumerate(values)
                if value != MISSING and isinstance(value, float)
            ],
        )


def _difference(
    expected: dict[Labels, list[tuple[int, float]]], found: dict[Labels, list[tuple[int, float]]]
) -> str:
    expected = {labels: points for labels, points in expected.items() if points}
    if expected.keys() != found.keys():
        missing, more = expected.keys() - found.keys(), found.keys() - expected.keys()
        return f"missing {sorted(map(str, missing))}, not expected {sorted(map(str, more))}"
    for labels, points in expected.items():
        if [at_ms for at_ms, _ in points] != [at_ms for at_ms, _ in found[labels]]:
            return f"{labels}: expected {points}, got {found[labels]}"
        for (_, wanted), (at_ms, value) in zip(points, found[labels], strict=True):
            if not nearly(wanted, value):
                return f"{labels} at {at_ms}: expected {wanted}, got {value}"
    return ""


def nearly(left: float, right: float, error: float = RELATIVE_ERROR) -> bool:
    """Compare as upstream's ``almost.Equal``."""
    if left == right or (math.isnan(left) and math.isnan(right)):
        return True
    size, apart = abs(left) + abs(right), abs(left - right)
    if not left or not right or size < sys.float_info.min:
        return apart < error * sys.float_info.min
    return apart / min(size, sys.float_info.max) < error


def main() -> int:
    """Run the files named and print a table and every failure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compat", choices=("prometheus3", "prometheus2"), default="prometheus3")
    parser.add_argument("--experimental", action="store_true", help="with Prometheus' experimental functions")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    failures: list[str] = []
    for path in options.files:
        run = Run(options.compat, experimental=options.experimental)
        counts: Counter[str] = Counter()
        for outcome in run.outcomes(path.read_text()):
            counts[outcome.verdict] += 1
            if outcome.verdict == "failed":
                failures.append(f"{path.name}:{outcome.line}: {outcome.query}\n    {outcome.why}")
        totals += counts
        print(f"{path.name:32} {counts['passed']:5} {counts['failed']:5} {counts['skipped']:5}")
    print(f"{'total':32} {totals['passed']:5} {totals['failed']:5} {totals['skipped']:5}")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
