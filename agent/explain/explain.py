"""The whole walk of one alert with each reason: samples, expression, timers, sight, playbook, guards, run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agent.desks.wire import rfc3339
from agent.explain.healing import Healing, healing
from model.alert import Alert, AlertState
from model.decode import nearest
from model.duration import Duration
from model.labels import Labels
from model.matcher import Matcher, Matchers
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed
from rules import lifecycle
from rules.backtest import Standing
from rules.file import AlertingRule
from rules.promql import Query, QueryError, compile_query
from rules.promql.check import kind_of
from rules.promql.syntax import Node, Number, Text, VectorSelector, bare, children
from rules.spelling import selector_text, spelled
from rules.store.store import LOOKBACK_MS, Selector, Store
from rules.unseen import Unseen

ALERTS_MAX: Final = 20
SERIES_MAX: Final = 20
PARTS_MAX: Final = 60
BUDGET_S: Final = 0.25
"""How long the loop's thread may be busy with one explanation."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that an explanation looks at, as it was at one moment.

    ``names`` are those of all alerts there are; ``external`` are labels that alerts get on their way to the
    desks.
    """

    at_ms: int
    store: Store
    rules: Sequence[Standing]
    unseen: Mapping[Labels, frozenset[str]]
    healing: Healing
    deadline: Deadline
    names: tuple[str, ...]
    desks: tuple[str, ...] = ()
    external: Mapping[str, str] = field(default_factory=dict)


def asked(text: str) -> Matchers:
    """Read what is to be explained: an alert's name, with matchers in braces behind it or alone."""
    name, brace, rest = text.partition("{")
    found = list(Matchers.parse(brace + rest).each) if rest.rstrip(" }") else []
    if "=" in name:
        return Matchers.parse(text)
    if name.strip():
        found.insert(0, Matcher("alertname", "=", name.strip()))
    if not found:
        raise Misfit("no alert is named", 'write its name, or matchers like {service="checkout"}')
    return Matchers(tuple(found))


def explain(scene: Scene, wanted: Matchers) -> dict[str, Any]:
    """Return, for JSON, what is to be said of the alerts that are meant and of the rules that bring them."""
    chosen = [one for one in scene.rules if _concerns(one, wanted)]
    named = next((each.value for each in wanted.each if each.label == "alertname"), "")
    return {
        "asked": str(wanted),
        "at": rfc3339(scene.at_ms),
        "at_ms": scene.at_ms,
        "hint": ""
        if chosen
        else f"no rule makes such an alert; {nearest(named, dict.fromkeys(scene.names))}",
        "desks": list(scene.desks),
        "external": dict(scene.external),
        "rules": [_rule(scene, one, wanted) for one in chosen],
    }


def _concerns(one: Standing, wanted: Matchers) -> bool:
    """Tell whether a rule has such an alert, or could have one."""
    if any(wanted.matches(alert.labels) for alert in one.alerts):
        return True
    fixed = {name: template.fixed for name, template in one.rule.labels.each if template.fixed is not None}
    fixed["alertname"] = one.rule.name
    return all(matcher.matches(fixed) for matcher in wanted.each if matcher.label in fixed)


def _rule(scene: Scene, one: Standing, wanted: Matchers) -> dict[str, Any]:
    rule = one.rule
    alerts = [alert for alert in one.alerts if wanted.matches(alert.labels)]
    offset_ms = one.group.query_offset.ms if one.group.query_offset else 0
    return {
        "alert": rule.name,
        "group": one.group.name,
        "place": str(rule.place) if rule.place.file else one.file,
        "expr": rule.expr.text,
        "for": str(rule.for_),
        "keep_firing_for": str(rule.keep_firing_for),
        "interval": str(Duration(one.interval_ms)),
        "labels": rule.labels.texts(),
        "evaluated": None if one.evaluated_ms is None else rfc3339(one.evaluated_ms),
        "error": one.error,
        "selectors": [_selector(scene, read.selector) for read in rule.expr.query.reads],
        "parts": list(_parts(scene, rule.expr.query, scene.at_ms - offset_ms)),
        "alerts": [_alert(scene, one, alert) for alert in alerts[:ALERTS_MAX]],
        "alerts_left_out": max(0, len(alerts) - ALERTS_MAX),
    }


def _selector(scene: Scene, selector: Selector) -> dict[str, Any]:
    """Return what a selector finds now, each sample with its age, and why where it finds nothing."""
    values = dict(scene.store.values_at(selector, scene.at_ms))
    times = scene.store.times_at(selector, scene.at_ms)
    series = [
        {
            "labels": dict(labels.pairs),
            "value": number(values[labels]),
            "at": rfc3339(at_ms),
            "age_s": (scene.at_ms - at_ms) / 1000,
        }
        for labels, at_ms in times[:SERIES_MAX]
        if labels in values
    ]
    return {
        "text": selector_text(selector),
        "count": len(values),
        "series": series,
        "hint": "" if series else _missing(scene, selector),
    }


