"""A simulated world of services, shards and customers, in which it is known whose requests fail.

It knows nothing of catalogues, labels or scopes: whether a request works is found by making it, from the
service asked down to everything that its instance needs in turn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

REGIONS = ("eu", "us", "ap")
SHARDS_PER_REGION = 5
SERVICES = 60
FOUNDATIONS = 12  # the first services, which the others are built upon
GHOSTS = 2  # the last of these: whoever needs them never wrote it down
CUSTOMERS = 250
PEOPLE_PER_CUSTOMER = 4
USES = (3, 9)


@dataclass(frozen=True, slots=True)
class Shard:
    name: str
    region: str


@dataclass(frozen=True, slots=True)
class Need:
    """Services of which one must work; ``known`` says whether anybody wrote it down."""

    any_of: tuple[str, ...]
    known: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """One customer with its people."""

    name: str
    shard: Shard
    uses: tuple[str, ...]
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken: a service on some hosts, or for one customer alone."""

    service: str
    hosts: frozenset[str] = frozenset()
    customer: str = ""


@dataclass(frozen=True, slots=True)
class World:
    shards: tuple[Shard, ...]
    needs: dict[str, tuple[Need, ...]]
    placed: dict[tuple[str, str], str] = field(repr=False)  # which host serves a service's shard
    accounts: tuple[Account, ...] = field(repr=False)

    @property
    def ghosts(self) -> frozenset[str]:
        """Return the services that something needs without anybody having written it down."""
        each = (need for needs in self.needs.values() for need in needs)
        return frozenset(name for need in each if not need.known for name in need.any_of)

    def hosts(self, service: str, shards: tuple[Shard, ...]) -> frozenset[str]:
        return frozenset(self.placed[service, shard.name] for shard in shards)

    def serves(self, service: str, host: str) -> tuple[Shard, ...]:
        return tuple(shard for shard in self.shards if self.placed[service, shard.name] == host)

    def answers(self, account: Account, service: str, faults: tuple[Fault, ...]) -> bool:
        """Make a request, which makes those that it needs."""
        host = self.placed[service, account.shard.name]
        for fault in faults:
            if fault.service == service and (host in fault.hosts or account.name == fault.customer):
                return False
        return all(
            any(self.answers(account, name, faults) for name in need.any_of) for need in self.needs[service]
        )

    def touched(self, faults: tuple[Fault, ...]) -> frozenset[str]:
        """Return the people of whose requests some fail."""
        return frozenset(
            person
            for account in self.accounts
            if any(not self.answers(account, service, faults) for service in account.uses)
            for person in account.people
        )


def made(chance: random.Random) -> World:
    shards = tuple(
        Shard(f"{region}-{number}", region)
        for region in REGIONS
        for number in range(1, SHARDS_PER_REGION + 1)
    )
    names = [f"base-{n:02}" for n in range(FOUNDATIONS)]
    names += [f"app-{n:02}" for n in range(SERVICES - FOUNDATIONS)]
    return World(
        shards,
        {name: _needs(name, names[:FOUNDATIONS], chance) for name in names},
        _placed(names, shards, chance),
        tuple(_account(number, names, shards, chance) for number in range(CUSTOMERS)),
    )


def _needs(name: str, bases: list[str], chance: random.Random) -> tuple[Need, ...]:
    """Let a foundation need at most one before it, and an application two or three things, one a choice."""
    bases, ghosts = bases[:-GHOSTS], bases[-GHOSTS:]
    if name in ghosts:
        return ()
    if name in bases:
        before = bases[: bases.index(name)]
        return (Need((chance.choice(before),)),) if before and chance.random() < 0.3 else ()
    picked = chance.sample(bases, 3)
    found = [Need((picked[0],))]
    if chance.random() < 0.6:
        found.append(Need((picked[1], picked[2])))
    if chance.random() < 0.25:
        found.append(Need((chance.choice(ghosts),), known=False))
    return tuple(found)


def _placed(names: list[str], shards: tuple[Shard, ...], chance: random.Random) -> dict[tuple[str, str], str]:
    """Give each shard of a service a host; some hosts serve two shards that are neighbours."""
    placed: dict[tuple[str, str], str] = {}
    for name in names:
        for number, shard in enumerate(shards):
            beside = shards[number - 1] if number % SHARDS_PER_REGION else None
            if beside is not None and chance.random() < 0.3:
                placed[name, shard.name] = placed[name, beside.name]
            else:
                placed[name, shard.name] = f"{name}-{shard.name}"
    return placed


def _account(number: int, names: list[str], shards: tuple[Shard, ...], chance: random.Random) -> Account:
    name = f"customer-{number:03}"
    uses = tuple(sorted(chance.sample(names, chance.randint(*USES))))
    people = tuple(f"person-{n}@{name}.example" for n in range(PEOPLE_PER_CUSTOMER))
    return Account(name, chance.choice(shards), uses, people)
