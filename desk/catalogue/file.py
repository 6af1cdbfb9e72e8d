"""Reading the catalogue's files strictly, with every name checked that one part uses of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer, Person, Team, Tier
from desk.catalogue.dependency import Ref, circles
from desk.catalogue.service import ImpactRule, Service
from desk.catalogue.tables import Attached, Table, read_table
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
    tiers: tuple[Tier, ...] = ()


def read_catalogue(config: Config, beside: Path) -> Catalogue:
    """Return the files that desk.yaml names as one catalogue, or raise ``Rejected`` with every mistake."""
    files: list[CatalogueFile] = []
    tables: list[Table] = []
    problems: list[Problem] = []
    for name in config.catalogue:
        path = beside / name
        try:
            data = read_bytes(path, config.place, LIMITS.file_bytes_max)
            if path.suffix.lower() == ".csv":
                tables.append(read_table(data, str(path), LIMITS.file_bytes_max))
            else:
                files.append(decode(data, str(path), CatalogueFile, LIMITS))
        except Rejected as wrong:
            problems += wrong.problems
    if problems:
        raise Rejected(tuple(problems))
    catalogue = joined(files, tables)
    problems += unspoken(config, catalogue)
    if problems:
        raise Rejected(tuple(problems))
    return catalogue


def unspoken(config: Config, catalogue: Catalogue) -> Iterator[Problem]:
    """Find chats that desk.yaml does not open, and that no team is the one to hear of the canaries."""
    chats = [str(one.chat) for one in config.channels.chats]
    for team in catalogue.teams.values():
        if team.chat and str(team.chat) not in chats:
            cure = nearest(str(team.chat), chats).replace("the keys here", "the chats") if chats else ""
            sentence = f"desk.yaml opens no chat {str(team.chat)!r}"
            yield Problem(team.place, sentence, cure or "add it under chats: in desk.yaml")
    told = config.channels.canaries.tell if config.channels.canaries else None
    if told and told not in catalogue.teams:
        sentence = f"there is no team {str(told)!r} to hear of the canaries"
        yield Problem(config.place, sentence, "name a team of the catalogue")


def check_alone(path: Path) -> CatalogueFile:
    """Return one file of a catalogue, whose other files may hold what it names; raises ``Rejected``."""
    data = read_bytes(path, Place(str(path)), LIMITS.file_bytes_max)
    return decode(data, str(path), CatalogueFile, LIMITS)


def joined(files: Iterable[CatalogueFile], tables: Iterable[Table] = ()) -> Catalogue:
    """Return several files and tables as one catalogue, or raise ``Rejected`` where they do not fit."""
    files, tables = tuple(files), tuple(tables)
    services = tuple(one for file in files for one in file.services)
    attached = tuple(one for table in tables for one in table.people)
    declared = [one for file in files for one in file.customers]
    declared += (one for table in tables for one in table.customers)
    customers = _with_people(declared, attached)
    teams = tuple(one for file in files for one in file.teams)
    tiers = tuple(one for file in files for one in file.tiers)
    catalogue = Catalogue(
        {str(one.service): one for one in services},
        customers,
        {str(one.team): one for one in teams},
        {str(one.tier): one for one in tiers},
    )
    problems = [
        *_strangers(customers, attached),
        *_twice("service", ((one.service, one.place) for one in services)),
        *_twice("customer", ((one.customer, one.place) for one in customers)),
        *_twice("team", ((one.team, one.place) for one in teams)),
        *_twice("tier", ((one.tier, one.place) for one in tiers)),
        *_idle_tiers(customers, tiers),
        *_twice("person", ((person.email.lower(), person.place) for _, person in catalogue.everybody())),
        *(
            problem
            for team in teams
            for problem in _twice("person", ((one.email.lower(), one.place) for one in team.people))
        ),
        *_unknown_names(catalogue),
        *_circles(catalogue),
        *_unknown_tags(catalogue),
    ]
    if problems:
        raise Rejected(tuple(problems))
    return catalogue


def _with_people(customers: Iterable[Customer], attached: Iterable[Attached]) -> tuple[Customer, ...]:
    """Return the customers, each with the people of the tables that name it."""
    more: dict[str, list[Person]] = {}
    for one in attached:
        more.setdefault(one.customer.text, []).append(one.person)
    return tuple(
        replace(one, people=(*one.people, *found)) if (found := more.get(str(one.customer))) else one
        for one in customers
    )


def _strangers(customers: Iterable[Customer], attached: Iterable[Attached]) -> Iterator[Problem]:
    """Find people of tables whose customer nobody declares."""
    names = {str(one.customer) for one in customers}
    for one in attached:
        if one.customer.text not in names:
            yield from _unknown("customer", one.customer, names)


def _twice(what: str, named: Iterable[tuple[str, Place]]) -> Iterator[Problem]:
    seen: dict[str, Place] = {}
    for name, place in named:
        if name in seen:
            yield Problem(place, f"the {what} {name!r} is given twice, first in {seen[name]}", "keep one")
        seen.setdefault(name, place)


def _unknown_names(catalogue: Catalogue) -> Iterator[Problem]:
    for service in catalogue.services.values():
        for ref in (ref for one in service.depends_on for ref in one.services):
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


def _idle_tiers(customers: Iterable[Customer], tiers: Iterable[Tier]) -> Iterator[Problem]:
    """Find tiers that no customer has: a name that is misspelt would ask for nobody."""
    known = {str(one.tier) for one in customers if one.tier}
    for one in tiers:
        if str(one.tier) not in known:
            cure = nearest(str(one.tier), known) if known else "remove it"
            sentence = f"no customer has the tier {str(one.tier)!r}"
            yield Problem(one.place, sentence, cure.replace("the keys here", "the tiers"))


def _circles(catalogue: Catalogue) -> Iterator[Problem]:
    """Find services that depend on themselves, by way of others or directly."""
    for circle in circles(catalogue.needs):
        sentence = f"the service {circle[0]!r} depends on itself: {' -> '.join(circle)}"
        yield Problem(catalogue.services[circle[0]].place, sentence, "remove one of the dependencies")


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
