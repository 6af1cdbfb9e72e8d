"""Who is affected, worked out from evidence: who uses what, what needs what, and what the alerts say.

Each customer has a grade with its reason. Impacted: the labels of an alert of the service reach what the
customer uses, or where the customer is. Likely: what the customer uses needs the service, nothing stands in
for it, and the labels reach the customer. Possible: it might be so, but the evidence does not carry it; who
is only possibly affected is not written to. Not: everybody else, each with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from desk.audience.affects import Scope
from desk.audience.trouble import Hit, Trouble, trouble
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer, Person
from desk.incident.incident import Signal
from desk.state import Impact

SHARE_MAX: Final = 0.5
KEYS_KEPT_MAX: Final = 1_000
_PLACES: Final = ("region", "site", "country", "location", "city", "office", "zone", "datacenter", "cluster")


class Grade(StrEnum):
    """How surely an incident touches somebody."""

    IMPACTED = "impacted"
    LIKELY = "likely"
    POSSIBLE = "possible"
    NOT = "not"

    @property
    def told(self) -> bool:
        """Whether people of this grade are written to."""
        return self in (Grade.IMPACTED, Grade.LIKELY)


def surer(new: Grade, old: str) -> bool:
    """Tell whether a grade is surer than one that was written down, by this version or an older one."""
    order = tuple(Grade)
    return old in order and order.index(new) < order.index(Grade(old))


class Why(msgspec.Struct, frozen=True):
    """Why somebody is affected, as data, so that it can be said in any language.

    ``via`` is the service that the customer uses, where it only needs the one that fails; ``foretold_ms``
    is when they were told that it might come, in ms since 1970 in UTC, 0 where they were not.
    """

    everyone: bool = False
    uses: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    via: str = ""
    foretold_ms: int = 0

    @classmethod
    def of(cls, scope: Scope, via: str = "") -> Why:
        """Return the reason that a scope gives."""
        return cls(scope.everyone, scope.uses or bool(via), scope.tags, via)

    def by_way_of(self, service: str) -> Why:
        """Return the reason for somebody who uses a service that needs the failing one."""
        return Why(self.everyone, True, self.tags, service)

    def key(self) -> str:
        """Return the reason as a text that names it."""
        return _key(self)

    @classmethod
    def from_key(cls, key: str) -> Why:
        """Return the reason that a text names."""
        return msgspec.json.decode(key, type=cls)

    def places(self) -> str:
        """Return where, as far as the scope says it, like ``eu``; else the tags as they are."""
        where = [value for tag, value in self.tags if tag in _PLACES]
        others = [f"{tag} {value}" for tag, value in self.tags if tag not in _PLACES]
        return ", ".join((*where, *others))


@lru_cache(KEYS_KEPT_MAX)
def _key(why: Why) -> str:
    return msgspec.json.encode(why).decode()


_UNSAID: Final = Why()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How surely one customer is affected, and by what evidence, in sentences for staff."""

    grade: Grade
    evidence: str
    impact: Impact = Impact.UNKNOWN
    why: Why = _UNSAID


