"""The agent's series in Prometheus' text format, so that any Prometheus can read what the rules read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from model import sample
from model.labels import NAME, Labels

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Row = tuple[Labels, float]


@dataclass(frozen=True, eq=False)
class _Series(Collector):
    """Rows grouped by metric name, described by what declared them."""

    rows: tuple[Row, ...]
    declared: dict[str, sample.Metric]

    def collect(self) -> Iterator[Metric]:
        for name, rows in groupby(self.rows, key=lambda row: row[0].name):
            yield _family(name, self.declared.get(name), list(rows))


def exposition(rows: Iterable[Row], declared: Iterable[sample.Metric], *, process: bool = True) -> bytes:
    """Return every row, and with ``process`` the process' own figures, in text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    by_name = {metric.name: metric for metric in declared}
    registry.register(_Series(tuple(sorted(rows, key=lambda row: row[0].name)), by_name))
    if process:
        ProcessCollector(namespace="beforehand", registry=registry)
    return generate_latest(registry)


def _family(name: str, metric: sample.Metric | None, rows: list[Row]) -> Metric:
    kind = metric.kind if metric else "untyped"
    help_text = metric.help if metric else ""
    names = sorted({label for labels, _ in rows for label in labels if label != NAME})
    family: GaugeMetricFamily | CounterMetricFamily | UnknownMetricFamily
    if kind == "counter" and name.endswith("_total"):
        family = CounterMetricFamily(name, help_text, labels=names)
    elif kind == "gauge":
        family = GaugeMetricFamily(name, help_text, labels=names)
    else:
        family = UnknownMetricFamily(name, help_text, labels=names)
    for labels, value in rows:
        family.add_metric([labels.get(label) for label in names], value)
    return family
