"""Who is affected, each with the reason: entitlement and the alert's labels, and nobody besides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from desk.affects import Affects, Scope, ScopeUnresolved
from desk.catalogue import Catalogue, Customer, Person
from desk.incident import Signal, weight
from desk.view import Impact

_PLACES: Final = ("region", "site", "country", "location", "city", "office", "zone", "datacenter", "cluster")


class Why(msgspec.Struct, frozen=True):
    """Why somebody is affected, as data, so that it can be said in any language."""

    everyone: bool = False
    uses: bool = False
    tags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, scope: Scope) -> Why:
        """Return the reason that a scope gives."""
        return cls(scope.everyone, scope.uses, scope.tags)

    def key(self) -> str:
        """Return the reason as a text that names it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_key(cls, key: str) -> Why:
        """Return the reason that a text names."""
        return msgspec.json.decode(key, type=cls)

    def places(self) -> str:
        """Return where, as far as the scope says it, like ``eu``; else the tags as they are."""
        where = [value for tag, value in self.tags if tag in _PLACES]
        others = [f"{tag} {value}" for tag, value in self.tags if tag not in _PLACES]
        return ", ".join((*where, *others))


@dataclass(frozen=True, slots=True)
class Affected:
    """One person whom an incident touches, how much, and why."""

    customer: Customer
    person: Person
    grade: Impact
    why: Why


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody whom an incident touches; ``refusals`` are sentences on scopes that mean nobody."""

    people: tuple[Affected, ...]
    refusals: tuple[str, ...]


def audience(catalogue: Catalogue, service: str, signals: Iterable[Signal]) -> Audience:
    """Return whom these alerts of a service affect; the heaviest impact on somebody counts.

    A scope that does not resolve, or that holds nobody, is a refusal and never a wider scope.
    """
    people: dict[str, Affected] = {}
    refusals: dict[str, None] = {}
    for affects, labels, grade in _distinct(catalogue, service, signals):
        scope = affects.scope(labels)
        if isinstance(scope, ScopeUnresolved):
            refusals[f"The scope does not resolve: {scope.reason}."] = None
            continue
        found = False
        for customer in catalogue.customers:
            if not is_in(customer, service, scope):
                continue
            for person in customer.people:
                found = True
                known = people.get(person.email)
                if known is None or weight(grade) > weight(known.grade):
                    people[person.email] = Affected(customer, person, grade, Why.of(scope))
        if not found:
            refusals[f"The scope holds nobody: {_worded(scope)}."] = None
    return Audience(tuple(people.values()), tuple(refusals))


def _distinct(
    catalogue: Catalogue, service: str, signals: Iterable[Signal]
) -> Iterable[tuple[Affects, dict[str, str], Impact]]:
    """Yield each different scope once: a thousand alerts of one kind name one audience."""
    seen = set()
    for signal in signals:
        touch = catalogue.touch(service, signal.labels)
        if touch.impact is None or touch.impact is Impact.UNKNOWN:
            continue
        labels = {one.label: signal.labels.get(one.label) for one in touch.affects.where if one.label}
        key = (touch.affects, tuple(labels.items()), touch.impact)
        if key not in seen:
            seen.add(key)
            yield touch.affects, labels, touch.impact


def is_in(customer: Customer, service: str, scope: Scope) -> bool:
    """Tell whether a customer is within a scope."""
    if scope.everyone:
        return True
    if scope.uses and all(ref.text != service for ref in customer.uses):
        return False
    return all(value and customer.tag(tag) == value for tag, value in scope.tags)


def why_not(catalogue: Catalogue, service: str, customer: Customer) -> str:
    """Return why a customer outside the audience is not told, as a sentence."""
    if all(ref.text != service for ref in customer.uses):
        return f"{customer.customer} does not use {catalogue.services[service].said_in('en')}."
    return f"{customer.customer} is outside the scope of the alerts."


def _worded(scope: Scope) -> str:
    words = [*(["uses"] if scope.uses else []), *(f"{tag}={value[:60]}" for tag, value in scope.tags)]
    return " and ".join(words) or "everyone"