def _missing(scene: Scene, selector: Selector) -> str:
    """Say why a selector finds nothing, and name the label that did not match."""
    if not selector.name:
        return "no series has these labels"
    known = [series.labels for series in scene.store.select(Selector(selector.name, ()))]
    fitting = [labels for labels in known if all(each.matches(labels) for each in selector.matchers)]
    if fitting:
        return f"its series had no sample in the last {Duration(LOOKBACK_MS)}"
    if known:
        indexes = (_first_wrong(selector, labels) for labels in known)
        wrong = selector.matchers[max(indexes)]
        values = sorted({labels.get(wrong.label) for labels in known})
        return f"{wrong} did not match: {wrong.label} is {', '.join(map(repr, values[:5]))}"
    names = {labels.name for labels, _, _ in scene.store.latest(scene.at_ms)}
    return f"no series has the name {selector.name}; {nearest(selector.name, sorted(names))}"[:300]


def _first_wrong(selector: Selector, labels: Labels) -> int:
    """Return which matcher is the first that does not hold; the further back, the nearer the miss."""
    return next(index for index, each in enumerate(selector.matchers) if not each.matches(labels))


def _parts(scene: Scene, query: Query, at_ms: int) -> Iterator[dict[str, Any]]:
    """Yield each part of an expression with its value, the whole first, as far as time allows."""
    for depth, node in _nodes(query.tree)[:PARTS_MAX]:
        part: dict[str, Any] = {"text": spelled(node), "depth": depth, "values": [], "count": 0, "error": ""}
        try:
            compiled = compile_query(
                part["text"], compat=query.dialect.compat, experimental=query.dialect.experimental
            )
            points = compiled.at(scene.store, at_ms, scene.deadline)
        except (QueryError, Misfit, DeadlinePassed) as wrong:
            part["error"] = str(wrong) or "the time for an explanation was over"
        else:
            part["count"] = len(points)
            part["values"] = [
                {"labels": dict(point.labels.pairs), "value": number(point.value)}
                for point in points[:SERIES_MAX]
            ]
        yield part


def _nodes(tree: Node) -> list[tuple[int, Node]]:
    """Return the parts that have a value of their own, outermost first; selectors are told of elsewhere."""
    found: list[tuple[int, Node]] = []
    left = [(0, tree)]
    while left:
        depth, node = left.pop()
        node = bare(node)
        told = isinstance(node, Number | Text) or (isinstance(node, VectorSelector) and depth > 0)
        if not told and kind_of(node) in ("vector", "scalar"):
            found.append((depth, node))
            depth += 1
        left += [(depth, child) for child in reversed(children(node))]
    return found


def _alert(scene: Scene, one: Standing, alert: Alert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels.pairs),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "value": number(alert.value),
        "active": rfc3339(alert.active_at_ms),
        "fired": None if alert.fired_at_ms is None else rfc3339(alert.fired_at_ms),
        "resolved": None if alert.resolved_at_ms is None else rfc3339(alert.resolved_at_ms),
        "unknown_since": None if alert.unknown_since_ms is None else rfc3339(alert.unknown_since_ms),
        "timer": _timer(one.rule, alert, scene.at_ms),
        "unseen": [str(target) for target in _hiding(scene, one, alert)],
        **healing(scene.healing, alert, scene.at_ms),
    }


def _timer(rule: AlertingRule, alert: Alert, at_ms: int) -> str:
    """Say which timer of the alert runs, and when it ends."""
    if alert.unknown_since_ms is not None:
        return f"its timers rest: it cannot be judged for {_ago(alert.unknown_since_ms, at_ms)}"
    due_ms = lifecycle.due_ms(rule, alert)
    if alert.state is AlertState.PENDING:
        assert due_ms is not None, "what is pending fires some time"
        left = Duration(max(0, due_ms - at_ms))
        return f"it has held for {_ago(alert.active_at_ms, at_ms)} of {rule.for_}; it fires in {left}"
    if alert.state is AlertState.RESOLVED:
        return f"it resolved {_ago(alert.resolved_at_ms or at_ms, at_ms)} ago and is kept for 15m"
    if due_ms is not None:
        left = Duration(max(0, due_ms - at_ms))
        return (
            f"its expression holds no longer; it is kept firing for another {left} of {rule.keep_firing_for}"
        )
    return f"it fires for {_ago(alert.fired_at_ms or at_ms, at_ms)}, as long as its expression holds"


def _hiding(scene: Scene, one: Standing, alert: Alert) -> Iterable[Labels]:
    """Return the targets that cannot be seen and keep the alert from being judged."""
    own = {name for name, _ in one.rule.labels.each}
    for target, names in scene.unseen.items():
        if Unseen({target: names}).hides(alert.labels, own, one.sources):
            yield target


def number(value: float) -> float | str:
    """Return a value for JSON, which has no infinities and no NaN."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _ago(since_ms: int, at_ms: int) -> Duration:
    return Duration(max(0, at_ms - since_ms) // 1000 * 1000)
