"""Functions that write labels, order a vector, or tell that something is absent."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isnan
from typing import Final

from model.labels import EMPTY, NAME, Labels
from model.misfit import Misfit
from model.regex import compiled
from rules.promql.dialect import Dialect
from rules.promql.function import Arguments, Function
from rules.promql.moment import UNNAMED, Moment, VectorOf, distinct, forget_surplus
from rules.promql.syntax import MatrixSelector, Node, VectorSelector, bare
from rules.store.store import LOOKBACK_MS, Row

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def label_name(name: str, at: int, dialect: Dialect) -> str:
    """Return the name, or raise ``Misfit`` where no label can be called so; Prometheus 3 takes any text."""
    if not name or (dialect.compat == "prometheus2" and not _LABEL.fullmatch(name)):
        raise Misfit(f"{name[:40]!r} is not a label name", "use letters, digits and _", offset=at)
    return name


def _label_replace(arguments: Arguments) -> VectorOf:
    """Make ``label_replace(v, dst, replacement, src, regex)``."""
    vector, (target, replacement, source, pattern) = arguments.vector, arguments.strings
    places = [argument.at for argument in arguments.call.arguments]
    label_name(target, places[1], arguments.dialect)
    try:
        regex = compiled(pattern)
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, offset=places[4]) from None

    def replaced(labels: Labels) -> Labels:
        match = regex.fullmatch(labels.get(source))
        return labels if match is None else written(labels, target, match.expanded(replacement))

    return _relabelled(vector, replaced)


def _label_join(arguments: Arguments) -> VectorOf:
    """Make ``label_join(v, dst, separator, src...)``."""
    vector, (target, separator, *sources) = arguments.vector, arguments.strings
    for name, place in zip((target, *sources), (1, *range(3, 3 + len(sources))), strict=True):
        label_name(name, arguments.call.arguments[place].at, arguments.dialect)

    def joined(labels: Labels) -> Labels:
        return written(labels, target, separator.join(labels.get(source) for source in sources))

    return _relabelled(vector, joined)


def written(labels: Labels, target: str, value: str) -> Labels:
    """Return the labels with one of them written anew; a name that is written is there to stay."""
    if target == NAME:
        return labels.having({NAME: value, UNNAMED: ""})
    return labels.having({target: value})


def _relabelled(vector: VectorOf, relabel: Callable[[Labels], Labels]) -> VectorOf:
    """Make new labels for each row, remembered as long as the vector stays about the same."""
    known: dict[Labels, Labels] = {}

    def evaluate(moment: Moment) -> list[Row]:
        before = vector(moment)
        rows: list[Row] = []
        for labels, value in before:
            changed = known.get(labels)
            if changed is None:
                changed = known[labels] = relabel(labels)
            rows.append((changed, value))
        forget_surplus(known, len(before))
        return distinct(rows)

    return evaluate


def _absent(arguments: Arguments) -> VectorOf:
    """Make ``absent``: 1 where the vector is empty, with the labels that its matchers ask for."""
    vector, labels = arguments.vector, absent_labels(arguments.call.arguments[0])
    return lambda moment: [] if vector(moment) else [(labels, 1.0)]


def _absent_over_time(arguments: Arguments) -> VectorOf:
    of, labels = arguments.matrix.samples, absent_labels(arguments.call.arguments[0])
    return lambda moment: [(labels, 1.0)] if next(of(moment), None) is None else []


def absent_labels(node: Node) -> Labels:
    """Return what the equality matchers of a selector say; a label named twice says nothing."""
    selected = bare(node)
    if not isinstance(selected, VectorSelector | MatrixSelector):
        return EMPTY
    values: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selected.selector.matchers:
        if matcher.label == NAME:
            continue
        if matcher.operator == "=" and matcher.label not in seen:
            values[matcher.label] = matcher.value
            seen.add(matcher.label)
        else:
            values.pop(matcher.label, None)
    return Labels.of(values)


def _timestamp(arguments: Arguments) -> VectorOf:
    """Make ``timestamp``: when a selector's samples were taken; of any other vector, now."""
    node, vector = bare(arguments.call.arguments[0]), arguments.vector
    lookback_ms = LOOKBACK_MS + arguments.dialect.edge_ms

    def of_samples(moment: Moment) -> list[Row]:
        assert isinstance(node, VectorSelector), "chosen below"
        times = moment.store.times_at(node.selector, moment.shifted_ms(node.shift), lookback_ms)
        moment.budget.spend(len(times))
        return moment.unnamed([(labels, at_ms / 1000) for labels, at_ms in times])

    def of_now(moment: Moment) -> list[Row]:
        now_s = moment.at_ms / 1000
        return moment.unnamed([(labels, now_s) for labels, _ in vector(moment)])

    return of_samples if isinstance(node, VectorSelector) else of_now


def _vector(arguments: Arguments) -> VectorOf:
    scalar = arguments.scalars[0]
    return lambda moment: [(EMPTY, scalar(moment))]


def _sorted(*, downwards: bool) -> Callable[[Arguments], VectorOf]:
    """Make ``sort`` or ``sort_desc``; NaN comes last in both."""

    def make(arguments: Arguments) -> VectorOf:
        vector = arguments.vector
        return lambda moment: by_value(vector(moment), downwards=downwards)

    return make


def by_value(rows: list[Row], *, downwards: bool) -> list[Row]:
    """Return the rows in the order of their values, NaN last; equal ones keep their order."""
    numbers = [row for row in rows if not isnan(row[1])]
    numbers.sort(key=lambda row: row[1], reverse=downwards)
    return numbers + [row for row in rows if isnan(row[1])]


LABEL_FUNCTIONS: Final = (
    Function("label_replace", ("vector", "string", "string", "string", "string"), _label_replace),
    Function("label_join", ("vector", "string", "string", "string"), _label_join, required=3, repeats=True),
    Function("absent", ("vector",), _absent),
    Function("absent_over_time", ("matrix",), _absent_over_time),
    Function("timestamp", ("vector",), _timestamp),
    Function("vector", ("scalar",), _vector),
    Function("sort", ("vector",), _sorted(downwards=False)),
    Function("sort_desc", ("vector",), _sorted(downwards=True)),
)
