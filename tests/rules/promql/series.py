"""Series written as text, the way rule tests write them, and what a query makes of them."""

from __future__ import annotations

import math
import re

from model.duration import Duration
from model.misfit import Misfit
from rules.promql import compile_query
from rules.store.store import Store
from tests.rules.promql.script import STALE, labels_of, values_of

DAY_MS = 86_400_000


def stored(series: str, interval: str = "1m") -> Store:
    """Return a store with these series, one a line, their values this far apart from time 0 on."""
    store = Store(retention_ms=365 * DAY_MS, series_max=10_000)
    interval_ms = Duration.parse(interval).ms
    for line in filter(None, map(str.strip, series.splitlines())):
        split = re.fullmatch(r"([^{ ]*(?:\{.*\})?)\s+(.*)", line)
        assert split is not None, line
        labels = labels_of(split[1])
        for row, value in enumerate(values_of(split[2])):
            if value == STALE:
                store.mark_stale(labels, row * interval_ms)
            elif isinstance(value, float):
                store.append(labels, row * interval_ms, value)
    return store


def asked(store: Store, query: str, at: str = "10m") -> list[tuple[str, float]]:
    """Return the result as label texts and values, in its order."""
    return [
        (str(point.labels), point.value) for point in compile_query(query).at(store, Duration.parse(at).ms)
    ]


def same(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=1e-12, abs_tol=1e-15) or (math.isnan(left) and math.isnan(right))


def assert_answer(store: Store, query: str, expected: dict[str, float], at: str = "10m") -> None:
    """Compare a result with what is expected, whatever its order."""
    answer = asked(store, query, at)
    found = dict(answer)
    assert len(found) == len(answer), f"{query}: a label set is there twice: {answer}"
    assert found.keys() == expected.keys(), f"{query}: {answer}"
    wrong = {key: found[key] for key in found if not same(found[key], expected[key])}
    assert not wrong, f"{query}: {wrong}, expected {expected}"


def refusal(query: str) -> Misfit:
    """Return why an expression is refused."""
    try:
        compile_query(query)
    except Misfit as wrong:
        return wrong
    raise AssertionError(f"{query} was accepted")
