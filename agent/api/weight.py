"""What one moment of a query costs, foreseen from the series that it reads, before it is begun."""

from __future__ import annotations

from typing import Final, NamedTuple

from rules.promql.syntax import Call, MatrixSelector, Node, Subquery, VectorSelector, children
from rules.store.store import Selector, Store

# Measured at 1,200 and 12,000 series on one slow core, label sets not yet known; each rounded up.
US_TO_SELECT: Final = 5.0
US_PER_SERIES: Final = 6.0
US_PER_SAMPLE: Final = 0.35
US_PER_ROW: Final = 3.0
US_PER_NEW_LABELS: Final = 25.0
STEP_MS: Final = 60_000

_RELABELLING: Final = ("label_replace", "label_join")


class Weight(NamedTuple):
    """Microseconds that a part of a query takes, and how many rows at most come out of it."""

    us: float
    rows: int


def weight(node: Node, store: Store, at_ms: int) -> Weight:
    """Return what a checked expression costs at one moment; a guess that is high rather than low."""
    match node:
        case VectorSelector():
            rows = len(store.select(node.selector))
            return Weight(rows * US_PER_ROW, rows)
        case MatrixSelector():
            return _of_range(node, store, at_ms)
        case Subquery():
            inner = weight(node.inner, store, at_ms)
            steps = node.range_ms // (node.step_ms or STEP_MS) + 1
            return Weight(inner.us * steps, inner.rows)
        case _:
            parts = [weight(child, store, at_ms) for child in children(node)]
            rows = max((part.rows for part in parts), default=1)
            relabels = isinstance(node, Call) and node.function in _RELABELLING
            own_us = rows * (US_PER_NEW_LABELS if relabels else US_PER_ROW)
            return Weight(sum(part.us for part in parts) + own_us, rows)


def to_select_us(selector: Selector, store: Store) -> float:
    """Return what it costs to find the series of a selector; with a metric name it is next to nothing."""
    return 0.0 if selector.name else store.series_count * len(selector.matchers) * US_TO_SELECT


def _of_range(node: MatrixSelector, store: Store, at_ms: int) -> Weight:
    until_ms = at_ms - node.shift.offset_ms
    if isinstance(node.shift.anchor, int):
        until_ms = node.shift.anchor - node.shift.offset_ms
    selected = store.select(node.selector)
    rows_of: dict[int, int] = {}
    samples = 0
    for series in selected:
        block = series.block
        if id(block) not in rows_of:
            rows_of[id(block)] = block.row_after(until_ms) - block.row_after(until_ms - node.range_ms)
        samples += rows_of[id(block)]
    return Weight(len(selected) * US_PER_SERIES + samples * US_PER_SAMPLE, len(selected))
