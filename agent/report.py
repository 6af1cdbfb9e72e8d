"""What the agent tells over HTTP, as data: alerts, rules, runs, probes and metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from agent import own
from agent.clock import Clock
from agent.pool import Pool
from agent.senses import Senses
from agent.walk import Walk
from agent.wire import rfc3339
from model.alert import Alert, AlertState
from model.labels import Labels
from model.sample import Metric, Sample
from remediations.run import Run
from rules.file import AlertingRule
from rules.judge import GroupStatus
from rules.judged import RuleStatus

DAY_MS = 24 * 3_600_000


def alerts(active: Iterable[Alert]) -> dict[str, Any]:
    """Return what Prometheus answers to /api/v1/alerts: pending and firing ones."""
    return _success({"alerts": [_alert(alert) for alert in active if alert.state is not AlertState.RESOLVED]})


def rules(groups: Iterable[GroupStatus]) -> dict[str, Any]:
    """Return what Prometheus answers to /api/v1/rules; durations in seconds."""
    return _success({"groups": [_group(group) for group in groups]})


def runs(recent: Iterable[Run]) -> dict[str, Any]:
    """Return the remediation runs of the last day, newest first; times in ms since 1970 in UTC."""
    return _success({"runs": [_run(run) for run in sorted(recent, key=lambda run: -run.started_ms)]})


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
    yield own.WAITING(walk.outbox.waiting)
    for desk, tally in walk.outbox.tallies.items():
        yield own.SENT(tally.sent, desk=desk)
        yield own.FAILED(tally.failed, desk=desk)
        yield own.REFUSED(tally.refused, desk=desk)
        yield own.DROPPED(tally.dropped, desk=desk)
    ended = Counter((run.playbook, run.outcome.value) for run in recent if run.outcome)
    for (playbook, outcome), count in ended.items():
        yield own.RUNS(count, playbook=playbook, outcome=outcome)
    yield own.RULE_FAILED(sum(r.health == "err" for group in walk.judge.statuses() for r in group.rules))


def declared(entries: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return every metric that the agent can describe."""
    return (*entries, *own.ALL)


def _success(data: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": data}


def _alert(alert: Alert) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "labels": _plain(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": rfc3339(alert.active_at_ms),
        "value": _go_e(alert.value),
    }
    if alert.keep_firing_since_ms is not None:
        fields["keepFiringSince"] = rfc3339(alert.keep_firing_since_ms)
    if alert.unknown_since_ms is not None:
        fields["unknownSince"] = rfc3339(alert.unknown_since_ms)
    return fields


def _group(group: GroupStatus) -> dict[str, Any]:
    return {
        "name": group.group.name,
        "file": group.file,
        "interval": group.interval_ms / 1000,
        "limit": group.group.limit,
        "evaluationTime": group.duration_s,
        "lastEvaluation": rfc3339(group.evaluated_ms or 0),
        "rules": [_rule(rule) for rule in group.rules],
    }


def _rule(status: RuleStatus) -> dict[str, Any]:
    rule = status.rule
    fields: dict[str, Any] = {
        "name": rule.name,
        "query": rule.expr.query.text,
        "labels": dict(rule.labels.texts()),
        "health": status.health,
        "evaluationTime": status.duration_s,
        "lastEvaluation": rfc3339(status.evaluated_ms or 0),
        "type": "recording",
    }
    if status.error:
        fields["lastError"] = status.error
    if isinstance(rule, AlertingRule):
        active = [alert for alert in status.alerts if alert.state is not AlertState.RESOLVED]
        firing = any(alert.state is AlertState.FIRING for alert in active)
        fields |= {
            "type": "alerting",
            "state": "firing" if firing else "pending" if active else "inactive",
            "duration": rule.for_.s,
            "keepFiringFor": rule.keep_firing_for.s,
            "annotations": dict(rule.annotations.texts()),
            "alerts": [_alert(alert) for alert in active],
        }
    return fields


def _run(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "playbook": run.playbook,
        "target": list(run.target),
        "labels": _plain(run.labels),
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


def _plain(labels: Labels) -> dict[str, str]:
    return dict(labels.pairs)


def _go_e(value: float) -> str:
    """Write a number as Go's %e with the fewest digits does."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    shortest = (f"{value:.{places}e}" for places in range(18))
    return next(digits for digits in shortest if float(digits) == value)
