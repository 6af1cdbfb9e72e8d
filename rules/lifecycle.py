"""The life of an alert: pending, firing, resolved; a pure function from one evaluation to the next.

The states and their order follow Prometheus 3.5 (rules/alerting.go). Two things are ours: an alert that
cannot be seen, because its target or the rule itself is in trouble, keeps its state and says since when; and
nothing begins to fire on what the agent doubts it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from model.alert import Alert, AlertState
from model.labels import Labels
from rules.file import AlertingRule
from rules.template.value import View

RESOLVED_KEPT_MS: Final = 15 * 60_000

Alerts = Mapping[Labels, Alert]
Unknown = Callable[[Labels], bool]
Doubt = Callable[[Labels], str]


def _never(_labels: Labels) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Sight:
    """How well the target of a label set was seen.

    ``unknown`` tells that it cannot be seen; ``doubt`` tells in words why what was seen of it is not to be
    trusted, and nothing where it is.
    """

    unknown: Unknown
    doubt: Doubt = _never

    def lost(self, labels: Labels) -> str:
        """Return why the absence of an alert means nothing, or nothing where it means that all is well."""
        return self.doubt(labels) or ("its target cannot be seen" if self.unknown(labels) else "")


CLEAR: Final = Sight(lambda _labels: False)
"""Everything is seen, and well: samples of another time, such as those of a rule's test."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change in the life of an alert, and why.

    ``before`` is None where the alert is new, ``after`` where it is dropped without having fired.
    """

    before: Alert | None
    after: Alert | None
    reason: str

    @property
    def alert(self) -> Alert:
        """The alert as it is now, or as it was when it was dropped."""
        alert = self.after or self.before
        assert alert is not None, "a transition has an alert on one side at least"
        return alert


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation of a rule made of its alerts; ``error`` says why it failed, if it did."""

    alerts: Alerts = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    error: str = ""


def advance(
    rule: AlertingRule,
    previous: Alerts,
    views: Iterable[View],
    now_ms: int,
    sight: Sight,
    limit: int = 0,
) -> Evaluation:
    """Return the alerts after a result, given as what templates see of each element of it.

    Two results with the same final labels, or more alerts than ``limit`` (0 for no limit), are errors.
    """
    found: dict[Labels, Alert] = {}
    for view in views:
        alert = _from_view(rule, view, now_ms)
        if alert.labels in found:
            sentence = f"two results have the same labels {alert.labels} after the rule's own were applied"
            return fail(previous, now_ms, sentence)
        found[alert.labels] = alert
    changes = [
        _present(rule, previous.get(labels), new, now_ms, sight.doubt(labels))
        for labels, new in found.items()
    ]
    changes += [
        _absent(rule, alert, now_ms, sight.lost(labels))
        for labels, alert in previous.items()
        if labels not in found
    ]
    alerts = {change.alert.labels: change.after for change in changes if change.after}
    active = sum(alert.state is not AlertState.RESOLVED for alert in alerts.values())
    if 0 < limit < active:
        return _cleared(previous, f"exceeded limit of {limit} with {active} alerts")
    return Evaluation(MappingProxyType(alerts), tuple(change for change in changes if change.reason))


def fail(previous: Alerts, now_ms: int, error: str) -> Evaluation:
    """Return the alerts after an evaluation that failed: each keeps its state and is unknown from now on."""
    changes = [
        _unseen(alert, now_ms, f"its rule could not be judged: {error}")
        if alert.state is not AlertState.RESOLVED
        else Transition(alert, None if _forgotten(alert, now_ms) else alert, "")
        for alert in previous.values()
    ]
    alerts = {change.alert.labels: change.after for change in changes if change.after}
    return Evaluation(MappingProxyType(alerts), tuple(c for c in changes if c.reason), error)


def identity(rule: AlertingRule, view: View) -> Labels:
    """Return the labels of the alert that this result of the rule is."""
    return view.labels.nameless().having({**rule.labels.render(view), "alertname": rule.name})


