"""In which state a service, an incident or planned work can be, and how bad each is."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class ServiceState(StrEnum):
    """How a service stands, from well to worst."""

    OPERATIONAL = "operational"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    PARTIAL = "partial"
    MAJOR = "major"

    @property
    def rank(self) -> int:
        """The place in the order from well (0) to worst (5)."""
        return tuple(ServiceState).index(self)


class Impact(StrEnum):
    """What an incident does to people."""

    MAJOR = "major"
    PARTIAL = "partial"
    DEGRADED = "degraded"
    MINOR = "minor"
    UNKNOWN = "unknown"

    @property
    def state(self) -> ServiceState:
        """The state of a service that suffers this impact."""
        return ServiceState.DEGRADED if self is Impact.MINOR else ServiceState(self.value)


class IncidentState(StrEnum):
    """Where an incident stands."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    RETRACTED = "retracted"


class MaintenanceState(StrEnum):
    """Where planned work stands."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


def worst(states: Iterable[ServiceState]) -> ServiceState:
    """Return the worst of these states; nothing at all is unknown, not well."""
    return max(states, key=lambda state: state.rank, default=ServiceState.UNKNOWN)
