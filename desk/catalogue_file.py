"""Reading the catalogue's files strictly, with every name checked that one part uses of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from desk.catalogue import Catalogue, Customer, ImpactRule, Ref, Service, Team
from desk.config import Config
from desk.files import read_bytes
from model.decode import decode, nearest
from model.misfit import Place, Problem, Rejected
from model.yaml_tree import Limits

# Customers are many more than rules.
LIMITS: Final = Limits(file_bytes_max=64 << 20, nodes_max=4_000_000)


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """One file of the catalogue."""

    services: tuple[Service, ...] = ()
    customers: tuple[Customer, ...] = ()
    teams: tuple[Team, ...] = ()


def read_catalogue(config: Config, beside: Path) -> Catalogue:
    """Return the files that desk.yaml names as one catalogue, or raise ``Rejected`` with every mistake."""
    files: list[CatalogueFile] = []
    problems: list[Problem] = []
    for name in config.catalogue:
        path = beside / name
        try:
            data = read_bytes(path, config.place, LIMITS.file_bytes_max)
            files.append(decode(data, str(path), CatalogueFile, LIMITS))
        except Rejected as wrong:
            problems += wrong.problems
    if problems:
        raise Rejected(tuple(problems))
    return joined(files)


def check_alone(path: Path) -> CatalogueFile:
    """Return one file of a catalogue, whose other files may hold what it names; raises ``Rejected``."""
    data = read_bytes(path, Place(str(path)), LIMITS.file_bytes_max)
    return decode(data, str(path), CatalogueFile, LIMITS)


def joined(files: Iterable[CatalogueFile]) -> Catalogue:
    """Return several files as one catalogue, or raise ``Rejected`` where they do not fit together."""
    files = tuple(files)
    services = tuple(one for file in files for one in file.services)
    customers = tuple(one for file in files for one in file.customers)
    teams = tuple(one for file in files for one in file.teams)
    catalogue = Catalogue(
        {str(one.service): one for one in services}, customers, {str(one.team): one for one in teams}
    )
    problems = [
        *_twice("service", ((one.service, one.place) for one in services)),
        *_twice("customer", ((one.customer, one.place) for one in customers)),
        *_twice("team", ((one.team, one.place) for one in teams)),
        *_twice("person", ((person.email.lower(), person.place) for _, person in catalogue.people())),
        *_unknown_names(catalogue),
        *_circles(catalogue),
        *_unknown_tags(catalogue),
    ]
    if problems:
        raise Rejected(tuple(problems))
    return catalogue


def _twice(what: str, named: Iterable[tuple[str, Place]]) -> Iterator[Problem]:
    seen: dict[str, Place] = {}
    for name, place in named:
        if name in seen:
            yield Problem(place, f"the {what} {name!r} is given twice, first in {seen[name]}", "keep one")
        seen.setdefault(name, place)


def _unknown_names(catalogue: Catalogue) -> Iterator[Problem]:
    for service in catalogue.services.values():
        for ref in service.depends_on:
            yield from _unknown("service", ref, catalogue.services)
        # Without any team the owner is a mere word; with teams it must be one that can be written to.
        if service.owner and catalogue.teams:
            yield from _unknown("team", service.owner, catalogue.teams)
    for customer in catalogue.customers:
        for ref in customer.uses:
            yield from _unknown("service", ref, catalogue.services)


def _unknown(what: str, ref: Ref, known: Iterable[str]) -> Iterator[Problem]:
    names = tuple(known)
    if ref.text not in names:
        cure = nearest(ref.text, names) if names else f"declare a {what} of this name"
        yield Problem(
            ref.place, f"there is no {what} {ref.text!r}", cure.replace("the keys here", f"the {what}s")
        )


def _circles(catalogue: Catalogue) -> Iterator[Problem]:
    """Find services that depend on themselves, by way of others or directly."""
    for service in catalogue.services.values():
        pending, seen = [ref.text for ref in service.depends_on], set()
        while pending:
            name = pending.pop()
            if name == service.service:
                sentence = f"the service {name!r} depends on itself in a circle"
                yield Problem(service.place, sentence, "remove one of the dependencies")
                break
            if name not in seen and name in catalogue.services:
                seen.add(name)
                pending += (ref.text for ref in catalogue.services[name].depends_on)


def _unknown_tags(catalogue: Catalogue) -> Iterator[Problem]:
    """Find conditions that no customer could meet: they would mean nobody, which nobody writes on purpose."""
    carried: dict[str, set[str]] = {"customer": set(), "tier": set()}
    for customer in catalogue.customers:
        for tag in ("customer", "tier", *customer.tags):
            carried.setdefault(tag, set()).add(customer.tag(tag))
    for service in catalogue.services.values():
        for rule in service.impact:
            yield from _unmet(rule, carried)


def _unmet(rule: ImpactRule, carried: dict[str, set[str]]) -> Iterator[Problem]:
    for condition in rule.affects.where:
        values = carried.get(condition.tag)
        if values is None:
            cure = nearest(condition.tag, carried).replace("the keys here", "the tags")
            yield Problem(rule.place, f"no customer carries the tag {condition.tag!r}", cure)
        elif condition.value and condition.value not in values:
            sentence = f"no customer has {condition.tag}={condition.value}"
            known = ", ".join(sorted(filter(None, values))[:10]) or "not used"
            yield Problem(rule.place, sentence, f"the values of {condition.tag} are {known}")