def due_ms(rule: AlertingRule, alert: Alert) -> int | None:
    """Return when time alone will change this alert: when it fires, or ceases to be kept firing."""
    if alert.unknown_since_ms is not None:
        return None
    if alert.state is AlertState.PENDING:
        return alert.active_at_ms + rule.for_.ms
    if alert.state is AlertState.FIRING and alert.keep_firing_since_ms is not None:
        return alert.keep_firing_since_ms + rule.keep_firing_for.ms
    return None


def _from_view(rule: AlertingRule, view: View, now_ms: int) -> Alert:
    return Alert(
        labels=identity(rule, view),
        annotations=MappingProxyType(rule.annotations.render(view)),
        state=AlertState.PENDING,
        value=view.value,
        active_at_ms=now_ms,
    )


def _present(rule: AlertingRule, known: Alert | None, new: Alert, now_ms: int, doubt: str) -> Transition:
    """Return what becomes of an alert that is in the result."""
    if known is None or known.state is AlertState.RESOLVED:
        before, alert = None, new
    else:
        before = known
        alert = replace(
            known,
            annotations=new.annotations,
            value=new.value,
            keep_firing_since_ms=None,
            unknown_since_ms=None,
        )
    if doubt and alert.state is AlertState.PENDING:
        return _doubted(before, alert, now_ms, doubt)
    if alert.state is AlertState.PENDING and now_ms - alert.active_at_ms >= rule.for_.ms:
        fired = replace(alert, state=AlertState.FIRING, fired_at_ms=now_ms)
        held = f"its expression has held for {rule.for_}" if rule.for_.ms else "its expression holds"
        return Transition(before, fired, held)
    if before is None:
        return Transition(None, alert, f"its expression holds; it fires after {rule.for_}")
    return Transition(before, alert, "it can be seen again" if before.unknown_since_ms is not None else "")


def _doubted(before: Alert | None, alert: Alert, now_ms: int, doubt: str) -> Transition:
    """Keep an alert from firing, and let its time begin anew when the doubt is over: a gap proves nothing."""
    since_ms = now_ms if before is None or before.unknown_since_ms is None else before.unknown_since_ms
    waiting = replace(alert, active_at_ms=now_ms, unknown_since_ms=since_ms)
    said = before is not None and before.unknown_since_ms is not None
    return Transition(before, waiting, "" if said else f"its expression holds, but {doubt}")


def _absent(rule: AlertingRule, alert: Alert, now_ms: int, unseen: str) -> Transition:
    """Return what becomes of an alert that is not in the result; ``unseen`` says why that means nothing."""
    if alert.state is AlertState.RESOLVED:
        return Transition(alert, None if _forgotten(alert, now_ms) else alert, "")
    if unseen:
        return _unseen(alert, now_ms, unseen)
    if alert.state is AlertState.PENDING:
        return Transition(alert, None, f"its expression did not hold for {rule.for_}")
    seen = replace(alert, unknown_since_ms=None)
    if rule.keep_firing_for.ms:
        since_ms = now_ms if alert.keep_firing_since_ms is None else alert.keep_firing_since_ms
        if now_ms - since_ms < rule.keep_firing_for.ms:
            kept = replace(seen, keep_firing_since_ms=since_ms)
            first = alert.keep_firing_since_ms is None
            reason = f"its expression holds no longer; it is kept firing for {rule.keep_firing_for}"
            return Transition(alert, kept, reason if first else "")
    resolved = replace(seen, state=AlertState.RESOLVED, resolved_at_ms=now_ms)
    return Transition(alert, resolved, "its expression holds no longer")


def _unseen(alert: Alert, now_ms: int, reason: str) -> Transition:
    if alert.unknown_since_ms is not None:
        return Transition(alert, alert, "")
    return Transition(alert, replace(alert, unknown_since_ms=now_ms), reason)


def _forgotten(alert: Alert, now_ms: int) -> bool:
    return alert.resolved_at_ms is not None and now_ms - alert.resolved_at_ms > RESOLVED_KEPT_MS


def _cleared(previous: Alerts, error: str) -> Evaluation:
    """Prometheus drops all alerts of a rule that passes its limit; nothing is resolved by that."""
    dropped = [alert for alert in previous.values() if alert.state is not AlertState.RESOLVED]
    return Evaluation(transitions=tuple(Transition(a, None, error) for a in dropped), error=error)
