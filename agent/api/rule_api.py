"""Rules and alerts as Prometheus 3.5 answers them, with its filters and its pages."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.api import parameters
from agent.api.answer import success
from agent.api.endpoint import Answer, Request
from agent.api.parameters import wrong
from agent.desks.wire import rfc3339
from model.alert import Alert, AlertState
from model.labels import Labels
from rules.file import AlertingRule
from rules.judge import GroupStatus
from rules.judged import RuleStatus
from rules.store.store import Selector

_TYPES: Final = {"alert": True, "record": False}
_STATES: Final = ("firing", "pending", "inactive")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rules are asked for; an empty part asks for all."""

    type: str = ""
    names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    selectors: tuple[Selector, ...] = ()

    @classmethod
    def of(cls, request: Request) -> Filter:
        """Read a filter from a request, or raise ``Unanswered``."""
        kind = request.one("type").lower()
        if kind and kind not in _TYPES:
            raise wrong("type", f'not supported value "{kind[:60]}"')
        return cls(
            kind,
            frozenset(request.each("rule_name[]")),
            frozenset(request.each("rule_group[]")),
            frozenset(request.each("file[]")),
            parameters.each_of(request, "state", _STATES),
            parameters.selectors(request),
        )

    def of_group(self, status: GroupStatus) -> GroupStatus | None:
        """Return a group with the rules that are asked for, or None without any."""
        if self.groups and status.group.name not in self.groups:
            return None
        if self.files and status.file not in self.files:
            return None
        kept = tuple(rule for rule in status.rules if self._takes(rule))
        return replace(status, rules=kept) if kept else None

    def _takes(self, status: RuleStatus) -> bool:
        rule = status.rule
        if self.names and rule.name not in self.names:
            return False
        if self.type and isinstance(rule, AlertingRule) is not _TYPES[self.type]:
            return False
        if self.states and not (isinstance(rule, AlertingRule) and _state(status) in self.states):
            return False
        return takes(self.selectors, Labels.of(rule.labels.texts()))


def takes(selectors: Sequence[Selector], labels: Labels) -> bool:
    """Tell whether one of the selectors, if there are any, means this label set."""
    return not selectors or any(
        all(matcher.matches(labels) for matcher in selector.matchers)
        and (not selector.name or labels.name == selector.name)
        for selector in selectors
    )


def alerts(request: Request, active: Iterable[Alert]) -> Answer:
    """Answer /api/v1/alerts: pending and firing ones."""
    states = parameters.each_of(request, "state", _STATES)
    selectors = parameters.selectors(request)
    shown = [
        shown_alert(alert)
        for alert in active
        if alert.state is not AlertState.RESOLVED
        and (not states or alert.state.value in states)
        and takes(selectors, alert.labels)
    ]
    return success({"alerts": shown})


def rules(request: Request, groups: Iterable[GroupStatus]) -> Answer:
    """Answer /api/v1/rules; durations in seconds."""
    wanted = Filter.of(request)
    with_alerts = not parameters.flag(request, "exclude_alerts")
    kept, token = _page(request, [status for status in map(wanted.of_group, groups) if status])
    data: dict[str, Any] = {"groups": [_group(status, with_alerts=with_alerts) for status in kept]}
    return success({**data, "groupNextToken": token} if token else data)


def token_of(status: GroupStatus) -> str:
    """Return the name under which a page that begins with this group is asked for."""
    return hashlib.sha256(f"{status.file};{status.group.name}".encode()).hexdigest()[:40]


def _page(request: Request, groups: list[GroupStatus]) -> tuple[list[GroupStatus], str]:
    """Return the groups of one page and the token of the next page, empty after the last."""
    token = request.one("group_next_token")
    if not request.one("group_limit"):
        if token:
            raise wrong("group_limit", "group_next_token needs a group_limit beside it")
        return groups, ""
    limit = parameters.whole(request, "group_limit")
    if limit < 1:
        raise wrong("group_limit", "it must be greater than 0")
    first = next((at for at, status in enumerate(groups) if token_of(status) == token), None)
    if token and first is None:
        raise wrong("group_next_token", "no group has this token any more; begin with the first page")
    start = first or 0
    rest = groups[start + limit :]
    return groups[start : start + limit], token_of(rest[0]) if rest else ""


def shown_alert(alert: Alert) -> dict[str, Any]:
    """Return one alert as JSON."""
    fields: dict[str, Any] = {
        "labels": dict(alert.labels.pairs),
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


def _group(status: GroupStatus, *, with_alerts: bool) -> dict[str, Any]:
    return {
        "name": status.group.name,
        "file": status.file,
        "interval": status.interval_ms / 1000,
        "limit": status.group.limit,
        "evaluationTime": status.duration_s,
        "lastEvaluation": rfc3339(status.evaluated_ms or 0),
        "rules": [_rule(rule, with_alerts=with_alerts) for rule in status.rules],
    }


def _rule(status: RuleStatus, *, with_alerts: bool) -> dict[str, Any]:
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
        fields |= {
            "type": "alerting",
            "state": _state(status),
            "duration": rule.for_.s,
            "keepFiringFor": rule.keep_firing_for.s,
            "annotations": dict(rule.annotations.texts()),
            "alerts": [shown_alert(alert) for alert in _active(status)] if with_alerts else [],
        }
    return fields


def _active(status: RuleStatus) -> list[Alert]:
    return [alert for alert in status.alerts if alert.state is not AlertState.RESOLVED]


def _state(status: RuleStatus) -> str:
    active = _active(status)
    firing = any(alert.state is AlertState.FIRING for alert in active)
    return "firing" if firing else "pending" if active else "inactive"


def _go_e(value: float) -> str:
    """Write a number as Go's %e with the fewest digits does."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    shortest = (f"{value:.{places}e}" for places in range(18))
    return next(digits for digits in shortest if float(digits) == value)
