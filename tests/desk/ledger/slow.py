"""The figures once more, slowly: one person after the other, with nothing counted together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from desk.ledger.experienced import WEIGHTS, Crowd
from desk.ledger.story import Answer, Level, Promise, Story, Voice, Word
from desk.state import Impact


@dataclass(slots=True)
class One:
    """One person in one incident."""

    person: int  # below 0 where nobody knows who it was
    inside: bool
    queued_ms: int = 0
    told_ms: int = 0
    reported_ms: int = 0
    answer: Answer | None = None
    opted_out: bool = False

    @property
    def affected(self) -> bool | None:
        if self.answer:
            return self.answer is Answer.AFFECTED
        return True if self.reported_ms else None

    @property
    def counts(self) -> bool:
        """Whether they count as affected where nobody knows better."""
        return self.person > 0 and (self.affected is True or (self.inside and self.affected is None))


@dataclass(slots=True)
class Affair:
    """One incident with everybody in it."""

    number: int
    service: str
    onset_ms: int
    detected_ms: int
    closed_ms: int
    levels: list[Level]
    promises: list[Promise] = field(default_factory=list)
    people: list[One] = field(default_factory=list)
    retracted: bool = False

    def story(self) -> Story:
        """Return it as the ledger counts it."""
        spoke = [one for one in self.people if one.reported_ms or one.answer]
        words: dict[tuple[int, int], int] = {}
        for one in self.people:
            if one.told_ms:
                key = (one.queued_ms, one.told_ms)
                words[key] = words.get(key, 0) + 1
        inside = [one for one in self.people if one.inside]
        return Story(
            incident=self.number,
            service=self.service,
            impact=max((level.impact for level in self.levels), key=lambda one: WEIGHTS.get(one, 0)),
            onset_ms=self.onset_ms,
            detected_ms=self.detected_ms,
            closed_ms=self.closed_ms,
            over_ms=self.closed_ms,
            retracted=self.retracted,
            audience=len(inside),
            opted_out=sum(one.opted_out for one in inside),
            words=tuple(Word(queued, taken, people) for (queued, taken), people in words.items()),
            voices=tuple(
                Voice(one.told_ms, one.reported_ms, one.answer, one.inside, one.person > 0, one.opted_out)
                for one in spoke
            ),
            promises=tuple(self.promises),
            levels=tuple(self.levels),
        )


def people_told_first(affairs: Sequence[Affair]) -> tuple[int, int]:
    """Return how many of the affected, of those who wanted a word, had it before they spoke."""
    hits = everybody = 0
    for affair in affairs:
        for one in affair.people:
            if one.counts and not one.opted_out:
                everybody += 1
                hits += bool(one.told_ms) and (not one.reported_ms or one.told_ms < one.reported_ms)
    return hits, everybody


def truth(affairs: Sequence[Affair]) -> tuple[int, int, int, int]:
    """Return who was told and affected, told and not, missed, and told without a word."""
    found = [0, 0, 0, 0]
    for affair in affairs:
        for one in affair.people:
            if one.told_ms and one.affected is True:
                found[0] += 1
            elif one.told_ms and one.affected is False:
                found[1] += 1
            elif one.told_ms:
                found[3] += 1
            elif one.affected is True and one.person > 0 and not one.opted_out:
                found[2] += 1
    return found[0], found[1], found[2], found[3]


def waits(affairs: Sequence[Affair]) -> list[int]:
    """Return how long each person waited from the onset on, in order."""
    return sorted(one.told_ms - affair.onset_ms for affair in affairs for one in affair.people if one.told_ms)


def rank(lengths: Sequence[int], percent: int) -> int | None:
    """Return the nearest rank."""
    return sorted(lengths)[math.ceil(len(lengths) * percent / 100) - 1] if lengths else None


def minutes(affairs: Sequence[Affair], from_ms: int, to_ms: int) -> float:
    """Return the experienced minutes, millisecond by millisecond and person by person."""
    total = 0.0
    people = {one.person for affair in affairs for one in affair.people if one.counts}
    for person in people:
        mine = [one for one in affairs if any(some.person == person and some.counts for some in one.people)]
        for ms in range(from_ms, to_ms):
            total += max((WEIGHTS.get(_level(affair, ms), 0.0) for affair in mine), default=0.0)
    return total / 60_000


def _level(affair: Affair, ms: int) -> Impact:
    if not affair.onset_ms <= ms < (affair.closed_ms or math.inf):
        return Impact.UNKNOWN
    so_far = [level.impact for level in affair.levels[1:] if level.from_ms <= ms]
    return so_far[-1] if so_far else affair.levels[0].impact


def crowds(affairs: Sequence[Affair]) -> list[Crowd]:
    """Return one crowd per person."""
    people = {one.person for affair in affairs for one in affair.people if one.counts}
    return [
        Crowd(
            frozenset(
                affair.number
                for affair in affairs
                if any(one.person == person and one.counts for one in affair.people)
            ),
            1,
        )
        for person in people
    ]
