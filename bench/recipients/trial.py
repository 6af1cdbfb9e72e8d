"""Incidents in a world: what breaks, what the alerts say of it, whom each way of telling would tell."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.recipients import paper
from bench.recipients.world import Fault, World
from desk.audience.audience import audience
from desk.catalogue.catalogue import Catalogue
from desk.incident.incident import Signal
from model.labels import Labels

SUBSCRIBED = (0.05, 0.2, 0.6)


@dataclass(frozen=True, slots=True)
class Happening:
    """What breaks, with the alerts of it by service; ``stale`` asks the catalogue that is out of date."""

    kind: str
    faults: tuple[Fault, ...]
    alerts: dict[str, tuple[Signal, ...]]
    carried: bool = True  # whether the labels and the catalogue carry the evidence
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whom an incident touched, and whom one way of telling told of it."""

    kind: str
    carried: bool
    way: str
    touched: frozenset[str]
    told: frozenset[str]
    refused: bool = False


def happenings(world: World, chance: random.Random) -> list[Happening]:
    """Return forty incidents: thirty whose alerts say where, ten whose alerts or catalogue do not."""
    names = [name for name in world.needs if name not in world.ghosts]
    makers: list[tuple[int, Callable[[World, str, random.Random], Happening]]] = [
        (3, _whole),
        (8, _region),
        (7, _shard),
        (4, _tenant),
        (5, _host),
        (1, _one_of_two),
        (2, _both_of_two),
        (3, _unlabelled),
        (3, _unwritten),
        (2, _broad),
        (2, _stale),
    ]
    return [make(world, chance.choice(names), chance) for count, make in makers for _ in range(count)]


def outcomes(world: World, chance: random.Random) -> list[Outcome]:
    """Let every incident happen, and tell of it in each way."""
    known, stale = paper.catalogue(world), paper.catalogue(world, random.Random(chance.random()))
    listed = {share: _subscribers(world, share, chance) for share in SUBSCRIBED}
    found = []
    for one in happenings(world, chance):
        touched = world.touched(one.faults)
        told, refused = _told(stale if one.stale else known, one)
        found.append(Outcome(one.kind, one.carried, "evidence", touched, told, refused))
        # Whoever posts by hand is taken to name every component that fails for anybody, at once.
        failing = {
            name
            for name in world.needs
            if any(not world.answers(account, name, one.faults) for account in world.accounts)
        }
        for share, components in listed.items():
            reached = frozenset(email for name in failing for email in components[name])
            found.append(Outcome(one.kind, one.carried, f"{share:.0%} subscribed", touched, reached))
    return found


def _told(catalogue: Catalogue, one: Happening) -> tuple[frozenset[str], bool]:
    """Tell of each service's incident in the order in which they begin, as the desk does."""
    told: set[str] = set()
    refused = False
    before: dict[str, tuple[Signal, ...]] = {}
    for service, signals in one.alerts.items():
        found = audience(catalogue, service, signals, before)
        told |= {str(person.person.email) for person in found.people}
        refused = refused or bool(found.refusals)
        before[service] = signals
    return frozenset(told), refused


def _subscribers(world: World, share: float, chance: random.Random) -> dict[str, list[str]]:
    """Return who subscribed to each component: this share of people, each to all that their customer uses."""
    found: dict[str, list[str]] = {name: [] for name in world.needs}
    for account in world.accounts:
        for email in account.people:
            if chance.random() < share:
                for name in account.uses:
                    found[name].append(email)
    return found


def _alert(name: str, service: str, **labels: str) -> tuple[Signal, ...]:
    known = Labels.of({"alertname": name, "service": service, **labels})
    return (Signal(str(known), known, {}, 0, 1, 0),)


def _whole(world: World, service: str, _: random.Random) -> Happening:
    fault = Fault(service, world.hosts(service, world.shards))
    return Happening("a whole service", (fault,), {service: _alert("Down", service)})


def _in_region(world: World, service: str, chance: random.Random) -> tuple[str, Fault]:
    region = chance.choice(world.shards).region
    shards = tuple(shard for shard in world.shards if shard.region == region)
    # A host serves shards of one region only.
    return region, Fault(service, world.hosts(service, shards))


def _region(world: World, service: str, chance: random.Random) -> Happening:
    region, fault = _in_region(world, service, chance)
    return Happening("one region", (fault,), {service: _alert("RegionDown", service, region=region)})


def _shard(world: World, service: str, chance: random.Random) -> Happening:
    host = world.placed[service, chance.choice(world.shards).name]
    signals = tuple(
        signal
        for shard in world.serves(service, host)
        for signal in _alert("ShardDown", service, shard=shard.name, region=shard.region)
    )
    return Happening("one shard", (Fault(service, frozenset({host})),), {service: signals})


def _tenant(world: World, service: str, chance: random.Random) -> Happening:
    account = chance.choice([one for one in world.accounts if service in one.uses])
    fault = Fault(service, customer=account.name)
    return Happening("one tenant", (fault,), {service: _alert("TenantDown", service, tenant=account.name)})


def _host(world: World, service: str, chance: random.Random) -> Happening:
    host = world.placed[service, chance.choice(world.shards).name]
    signals = _alert("HostDown", service, instance=f"{host}:9100")
    return Happening("one host, named alone", (Fault(service, frozenset({host})),), {service: signals})


def _pair(world: World, chance: random.Random) -> tuple[str, ...]:
    pairs = [need.any_of for needs in world.needs.values() for need in needs if len(need.any_of) > 1]
    return chance.choice(pairs)


def _one_of_two(world: World, _: str, chance: random.Random) -> Happening:
    first = _pair(world, chance)[0]
    found = _whole(world, first, chance)
    return Happening("one of two that stand in", found.faults, found.alerts)


def _both_of_two(world: World, _: str, chance: random.Random) -> Happening:
    first, second = _pair(world, chance)
    one = _whole(world, first, chance)
    # The second fails in one region alone: there, and only there, nothing is left.
    two = _region(world, second, chance)
    return Happening("both of two, one in a region", one.faults + two.faults, one.alerts | two.alerts)


def _unlabelled(world: World, service: str, chance: random.Random) -> Happening:
    _, fault = _in_region(world, service, chance)
    alerts = {service: _alert("RegionDown", service)}
    return Happening("the alert does not say where", (fault,), alerts, carried=False)


def _unwritten(world: World, _: str, chance: random.Random) -> Happening:
    found = _region(world, chance.choice(sorted(world.ghosts)), chance)
    return Happening("a dependency nobody wrote down", found.faults, found.alerts, carried=False)


def _broad(world: World, service: str, chance: random.Random) -> Happening:
    _, fault = _in_region(world, service, chance)
    alerts = {service: _alert("Down", service)}
    return Happening("a rule broader than the fault", (fault,), alerts, carried=False)


def _stale(world: World, service: str, chance: random.Random) -> Happening:
    found = _region(world, service, chance)
    kind = "a tenth of the customers moved"
    return Happening(kind, found.faults, found.alerts, carried=False, stale=True)
