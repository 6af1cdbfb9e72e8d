"""Who is affected by one incident, asked page by page, so that a million never stand in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from desk.audience.audience import Affected, Judge, Verdict, surer
from desk.audience.trouble import NAMED
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer
from desk.catalogue.names import Names
from desk.catalogue.roll import Roll, roll
from desk.incident.incident import Incident
from desk.notice.compose import Facts

PAGE_PEOPLE: Final = 1_000
PAGE_ASKED_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some of those affected by their ids, and the last id that was asked; ``done`` when none is left."""

    people: Mapping[int, Affected]
    last: int
    done: bool


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked of one incident: ``own`` judges by its alerts, ``behind`` by those of services behind it.

    ``signals`` is the text by which the alerts are kept, ``facts`` what people are told, ``refused``
    why not in the rule's own words, and ``storm`` whether much else begins at this moment.
    ``written`` are the letters that the notice has.
    """

    incident: Incident
    signals: str
    facts: Facts
    refused: str
    roll: Roll
    own: Judge
    behind: Sequence[tuple[str, Judge]]
    storm: bool = False
    written: set[tuple[str, str, str]] = field(default_factory=set)
    _kinds: dict[int, Verdict | None] = field(default_factory=dict, repr=False)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Sentences on scopes that mean nobody."""
        judges = (self.own, *(judge for _, judge in self.behind))
        return tuple(dict.fromkeys(said for judge in judges for said in judge.trouble.refusals))

    def page(self, after: int) -> Page:
        """Return the next of those affected whose ids come after this one."""
        ids, by_name = self.roll.ids, self._by_name
        place = start = bisect_right(ids, after)
        people: dict[int, Affected] = {}
        while place < len(ids):
            # Who is of two customers stands here twice in a row, and is asked for both at once.
            new = place == start or ids[place] != ids[place - 1]
            if new and (len(people) >= PAGE_PEOPLE or place - start >= PAGE_ASKED_MAX):
                break
            found = self._at(place, by_name=by_name)
            if found is not None:
                customer, person = self.roll.customers[place], self.roll.people[place]
                one = Affected(customer, person, found.grade, found.impact, found.why, found.evidence)
                old = people.get(ids[place])
                if old is None or not surer(old.grade, found.grade):
                    people[ids[place]] = one
            place += 1
        return Page(people, ids[place - 1] if place else 0, place >= len(ids))

    def count(self) -> int:
        """Return how many are affected in all, each for every customer they belong to."""
        if self._by_name:
            places = range(len(self.roll.ids))
            return sum(1 for place in places if self._at(place, by_name=True) is not None)
        counts = enumerate(self.roll.counts)
        return sum(count for like, count in counts if count and self._alike(like) is not None)

    @property
    def _by_name(self) -> bool:
        return any(judge.asks_for(NAMED) for judge in (self.own, *(judge for _, judge in self.behind)))

    def _at(self, place: int, *, by_name: bool) -> Verdict | None:
        if by_name:
            return self._verdict(self.roll.customers[place])
        return self._alike(self.roll.likes[place])

    def _alike(self, like: int) -> Verdict | None:
        if like not in self._kinds:
            self._kinds[like] = self._verdict(self.roll.kinds[like])
        return self._kinds[like]

    def _verdict(self, customer: Customer) -> Verdict | None:
        """Judge one customer; what alerts behind say is evidence of its own, where it is surer."""
        own = self.own.verdict(customer)
        best = own if own.grade.told else None
        for service, judge in self.behind:
            found = judge.verdict(customer)
            if found.grade.told and (best is None or surer(found.grade, best.grade)):
                own_service = service == self.incident.service
                best = found if own_service else replace(found, why=found.why.by_way_of(service))
        return best


@dataclass(slots=True)
class Inquiries:
    """What a desk keeps in memory between two pages: the roll, and what is asked of each incident."""

    open: dict[int, Inquiry] = field(default_factory=dict)
    _of: Catalogue | None = None
    _roll: Roll | None = None
    _named: Catalogue | None = None
    _names: Names | None = None

    def renewed(self, catalogue: Catalogue, ids: Mapping[str, int]) -> Inquiries:
        """Return what is kept for a catalogue, made before the first incident asks for it."""
        if self._of is catalogue and self._named is catalogue:
            return self
        found = Inquiries()
        found.roll(catalogue, ids)
        found.strangers(catalogue)
        return found

    def strangers(self, catalogue: Catalogue) -> Names:
        """Return the names of all customers, none of which another one may read."""
        if self._names is None or self._named is not catalogue:
            both = ((one.customer, one.name) for one in catalogue.customers)
            names = dict.fromkeys(str(name) for pair in both for name in pair if name)
            self._names, self._named = Names.of(names), catalogue
        return self._names

    def roll(self, catalogue: Catalogue, ids: Mapping[str, int]) -> Roll:
        """Return the roll of the catalogue in force; it is made once."""
        if self._roll is None or self._of is not catalogue:
            self._roll, self._of = roll(catalogue, ids), catalogue
        return self._roll