@dataclass(frozen=True, slots=True)
class Affected:
    """One person whom an incident touches, how surely, how much, and why."""

    customer: Customer
    person: Person
    grade: Grade
    impact: Impact
    why: Why
    evidence: str


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody who is written to; ``refusals`` are sentences on scopes that mean nobody."""

    people: tuple[Affected, ...]
    refusals: tuple[str, ...]


Others = Mapping[str, Sequence[Signal]]
"""The alerts of the other services that fail at this moment, by service."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Answers for one incident, customer by customer.

    ``others`` are the troubles of other services: what fails there already is theirs to tell, and a choice
    between services is lost where each of them fails for the same customer.
    """

    catalogue: Catalogue
    trouble: Trouble
    others: tuple[Trouble, ...] = ()
    _reached: dict[frozenset[str], dict[str, tuple[str, ...]]] = field(default_factory=dict, repr=False)

    def verdict(self, customer: Customer) -> Verdict:
        """Return how surely this customer is affected, and why or why not."""
        hit = self.trouble.told(customer)
        if hit is not None:
            return Verdict(Grade.IMPACTED, str(hit.evidence), hit.impact, Why.of(hit.scope))
        here = self.trouble.here(customer)
        if here is not None:
            return self._by_way_of_others(customer, here)
        if self.trouble.doubtful and self._needs(customer):
            return Verdict(Grade.POSSIBLE, "The alerts do not say for whom the service fails.")
        reason = why_not(self.catalogue, self.trouble.service, customer)
        other = self.trouble.mismatch(customer) if customer.uses_service(self.trouble.service) else ""
        return Verdict(Grade.NOT, f"{reason.rstrip('.')}: it has {other}." if other else reason)

    def asks_for(self, tag: str) -> bool:
        """Tell whether it matters what customers have in a tag."""
        return any(one.asks_for(tag) for one in (self.trouble, *self.others))

    def _by_way_of_others(self, customer: Customer, here: Hit) -> Verdict:
        """Judge a customer at a place where the service fails, who does not use it directly."""
        service = self.trouble.service
        failed = frozenset(
            other.service for other in self.others if (hit := other.here(customer)) and hit.breaks
        )
        reached = self._brought_down(failed)
        for name in self._used(customer):
            if name in reached:
                grade = Grade.LIKELY if here.breaks else Grade.POSSIBLE
                needs = f"{name} needs it: {' -> '.join(reached[name])}."
                return Verdict(grade, f"{here.evidence} {needs}", here.impact, Why.of(here.scope, name))
        for name in self._used(customer):
            if name in failed:
                continue
            way = self.catalogue.path(name, service)
            if way and name not in self._alone(failed):
                kept = f"{name} needs {service} ({' -> '.join(way)}), but something else stands in for it."
                return Verdict(Grade.NOT, kept)
            if way:
                return Verdict(
                    Grade.NOT, f"{name} fails already for another reason, which is told by itself."
                )
        return Verdict(Grade.NOT, why_not(self.catalogue, service, customer))

    def _used(self, customer: Customer) -> Iterator[str]:
        known = self.catalogue.services
        return (ref.text for ref in customer.uses if ref.text in known and known[ref.text].serves)

    def _needs(self, customer: Customer) -> bool:
        service = self.trouble.service
        return any(name == service or self.catalogue.path(name, service) for name in self._used(customer))

    def _brought_down(self, failed: frozenset[str]) -> dict[str, tuple[str, ...]]:
        """Return what fails only because of this service, given what fails besides, each with its way."""
        if failed not in self._reached:
            alone = self._alone(failed)
            ways = self.catalogue.brought_down((self.trouble.service, *sorted(failed)))
            self._reached[failed] = {
                name: way for name, way in ways.items() if name not in alone and name != self.trouble.service
            }
        return self._reached[failed]

    def _alone(self, failed: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
        return self.catalogue.brought_down(sorted(failed))


def judge(
    catalogue: Catalogue,
    service: str,
    signals: Iterable[Signal],
    others: Others | None = None,
    share_max: float = SHARE_MAX,
) -> Judge:
    """Return who can say of each customer how these alerts of a service touch them."""
    own = trouble(catalogue, service, signals, share_max)
    found = (trouble(catalogue, name, theirs) for name, theirs in (others or {}).items() if name != service)
    return Judge(catalogue, own, tuple(found))


def audience(
    catalogue: Catalogue,
    service: str,
    signals: Iterable[Signal],
    others: Others | None = None,
    share_max: float = SHARE_MAX,
) -> Audience:
    """Return whom these alerts of a service affect, impacted or likely; the heaviest impact counts.

    A scope that does not resolve, that holds nobody, or that holds far more than a narrow scope may, is a
    refusal and never a wider scope.
    """
    asked = judge(catalogue, service, signals, others, share_max)
    people: list[Affected] = []
    for customer in catalogue.customers:
        found = asked.verdict(customer)
        if found.grade.told:
            people += (
                Affected(customer, person, found.grade, found.impact, found.why, found.evidence)
                for person in customer.people
            )
    return Audience(tuple(people), asked.trouble.refusals)


def why_not(catalogue: Catalogue, service: str, customer: Customer) -> str:
    """Return why a customer outside the audience is not told, as a sentence."""
    if not customer.uses_service(service):
        known = catalogue.services.get(service)
        return f"{customer.customer} does not use {known.said_in('en') if known else service}."
    return f"{customer.customer} is outside the scope of the alerts."
