"""Alerts: what a rule says of one label set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from model.labels import Labels


class AlertState(StrEnum):
    """Where an alert stands, in Prometheus' words."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; its identity is its labels, and times are milliseconds since 1970 in UTC.

    ``active_at_ms`` is the first evaluation that found it, ``fired_at_ms`` the one that fired it.
    ``unknown_since_ms`` is set while what it looks at cannot be seen: the state is then kept, not judged.
    """

    labels: Labels
    annotations: Mapping[str, str]
    state: AlertState
    value: float
    active_at_ms: int
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None
    keep_firing_since_ms: int | None = None
    unknown_since_ms: int | None = None

    @property
    def name(self) -> str:
        """The rule's name for it: the label ``alertname``."""
        return self.labels.get("alertname")
