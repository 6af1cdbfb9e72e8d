"""What the agent tells of itself over HTTP, as data: its runs and its metrics."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from typing import Any, Final

from agent import own
from agent.clock import Clock
from agent.sight.doubt import DOUBTED
from agent.sight.pool import Pool
from agent.sight.senses import COUNT, TOOK, UP, Senses
from agent.walk import Walk
from model.sample import Metric, Sample
from remediations.running.run import Run
from rules.file import RecordingRule
from rules.judge import GroupStatus
from rules.reach import ALERTS, ALERTS_FOR_STATE

# What node_exporter calls the two that go by another name here.
_COLLECTORS: Final = {"load": "loadavg", "memory": "meminfo"}

DAY_MS = 24 * 3_600_000


def runs(recent: Iterable[Run]) -> dict[str, Any]:
    """Return the remediation runs of the last day, newest first; times in ms since 1970 in UTC."""
    return {"runs": [_run(run) for run in sorted(recent, key=lambda run: -run.started_ms)]}


def metrics(walk: Walk, senses: Senses, pool: Pool, clock: Clock, recent: Iterable[Run]) -> Iterator[Sample]:
    """Yield the agent's samples about itself."""
    yield own.MISSED(senses.schedule.missed)
    yield own.ABANDONED(senses.abandoned)
    yield own.THREADS(pool.threads)
    yield own.SERIES(walk.store.series_count)
    yield own.SERIES_DROPPED(walk.store.series_dropped)
    yield own.OUT_OF_ORDER(walk.store.samples_dropped_out_of_order)
    yield own.CLOCK_BEHIND(clock.behind_s)
    yield own.CLOCK_STEPS(clock.steps)
    yield from walk.doubts.samples()
    yield own.BUILD(1, version=_version(), pythonversion=platform.python_version())
    yield from _collectors(senses)
    yield own.WAITING(walk.outbox.waiting)
    for desk, tally in walk.outbox.tallies.items():
        yield own.SENT(tally.sent, desk=desk)
        yield own.FAILED(tally.failed, desk=desk)
        yield own.REFUSED(tally.refused, desk=desk)
        yield own.DROPPED(tally.dropped, desk=desk)
    ended = Counter((run.playbook, run.outcome.value) for run in recent if run.outcome)
    for (playbook, outcome), count in ended.items():
        yield own.RUNS(count, playbook=playbook, outcome=outcome)
    groups = walk.judge.statuses()
    yield own.RULE_FAILED(sum(r.health == "err" for group in groups for r in group.rules))
    for group in groups:
        yield from of_group(group)
    for dead in walk.dead.dead():
        name = f"{dead.file};{dead.group}"
        yield own.SELECTOR_DEAD(
            1, rule_group=name, rule=dead.rule, selector=dead.selector, nearest=dead.nearest
        )


def _collectors(senses: Senses) -> Iterator[Sample]:
    """Yield what node_exporter tells of its collectors, of the probes that stand for them."""
    for entry, seen, took_s in senses.last_runs():
        if entry.probe.job == "node":
            collector = _COLLECTORS.get(entry.probe.name, entry.probe.name)
            yield own.COLLECTOR_TOOK(took_s, collector=collector)
            yield own.COLLECTOR_SUCCESS(seen, collector=collector)


@cache
def _version() -> str:
    try:
        return metadata.version("beforehand")
    except metadata.PackageNotFoundError:
        return "unknown"


def of_group(status: GroupStatus) -> Iterator[Sample]:
    """Yield what Prometheus tells of a group of rules."""
    name = f"{status.file};{status.group.name}"
    yield own.EVALUATIONS(sum(rule.evaluations for rule in status.rules), rule_group=name)
    yield own.FAILURES(sum(rule.failures for rule in status.rules), rule_group=name)
    yield own.ITERATIONS(status.iterations, rule_group=name)
    yield own.ITERATIONS_MISSED(status.missed, rule_group=name)
    yield own.INTERVAL(status.interval_ms / 1000, rule_group=name)
    yield own.LAST_EVALUATION((status.evaluated_ms or 0) / 1000, rule_group=name)
    yield own.LAST_DURATION(status.duration_s, rule_group=name)
    yield own.RULES(len(status.rules), rule_group=name)


def written_by_rules(groups: Iterable[GroupStatus]) -> frozenset[str]:
    """Return the metrics that rules write: a Prometheus that scrapes the agent has rules of its own."""
    recorded = (r.rule.name for group in groups for r in group.rules if isinstance(r.rule, RecordingRule))
    return frozenset((ALERTS, ALERTS_FOR_STATE, *recorded))


def declared(entries: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return every metric that the agent can describe."""
    return (*entries, UP, TOOK, COUNT, DOUBTED, *own.ALL)


def _run(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "playbook": run.playbook,
        "target": list(run.target),
        "labels": dict(run.labels.pairs),
        "stage": run.stage.value,
        "outcome": run.outcome.value if run.outcome else None,
        "reason": run.reason,
        "onset_ms": run.onset_ms,
        "fired_ms": run.fired_ms,
        "started_ms": run.started_ms,
        "acted_ms": run.acted_ms,
        "done_ms": run.done_ms,
        "healed_ms": run.healed_ms,
        "verified_ms": run.verified_ms,
        "ended_ms": run.ended_ms,
    }
