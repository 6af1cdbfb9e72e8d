"""What becomes of a saved alert after a restart (after RestoreForState, rules/group.go of Prometheus 3.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from model.alert import Alert, AlertState
from rules.file import AlertingRule

# Prometheus: --rules.alert.for-outage-tolerance and --rules.alert.for-grace-period.
OUTAGE_MAX_MS: Final = 3_600_000
GRACE_MS: Final = 600_000
# Below the grace period Prometheus starts anew; a restart of an agent should not cost a short `for`.
SHORT_OUTAGE_MS: Final = 60_000


def belongs(rule: AlertingRule, alert: Alert) -> bool:
    """Tell whether the alert can be one of this rule's, by its name and the rule's fixed labels."""
    fixed = ((name, template.fixed) for name, template in rule.labels.each)
    return alert.name == rule.name and all(
        text is None or name == "alertname" or alert.labels.get(name) == text for name, text in fixed
    )


def restored(rule: AlertingRule, alert: Alert, seen_ms: int, now_ms: int) -> Alert | None:
    """Return the alert to go on with, or None to start anew.

    ``seen_ms`` is when the alert was last judged. What fires goes on firing, and what is active stays
    unknown until it is judged again.
    """
    if alert.state is AlertState.RESOLVED:
        return alert
    unknown_ms = now_ms if alert.unknown_since_ms is None else alert.unknown_since_ms
    unseen = replace(alert, unknown_since_ms=unknown_ms)
    if alert.state is AlertState.FIRING:
        return unseen
    active_at_ms = _active_at_ms(rule.for_.ms, alert.active_at_ms, seen_ms, now_ms)
    return None if active_at_ms is None else replace(unseen, active_at_ms=active_at_ms)


def _active_at_ms(for_ms: int, active_at_ms: int, seen_ms: int, now_ms: int) -> int | None:
    outage_ms = now_ms - seen_ms
    if for_ms < GRACE_MS:
        return active_at_ms if outage_ms < SHORT_OUTAGE_MS else None
    if outage_ms > OUTAGE_MAX_MS:
        return None
    left_ms = for_ms - (seen_ms - active_at_ms)
    if left_ms <= 0:
        return active_at_ms
    if left_ms < GRACE_MS:
        return now_ms + GRACE_MS - for_ms
    return active_at_ms + outage_ms
