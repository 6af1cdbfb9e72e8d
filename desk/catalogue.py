"""The catalogue: which services there are, who owns and uses them, and which alert means what for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from desk import dependency
from desk.affects import USES, Affects
from desk.customer import Customer, Person, Team
from desk.dependency import Needs
from desk.service import Service
from desk.view import Impact


@dataclass(frozen=True, slots=True)
class Touch:
    """What one alert means for one service; impact None means that nobody outside can feel it."""

    service: str
    impact: Impact | None
    affects: Affects
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services, customers and teams; read once and never changed."""

    services: Mapping[str, Service]
    customers: tuple[Customer, ...]
    teams: Mapping[str, Team]
    needs: Needs = field(init=False, repr=False, compare=False)
    """What each service needs of the others."""

    def __post_init__(self) -> None:
        # Asked for every alert and every customer.
        object.__setattr__(self, "needs", {name: one.depends_on for name, one in self.services.items()})

    def people(self) -> Iterator[tuple[Customer, Person]]:
        """Yield every person with the customer."""
        return ((customer, person) for customer in self.customers for person in customer.people)

    def team_of(self, service: str) -> Team | None:
        """Return the team that owns a service, or None where nobody can be asked."""
        owner = self.services[service].owner if service in self.services else None
        return self.teams.get(owner.text) if owner else None

    def upstream(self, service: str) -> tuple[str, ...]:
        """Return all that a service needs, directly and by way of others, the nearest first."""
        return dependency.needed(self.needs, service)

    def downstream(self, service: str) -> tuple[str, ...]:
        """Return a service and all that need it, in whatever way and with whatever stand-in."""
        return dependency.needing(self.needs, service)

    def path(self, service: str, cause: str) -> tuple[str, ...]:
        """Return the shortest way from a service to one that it needs, both included; empty without any."""
        return dependency.way(self.needs, service, cause)

    def brought_down(self, failed: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return which services cannot work while these have failed, each with its way to one of them.

        The failed are among them. Redundancy holds: a choice is lost only when nothing of it is left.
        """
        return dependency.brought_down(self.needs, failed)

    def touches(self, labels: Mapping[str, str]) -> tuple[Touch, ...]:
        """Return what an alert with these labels means for each service in use that it touches."""
        return tuple(
            _touch(service, labels)
            for service in self.services.values()
            if service.serves and service.is_shown_by(labels)
        )

    def touch(self, service: str, labels: Mapping[str, str]) -> Touch:
        """Return what an alert with these labels means for this one service."""
        known = self.services.get(service)
        if known is None:
            return Touch(service, _labelled(labels), USES, "the service left the catalogue")
        return _touch(known, labels)


def _touch(service: Service, labels: Mapping[str, str]) -> Touch:
    rule = service.rule(labels)
    if rule is not None:
        reason = f"{rule.when} has the impact {rule.impact.value} on {service.service}"
        return Touch(str(service.service), rule.impact, rule.affects, reason)
    impact, word = _labelled(labels), labels.get("impact", "")
    if not word:
        return Touch(str(service.service), None, USES, "neither the catalogue nor a label names an impact")
    return Touch(str(service.service), impact, USES, f"the alert's label impact is {word[:40]!r}")


def _labelled(labels: Mapping[str, str]) -> Impact | None:
    word = labels.get("impact", "")
    if not word:
        return None
    return Impact(word) if word in Impact.__members__.values() else Impact.UNKNOWN
