"""Subqueries: an expression evaluated again and again over a range of time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from model.labels import Labels
from rules.promql.moment import MatrixOf, Moment, VectorOf
from rules.promql.samples import Read
from rules.promql.syntax import Subquery

STEP_SAMPLES: Final = 10
"""What a step counts as, even where it finds nothing, so that nested subqueries come to an end."""


def stepped(inner: VectorOf, node: Subquery, step_ms: int, edge_ms: int) -> MatrixOf:
    """Make the samples of a subquery; its steps are absolute multiples of the step, so they never drift."""
    shift, range_ms = node.shift, node.range_ms

    def samples(moment: Moment) -> Iterator[tuple[Labels, Read]]:
        until_ms = moment.shifted_ms(shift)
        first_ms = (until_ms - range_ms - edge_ms) // step_ms * step_ms + step_ms
        found: dict[Labels, tuple[array[int], array[float]]] = {}
        for at_ms in range(first_ms, until_ms + 1, step_ms):
            moment.budget.spend(STEP_SAMPLES)
            for labels, value in inner(moment.at(at_ms)):
                series = found.get(labels)
                if series is None:
                    series = found[labels] = (array("q"), array("d"))
                series[0].append(at_ms)
                series[1].append(value)
        for labels, (times, values) in found.items():
            yield labels, Read(times, values)

    return samples
