"""The catalogue: which services there are, who owns and uses them, and which alert means what for whom."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from desk.audience.affects import USES, Affects
from desk.catalogue import dependency
from desk.catalogue.customer import Customer, Likeness, Person, Team, Tier
from desk.catalogue.dependency import Needs
from desk.catalogue.finder import Finder
from desk.catalogue.service import Forecast, Service
from desk.state import Impact

MARK_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Touch:
    """What one alert means for one service; impact None means that nobody outside can feel it.

    With a ``forecast`` nothing is wrong yet, and the impact is the one that is expected.
    """

    service: str
    impact: Impact | None
    affects: Affects
    reason: str
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services, customers, tiers and teams; read once and never changed."""

    services: Mapping[str, Service]
    customers: tuple[Customer, ...]
    teams: Mapping[str, Team]
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    needs: Needs = field(init=False, repr=False, compare=False)
    """What each service needs of the others."""
    needed: frozenset[str] = field(init=False, repr=False, compare=False)
    """The services that others need."""
    foresees: bool = field(init=False, repr=False, compare=False)
    """Whether any alert tells of what is to come."""
    marks: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """A short text for each service, another one wherever its alerts may mean something else."""
    finder: Finder = field(init=False, repr=False, compare=False)
    kinds: Sequence[tuple[Customer, int]] = field(init=False, repr=False, compare=False)
    """One customer with people of each likeness, and how many such there are."""

    def __post_init__(self) -> None:
        # Asked for every alert and every customer.
        object.__setattr__(self, "needs", {name: one.depends_on for name, one in self.services.items()})
        needed = (name for each in self.needs.values() for one in each for name in one.names)
        object.__setattr__(self, "needed", frozenset(needed))
        rules = (rule for one in self.services.values() for rule in one.impact)
        object.__setattr__(self, "foresees", any(rule.forecast for rule in rules))
        object.__setattr__(self, "marks", {name: _mark(one) for name, one in self.services.items()})
        object.__setattr__(self, "finder", Finder.of(self.services.values()))
        object.__setattr__(self, "kinds", _kinds(self.customers))

    def people(self) -> Iterator[tuple[Customer, Person]]:
        """Yield every person with the customer."""
        return ((customer, person) for customer in self.customers for person in customer.people)

    def everybody(self) -> Iterator[tuple[Customer, Person]]:
        """Yield every person with the customer, those included who are told only in the place of others."""
        yield from self.people()
        yield from ((one, one.alternate) for one in self.customers if one.alternate)

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

    def is_needed(self, service: str) -> bool:
        """Tell whether any other service needs this one."""
        return service in self.needed

    def touches(self, labels: Mapping[str, str]) -> tuple[Touch, ...]:
        """Return what an alert with these labels means now for each service in use that it touches."""
        return tuple(one for one in self._all_touches(labels) if one.forecast is None)

    def foretells(self, labels: Mapping[str, str]) -> tuple[Touch, ...]:
        """Return what an alert with these labels foretells, for each service in use."""
        if not self.foresees:
            return ()
        return tuple(one for one in self._all_touches(labels) if one.forecast is not None)

    def _all_touches(self, labels: Mapping[str, str]) -> Iterator[Touch]:
        return (_touch(service, labels) for service in self.finder.shown_by(labels))

    def wants_forecasts(self, customer: Customer, person: Person) -> bool:
        """Tell whether somebody asked to hear of what is only expected; the own word goes over the tier's."""
        if person.pre_impact is not None:
            return person.pre_impact
        tier = self.tiers.get(str(customer.tier or ""))
        return tier is not None and tier.pre_impact

    def impact(self, service: str, labels: Mapping[str, str]) -> Impact | None:
        """Return what ``touch`` says of the impact, without its words: asked many times for each alert."""
        known = self.services.get(service)
        rule = known.rule(labels) if known else None
        return rule.impact if rule else _labelled(labels)

    def touch(self, service: str, labels: Mapping[str, str]) -> Touch:
        """Return what an alert with these labels means for this one service."""
        known = self.services.get(service)
        if known is None:
            return Touch(service, _labelled(labels), USES, "the service left the catalogue")
        return _touch(known, labels)


def _kinds(customers: Iterable[Customer]) -> list[tuple[Customer, int]]:
    some: dict[Likeness, Customer] = {}
    counts: Counter[Likeness] = Counter()
    for one in customers:
        if one.people:
            likeness = one.likeness
            some.setdefault(likeness, one)
            counts[likeness] += 1
    return [(one, counts[likeness]) for likeness, one in some.items()]


def _mark(service: Service) -> str:
    said = repr((service.impact, service.hosts, service.shows, service.stage)).encode()
    return hashlib.blake2b(said, digest_size=MARK_BYTES).hexdigest()


def _touch(service: Service, labels: Mapping[str, str]) -> Touch:
    rule = service.rule(labels)
    if rule is not None:
        reason = f"{rule.when} has the impact {rule.impact.value} on {service.service}"
        return Touch(str(service.service), rule.impact, rule.affects, reason, rule.forecast)
    impact, word = _labelled(labels), labels.get("impact", "")
    if not word:
        return Touch(str(service.service), None, USES, "neither the catalogue nor a label names an impact")
    return Touch(str(service.service), impact, USES, f"the alert's label impact is {word[:40]!r}")


def _labelled(labels: Mapping[str, str]) -> Impact | None:
    word = labels.get("impact", "")
    if not word:
        return None
    return Impact(word) if word in Impact.__members__.values() else Impact.UNKNOWN
