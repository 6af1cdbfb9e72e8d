"""What a Prometheus reads of the desk on the staff address, in its text format; no label names a person.

Only incidents that changed since the last look are counted anew. A series never goes down while the desk
runs, even where a report that comes late makes one incident less of a kind: that stands in the JSON.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import schema
from desk.ledger import reading
from desk.ledger.experienced import Crowd, experienced
from desk.ledger.figures import STAGES, episodes, stages, told, truth
from desk.ledger.story import Story, Told
from desk.staff.counter import Counter
from desk.ways.canary_api import Aviary

BUCKETS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 3600.0)
LOG_EVERY_MS: Final = 60_000  # the log of deliveries has a row per person and notice
DELIVERED: Final = ("accepted", "failed", "unknown", "skipped", "expired", "withdrawn")

Series = tuple[str, tuple[str, ...]]
Counts = dict[Series, float]

_NAMES: Final = {
    "beforehand_incidents": ("Closed incidents by whether people were told before they reported.", ("told",)),
    "beforehand_episodes": ("Closed incidents with a playbook, by how the healing went.", ("outcome",)),
    "beforehand_experienced_minutes": (
        "Minutes that people went through, weighed by level, around the clock.",
        ("service", "level"),
    ),
    "beforehand_notice_truth": ("First notices against who says that they were affected.", ("result",)),
    "beforehand_promise": (
        "Promised times of the next update that came, by whether one was kept.",
        ("kept",),
    ),
    "beforehand_reports": ("Reports of people.", ("intake", "linked", "proven")),
    "beforehand_forecasts": ("Forecasts that are over, by whether they came.", ("outcome",)),
    "beforehand_delivery": ("What became of messages.", ("channel", "result")),
}


def metrics_routes(counter: Counter) -> list[Route]:
    """Return the route of the exposition, for staff alone."""
    registry = CollectorRegistry()
    registry.register(Tally(counter))
    registry.register(Aviary(counter))
    ProcessCollector(registry=registry)

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/metrics", metrics, methods=["GET"])]


class Tally(Collector):
    """Counts what the ledger holds, and remembers what it counted."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._lock = threading.Lock()
        self._last = 0
        self._open: set[int] = set()
        self._parts: dict[int, Counts] = {}
        self._shown: Counts = {}
        self._log: Counts = {}
        self._log_ms = -LOG_EVERY_MS

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its series."""
        with self._lock:
            self._look(self._counter.clock())
            shown = dict(self._shown)
        for name, (said, labels) in _NAMES.items():
            family = CounterMetricFamily(name, said, labels=labels)
            for (of, values), count in sorted(shown.items()):
                if of == name:
                    family.add_metric(values, count)
            yield family
        yield _histogram(shown)

    def _look(self, now_ms: int) -> None:
        """Count what changed since the last time."""
        entries = schema.ledger
        with self._counter.store.reading() as conn:
            last = int(conn.execute(sa.select(sa.func.max(entries.c.id))).scalar() or 0)
            new = sa.select(entries.c.incident).distinct().where(entries.c.id.between(self._last + 1, last))
            changed = self._open | set(conn.execute(new).scalars())
            found = reading.stories_of(conn, changed)
            for gone in changed - {story.incident for story in found}:
                self._parts.pop(gone, None)
            self._parts |= {story.incident: dict(_part(story, now_ms)) for story in found}
            self._open = {story.incident for story in found if not story.closed_ms}
            self._last = last
            if now_ms - self._log_ms >= LOG_EVERY_MS:
                self._log, self._log_ms = _deliveries(conn), now_ms
            counted = _sum((*self._parts.values(), self._log, _reports(conn), _forecasts(conn)))
        for series, count in counted.items():
            self._shown[series] = max(count, self._shown.get(series, 0.0))


def _sum(parts: Iterable[Mapping[Series, float]]) -> Counts:
    total: Counts = {}
    for part in parts:
        for series, count in part.items():
            total[series] = total.get(series, 0.0) + count
    return total


def _part(story: Story, now_ms: int) -> Iterator[tuple[Series, float]]:
    """Yield what one incident adds; of services that fail at once each counts, for each is a series."""
    touched = experienced([story], [Crowd(frozenset({story.incident}), story.affected)], 0, 0, now_ms)
    for (service, level), minutes in (touched.by or {}).items():
        yield ("beforehand_experienced_minutes", (service, level.value)), minutes
    for kept, count in _promises(story, now_ms):
        yield ("beforehand_promise", (kept,)), count
    yield from _waits(story)
    if not story.closed_ms:
        return
    if not story.retracted and (story.affected or story.first_report_ms) and told(story) is not Told.SILENT:
        yield ("beforehand_incidents", (told(story).value,)), 1.0
    for how, _ in episodes([story]):
        yield ("beforehand_episodes", (how.value,)), 1.0
    found = truth(story)
    for result, count in (
        ("tp", found.told_affected),
        ("fp", found.told_untouched),
        ("fn", found.missed),
        ("unknown", found.unknown),
    ):
        yield ("beforehand_notice_truth", (result,)), float(count)


def _promises(story: Story, now_ms: int) -> Iterator[tuple[str, float]]:
    due = [promise for promise in story.promises if promise.due_ms < now_ms]
    kept = sum(0 < promise.kept_ms <= promise.due_ms for promise in due)
    yield "yes", float(kept)
    yield "no", float(len(due) - kept)


def _waits(story: Story) -> Iterator[tuple[Series, float]]:
    """Yield the series of the histogram: each stage's buckets, one by one, and its sum."""
    counts: Counts = {}
    for word in story.words:
        for stage, length_ms in stages(story, word.queued_ms, word.accepted_ms):
            length_s = max(0, length_ms) / 1000
            bucket = bisect_left(BUCKETS_S, length_s)
            bound = str(BUCKETS_S[bucket]) if bucket < len(BUCKETS_S) else "+Inf"
            for series, more in (((_WAIT, (stage, bound)), 1.0), ((_WAIT, (stage, "sum")), length_s)):
                counts[series] = counts.get(series, 0.0) + more * word.people
    yield from counts.items()


