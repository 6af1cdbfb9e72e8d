"""Alerts as Alertmanager's API v2 takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from model.alert import Alert, AlertState
from model.outcome import Remedy

RESOLVED_RESENT_MS: Final = 15 * 60_000
# As long as Prometheus looks back for a sample: what was last seen longer ago tells nothing of now.
UNKNOWN_AFTER_MS: Final = 5 * 60_000


@dataclass(frozen=True, slots=True)
class Posting:
    """One alert with its remedy, as it is to be said to every desk.

    ``lease_ms`` is how long a receiver may believe that it still fires without hearing of it again:
    four times the longer of evaluation interval and resend delay, as Prometheus does. ``marks`` are
    annotations by which the desk knows the host.
    """

    alert: Alert
    remedy: Remedy
    external: Mapping[str, str]
    lease_ms: int
    marks: Mapping[str, str] = field(default_factory=dict)

    def body(self, now_ms: int) -> dict[str, Any]:
        """Return the JSON object; ``startsAt`` is when it fired, a resolved one ends when it resolved."""
        alert = self.alert
        ends_ms = now_ms + self.lease_ms
        if alert.state is AlertState.RESOLVED and alert.resolved_at_ms is not None:
            ends_ms = alert.resolved_at_ms
        labels = {name: value for name, value in self.external.items() if name not in alert.labels}
        annotations = {**alert.annotations, **self.remedy.annotations(), **self.marks}
        if alert.unknown_since_ms is not None:
            annotations["beforehand_unknown_since_ms"] = str(alert.unknown_since_ms)
            if now_ms - alert.unknown_since_ms >= UNKNOWN_AFTER_MS:
                annotations["beforehand_state"] = "unknown"
        return {
            "labels": {**labels, **alert.labels},
            "annotations": annotations,
            "startsAt": rfc3339(alert.fired_at_ms or alert.active_at_ms),
            "endsAt": rfc3339(ends_ms),
        }


def rfc3339(at_ms: int) -> str:
    """Return a moment in UTC with milliseconds, as RFC 3339 writes it."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"
