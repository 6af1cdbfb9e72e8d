"""Everybody who is told of anything, in the order of their ids, so that an audience is found page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer, Likeness, Person


@dataclass(frozen=True, slots=True)
class Roll:
    """One entry for each person of each customer: ``likes`` numbers what customers are alike in.

    The first four run side by side. ``counts`` says how many entries each of ``kinds`` has, by one customer
    of it; ``daily`` are the ids of those who want a summary each day.
    """

    ids: Sequence[int]
    customers: Sequence[Customer]
    people: Sequence[Person]
    likes: Sequence[int]
    kinds: Sequence[Customer]
    counts: Sequence[int]
    daily: Sequence[int]

    def users(self, service: str) -> int:
        """Return how many people use a service, each for every customer they belong to."""
        pairs = zip(self.kinds, self.counts, strict=True)
        return sum(count for kind, count in pairs if kind.uses_service(service))


def roll(catalogue: Catalogue, ids: Mapping[str, int]) -> Roll:
    """Return the roll of a catalogue, whose people have these ids by their addresses."""
    numbers: dict[Likeness, int] = {}
    kinds: list[Customer] = []
    entries: list[tuple[int, Customer, Person, int]] = []
    for customer in catalogue.customers:
        like = numbers.setdefault(customer.likeness, len(numbers))
        if like == len(kinds):
            kinds.append(customer)
        entries += ((ids[one.email], customer, one, like) for one in customer.people if one.is_told)
    entries.sort(key=lambda entry: entry[0])
    counts = Counter(like for *_, like in entries)
    return Roll(
        ids=[entry[0] for entry in entries],
        customers=[entry[1] for entry in entries],
        people=[entry[2] for entry in entries],
        likes=[entry[3] for entry in entries],
        kinds=kinds,
        counts=[counts[number] for number in range(len(kinds))],
        daily=sorted({ids[str(one.email)] for _, one in catalogue.people() if one.digest == "daily"}),
    )
