"""Subqueries: an expression evaluated again and again over a range of time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from model.labels import Labels
from rules.promql.moment import MatrixOf, Moment, QueryError, VectorOf
from rules.promql.syntax import Subquery
from rules.store import Window

STEPS_MAX: Final = 11_000
"""How many steps one subquery may take, as Prometheus allows for a range query."""

STEP_SAMPLES: Final = 10
"""What a step counts as, even where it finds nothing, so that nested subqueries come to an end."""


def stepped(inner: VectorOf, node: Subquery, step_ms: int, edge_ms: int) -> MatrixOf:
    """Make the windows of a subquery; its steps are absolute multiples of the step, so they never drift."""
    shift, range_ms = node.shift, node.range_ms

    def windows(moment: Moment) -> Iterator[Window]:
        until_ms = moment.shifted_ms(shift)
        first_ms = (until_ms - range_ms - edge_ms) // step_ms * step_ms + step_ms
        if (until_ms - first_ms) // step_ms >= STEPS_MAX:
            raise QueryError(f"the subquery takes more than {STEPS_MAX} steps")
        found: dict[Labels, tuple[array[int], array[float]]] = {}
        for at_ms in range(first_ms, until_ms + 1, step_ms):
            moment.spend(STEP_SAMPLES)
            for labels, value in inner(moment.at(at_ms)):
                series = found.get(labels)
                if series is None:
                    series = found[labels] = (array("q"), array("d"))
                series[0].append(at_ms)
                series[1].append(value)
        for labels, (times, values) in found.items():
            yield labels, times, values

    return windows
