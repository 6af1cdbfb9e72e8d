"""Queries from outside, evaluated in slices so short that probes and healing do not feel them.

The loop's thread evaluates, because the store is its own: nothing is copied, nothing is locked, and a
query sees what a rule would see. It does so for one slice in each turn, after everything that was due; so
a query delays the walk by one slice, and several queries share what is left of the turns. One moment
cannot be cut, so one that would be too long is foreseen and refused. A thread beside the loop would not be
kinder: the two would take turns under the interpreter's lock, five milliseconds at every system call of
the loop, and the store would have to be copied for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.api.parameters import Unanswered
from agent.api.weight import to_select_us, weight
from model.labels import Labels
from rules.promql import Query, QueryError
from rules.promql.lexer import tokens
from rules.promql.syntax import MatrixSelector, bare
from rules.store.store import Store

SLICE_S: Final = 0.02
MOMENT_S: Final = 0.08
LONG_MOMENTS_MAX: Final = 3  # one may be long because the host is busy
QUERY_S: Final = 20.0
VALUES_MAX: Final = 500_000
TOO_HEAVY: Final = (
    f"one moment of the query takes longer than {MOMENT_S * 1000:.0f} ms, for which probes and healing"
    " would wait; name a metric, ask for fewer series or a shorter range, or record a part of it"
)


@dataclass(slots=True)
class Evaluation:
    """One query at each of its moments; ``found`` holds the times and values of each series so far.

    ``monotonic`` counts seconds. After the last slice ``trouble`` says why there is no result, if so.
    """

    query: Query
    moments: range
    store: Store
    monotonic: Callable[[], float]
    found: dict[Labels, tuple[array[int], array[float]]] = field(default_factory=dict)
    trouble: str = ""
    _next: int = 0
    _values: int = 0
    _long: int = 0

    def advance(self) -> bool:
        """Evaluate moments for the length of a slice, one at least; tell whether that was the last slice."""
        if not self._next:
            self.trouble = too_heavy(self.query, self.store, (self.moments[0], self.moments[-1]))
        now_s = self.monotonic()
        until_s = now_s + SLICE_S
        while self._next < len(self.moments) and not self.trouble and now_s < until_s:
            began_s = now_s
            self._one(self.moments[self._next])
            self._next += 1
            now_s = self.monotonic()
            self._long += now_s - began_s > MOMENT_S
            if self._long >= LONG_MOMENTS_MAX and self._next < len(self.moments):
                self.trouble = TOO_HEAVY
        return bool(self.trouble) or self._next == len(self.moments)

    def _one(self, at_ms: int) -> None:
        try:
            points = self.query.at(self.store, at_ms)
        except QueryError as wrong:
            self.trouble = str(wrong)
            return
        self._values += len(points)
        if self._values > VALUES_MAX:
            self.trouble = f"the result has more than {VALUES_MAX} values; ask for less or a longer step"
            return
        for labels, value in points:
            kept = self.found.get(labels)
            if kept is None:
                kept = self.found[labels] = (array("q"), array("d"))
            kept[0].append(at_ms)
            kept[1].append(value)


def too_heavy(query: Query, store: Store, moments: Sequence[int]) -> str:
    """Return why the query is not even begun, if so; asked of the loop's thread."""
    to_select = sum(to_select_us(read.selector, store) for read in query.reads)
    if to_select > MOMENT_S * 1e6:
        return TOO_HEAVY
    heaviest_us = max(weight(query.tree, store, at_ms).us for at_ms in moments)
    return TOO_HEAVY if heaviest_us > MOMENT_S * 1e6 else ""


def evaluated(
    evaluation: Evaluation,
    ask: Callable[[Callable[[], bool]], bool],
    budget_s: float,
) -> dict[Labels, tuple[array[int], array[float]]]:
    """Have the loop evaluate slice by slice, and return each series' times and values.

    Raises ``Unanswered`` where the samples allow no result or the time is over, ``TimeoutError`` where the
    loop is busy.
    """
    until_s = evaluation.monotonic() + min(budget_s, QUERY_S)
    while evaluation.monotonic() < until_s:
        if ask(evaluation.advance):
            if evaluation.trouble:
                raise Unanswered("execution", evaluation.trouble)
            return evaluation.found
    raise Unanswered("timeout", "query timed out in query execution")


def windows(query: Query, store: Store, at_ms: int) -> list[tuple[Labels, array[int], array[float]]]:
    """Return the samples that a range selector means at this time; other range vectors are refused."""
    tree = bare(query.tree)
    if not isinstance(tree, MatrixSelector):
        raise Unanswered("execution", "a subquery is no result here; apply a function like max_over_time")
    anchor = tree.shift.anchor
    if trouble := too_heavy(query, store, (at_ms,)):
        raise Unanswered("execution", trouble)
    until_ms = (anchor if isinstance(anchor, int) else at_ms) - tree.shift.offset_ms
    found, count = [], 0
    for labels, times, values in store.windows(tree.selector, until_ms - tree.range_ms, until_ms):
        count += len(times)
        if count > VALUES_MAX:
            raise Unanswered("execution", f"the result has more than {VALUES_MAX} values; shorten the range")
        found.append((labels, array("q", times), array("d", values)))
    return found


def anchored(text: str, first_ms: int, last_ms: int) -> str:
    """Return an expression with the moments that ``@ start()`` and ``@ end()`` mean written out."""
    times = {"start": first_ms, "end": last_ms}
    read = tokens(text)
    for at in range(len(read) - 4, -1, -1):
        sign, word, _, closing = read[at : at + 4]
        if (sign.kind, sign.text) == ("operator", "@") and word.kind == "word" and word.text.lower() in times:
            moment = f"{times[word.text.lower()] / 1000:.3f}"
            text = text[: word.at] + moment + text[closing.at + 1 :]
    return text