_WAIT: Final = "beforehand_notice_seconds"


def _histogram(shown: Mapping[Series, float]) -> Metric:
    family = HistogramMetricFamily(
        _WAIT, "From the onset to a first notice, in all and by stage.", labels=["stage"]
    )
    for stage in STAGES:
        buckets, below = [], 0.0
        for bound in (*map(str, BUCKETS_S), "+Inf"):
            below += shown.get((_WAIT, (stage, bound)), 0.0)
            buckets.append((bound, below))
        family.add_metric([stage], buckets, shown.get((_WAIT, (stage, "sum")), 0.0))
    return family


def _deliveries(conn: Connection) -> Counts:
    table = schema.delivery_log
    query = (
        sa.select(table.c.channel, table.c.state, sa.func.count())
        .where(table.c.state.in_(DELIVERED))
        .group_by(table.c.channel, table.c.state)
    )
    return {("beforehand_delivery", (channel, state)): float(n) for channel, state, n in conn.execute(query)}


def _reports(conn: Connection) -> Counts:
    table = schema.report
    linked = table.c.incident > 0
    kinds = (table.c.intake, linked, table.c.proven)
    query = sa.select(*kinds, sa.func.count()).group_by(*kinds)
    return {
        ("beforehand_reports", (intake, _YES[bool(is_linked)], _YES[bool(is_proven)])): float(n)
        for intake, is_linked, is_proven, n in conn.execute(query)
    }


def _forecasts(conn: Connection) -> Counts:
    table = schema.forecast
    # The same expressions twice: to PostgreSQL two alike are different.
    came, calm = table.c.came > 0, table.c.calm_ms > 0
    query = sa.select(came, calm, sa.func.count()).where(table.c.over_ms > 0).group_by(came, calm)
    found: Counts = {}
    for has_come, was_calm, n in conn.execute(query):
        key = ("beforehand_forecasts", ("come" if has_come else "passed" if was_calm else "unseen",))
        found[key] = found.get(key, 0.0) + n
    return found


_YES: Final = {True: "yes", False: "no"}
