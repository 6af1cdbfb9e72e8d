"""Questions about samples as Prometheus 3.5 answers them, so that Grafana and promtool read an agent."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from agent.api import parameters
from agent.api.answer import metric, point, result, seconds, single, success
from agent.api.endpoint import Answer, Request
from agent.api.evaluation import MOMENT_S, QUERY_S, TOO_HEAVY, Evaluation, anchored, evaluated, windows
from agent.api.parameters import Unanswered
from agent.api.weight import to_select_us
from model.labels import Labels
from model.sample import Metric
from rules.promql import Query
from rules.promql.syntax import Text, bare
from rules.store.store import Selector, Store

SERIES_MAX: Final = 10_000
SPEAKS: Final = "3.5.0"

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_EVERYTHING: Final = Selector("", ())

Columns = tuple[Labels, "array[int]", "array[float]"]


@dataclass(frozen=True, slots=True)
class QueryApi:
    """Answers about the samples of one store, which the thread behind ``ask`` owns.

    ``declared`` returns every metric that can be described; ``monotonic`` counts seconds.
    """

    store: Store
    ask: Callable[[Callable[[], Any]], Any]
    now_ms: Callable[[], int]
    monotonic: Callable[[], float]
    declared: Callable[[], Iterable[Metric]]
    version: str

    def query(self, request: Request) -> Answer:
        """Return the value of an expression at one moment."""
        at_ms = parameters.moment_ms(request, "time", self.now_ms())
        budget_s = _budget_s(request)
        limit = parameters.whole(request, "limit")
        query = parameters.query_of(request.one("query"))
        tree = bare(query.tree)
        if isinstance(tree, Text):
            return single("string", f"[{seconds(at_ms)},{json.dumps(tree.value)}]")
        if query.kind == "matrix":
            fixed = parameters.query_of(anchored(query.text, at_ms, at_ms))
            found = self.ask(lambda: windows(fixed, self.store, at_ms))
            return _matrix(found, limit)
        values = self._values(query, range(at_ms, at_ms + 1), budget_s)
        if query.kind == "scalar":
            return single("scalar", point(at_ms, values[0][2][0]))
        kept = values[:limit] if limit else values
        pieces = [
            f'{{"metric":{metric(labels)},"value":{point(at_ms, column[0])}}}' for labels, _, column in kept
        ]
        return result("vector", pieces, _cut(len(kept) < len(values)))

    def query_range(self, request: Request) -> Answer:
        """Return the values of an expression at each step of a range."""
        moments = parameters.steps(request)
        budget_s = _budget_s(request)
        limit = parameters.whole(request, "limit")
        query = parameters.query_of(request.one("query"))
        if query.kind not in ("vector", "scalar"):
            sentence = f"{parameters.kind_words(query)} has no values over a range; write an instant vector"
            raise parameters.wrong("query", sentence)
        fixed = parameters.query_of(anchored(query.text, moments[0], parameters.moment_ms(request, "end", 0)))
        found = sorted(self._values(fixed, moments, budget_s), key=lambda columns: columns[0].pairs)
        return _matrix(found, limit)

    def series(self, request: Request) -> Answer:
        """Return the label sets of the series that the selectors mean."""
        selectors = parameters.selectors(request)
        if not selectors:
            raise Unanswered("bad_data", "no match[] parameter provided")
        limit = min(parameters.whole(request, "limit") or SERIES_MAX, SERIES_MAX)
        found = sorted(self._selected(request, selectors), key=lambda labels: labels.pairs)
        return success([dict(labels.pairs) for labels in found[:limit]], _cut(len(found) > limit))

    def labels(self, request: Request) -> Answer:
        """Return every label name that is in use."""
        return self._listed(request, lambda found: {name for labels in found for name in labels})

    def label_values(self, request: Request) -> Answer:
        """Return every value of one label."""
        name = request.part
        if not _LABEL.fullmatch(name):
            raise Unanswered("bad_data", f'invalid label name: "{name[:60]}"')
        return self._listed(request, lambda found: {labels.get(name) for labels in found} - {""})

    def metadata(self, request: Request) -> Answer:
        """Return kind and sentence of each metric that is declared and has series."""
        limit, wanted = parameters.whole(request, "limit"), request.one("metric")
        per_metric = parameters.whole(request, "limit_per_metric")
        named = {labels.name for labels in self._selected(request, ())}
        about: dict[str, list[dict[str, str]]] = {}
        for one in self.declared():
            if one.name in named and wanted in ("", one.name):
                kind = "unknown" if one.kind == "untyped" else one.kind
                told = about.setdefault(one.name, [])
                if not per_metric or len(told) < per_metric:
                    told.append({"type": kind, "help": one.help, "unit": ""})
        return success(dict(list(about.items())[: limit or None]))

    def buildinfo(self, _: Request) -> Answer:
        """Return which Prometheus this speaks like, since Grafana asks by that, and which version it is."""
        fields = {
            "version": SPEAKS,
            "revision": self.version,
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }
        return success({**fields, "application": "beforehand"})

    def nothing(self, _: Request) -> Answer:
        """Return no exemplars: none are kept."""
        return success([])

    def _values(self, query: Query, moments: range, budget_s: float) -> list[Columns]:
        evaluation = Evaluation(query, moments, self.store, self.monotonic)
        found = evaluated(evaluation, self.ask, budget_s)
        return [(labels, times, values) for labels, (times, values) in found.items()]

    def _listed(self, request: Request, names: Callable[[Iterable[Labels]], set[str]]) -> Answer:
        limit = parameters.whole(request, "limit")
        every = sorted(names(self._selected(request, parameters.selectors(request))))
        kept = every[:limit] if limit else every
        return success(kept, _cut(len(kept) < len(every)))

    def _selected(self, request: Request, selectors: tuple[Selector, ...]) -> set[Labels]:
        """Return the series that the selectors mean, or all, where the time asked for can hold any."""
        now_ms = self.now_ms()
        first_ms, last_ms = parameters.span(request, now_ms)
        if first_ms > now_ms or last_ms < now_ms - self.store.retention_ms:
            return set()
        found: set[Labels] = self.ask(lambda: _series(self.store, selectors or (_EVERYTHING,)))
        return found


def _series(store: Store, selectors: tuple[Selector, ...]) -> set[Labels]:
    if sum(to_select_us(selector, store) for selector in selectors) > MOMENT_S * 1e6:
        raise Unanswered("execution", TOO_HEAVY)
    return {series.labels for selector in selectors for series in store.select(selector)}


def _budget_s(request: Request) -> float:
    timeout_ms = parameters.duration_ms(request, "timeout")
    return QUERY_S if timeout_ms is None else timeout_ms / 1000


def _matrix(found: list[Columns], limit: int) -> Answer:
    kept = found[:limit] if limit else found
    return result("matrix", map(_row, kept), _cut(len(kept) < len(found)))


def _row(columns: Columns) -> str:
    labels, times, values = columns
    return f'{{"metric":{metric(labels)},"values":[{",".join(map(point, times, values))}]}}'


def _cut(some_are_left_out: bool) -> tuple[str, ...]:
    return ("results truncated due to limit",) if some_are_left_out else ()
