"""Worlds drawn from a seed: services with faults, remedies of every kind, times in which nobody may act."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
START_MS: Final = 1_700_000_000_000
LENGTH_MS: Final = 24 * HOUR_MS
END_MS: Final = START_MS + LENGTH_MS

NAMES: Final = ("cart", "login", "mail", "pay", "search", "shop", "stock")
UPSTREAM: Final = "db"
WINDOWS: Final = ("switch", "hold", "freeze", "doubt", "stale", "at work", "lease")


class Kind(StrEnum):
    """What a remedy does."""

    USEFUL = "useful"  # it mostly ends the fault
    USELESS = "useless"  # it takes a while and changes nothing
    HARMFUL = "harmful"  # something graver begins, and an alert says so
    SILENT = "silent"  # the fault lasts longer for it, and nothing says so
    FLAPPING = "flapping"  # the fault is gone, and comes back
    FAILING = "failing"  # its step fails


class Flavour(StrEnum):
    """What most remedies of a world are like, or its faults."""

    USELESS = "useless"
    HARMFUL = "harmful"
    FLAPPING = "flapping"
    COMMON = "common cause"
    MIXED = "mixed"


KINDS: Final[Mapping[Flavour, tuple[Kind, ...]]] = {
    Flavour.USELESS: (Kind.USELESS, Kind.USELESS, Kind.FAILING),
    Flavour.HARMFUL: (Kind.HARMFUL, Kind.SILENT),
    Flavour.FLAPPING: (Kind.FLAPPING,),
    Flavour.COMMON: (Kind.USEFUL, Kind.USELESS, Kind.SILENT),
    Flavour.MIXED: tuple(Kind),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A time from one moment up to another, in ms since 1970."""

    begin_ms: int
    end_ms: int

    def holds(self, at_ms: int) -> bool:
        """Tell whether a moment lies in it."""
        return self.begin_ms <= at_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Rung:
    """One playbook for a service: what it does, how long that takes, and how bad or short-lived that is."""

    kind: Kind
    takes_ms: int
    harm_ms: int
    calm_ms: int
    undone_of_1000: int


@dataclass(frozen=True, slots=True)
class Service:
    """What is watched: its faults as they pass by themselves, and when an alert sees them."""

    name: str
    lag_ms: int
    faults: tuple[Span, ...]
    rungs: tuple[Rung, ...]
    says_unless: bool


@dataclass(frozen=True, slots=True)
class World:
    """A host for a day. All services suffer from each of the ``outages`` of what they lean on.

    ``asking`` are the services whose playbooks need so many people's approval.
    """

    seed: str
    flavour: Flavour
    services: tuple[Service, ...]
    outages: tuple[Span, ...]
    windows: Mapping[str, tuple[Span, ...]]
    asking: Mapping[str, int]

    def holding(self, window: str, at_ms: int) -> bool:
        """Tell whether it is such a time."""
        return any(span.holds(at_ms) for span in self.windows[window])


def draw(seed: int, number: int) -> World:
    """Return one world of a seed; the same numbers give the same world in any process."""
    name = f"{seed}:{number}"
    chance = random.Random(name)
    flavour = chance.choice(list(Flavour))
    services = tuple(_service(chance, each, flavour) for each in NAMES[: chance.randint(3, len(NAMES))])
    common = flavour is Flavour.COMMON or (flavour is Flavour.MIXED and chance.random() < 0.2)
    outages = _spans(chance, chance.randint(1, 3) if common else 0, 2, 60)
    windows = {window: _spans(chance, int(chance.random() < 0.3), 1, 60) for window in WINDOWS}
    windows["switch"] = _switch(chance, services)
    return World(name, flavour, services, outages, windows, _asking(name, services))


def _asking(name: str, services: tuple[Service, ...]) -> Mapping[str, int]:
    """Return who is asked about, in a quarter of the worlds; drawn apart, so that all else stays the same."""
    chance = random.Random(f"{name} people")
    if chance.random() >= 1 / 4:
        return {}
    return {one.name: chance.choice((1, 1, 2)) for one in services if chance.random() < 0.6}


def _switch(chance: random.Random, services: tuple[Service, ...]) -> tuple[Span, ...]:
    """Return when the kill switch is set: mostly while a remedy is likely at work."""
    seen = [fault.begin_ms + one.lag_ms for one in services for fault in one.faults]
    if not seen or chance.random() < 0.5:
        return ()
    begin_ms = chance.choice(seen) + chance.randint(0, 10 * SECOND_MS)
    return (Span(begin_ms, begin_ms + chance.randint(1, 15) * MINUTE_MS),)


def _service(chance: random.Random, name: str, flavour: Flavour) -> Service:
    faults = _spans(chance, chance.randint(0, 4), 0.5, 240)
    rungs = tuple(_rung(chance, flavour) for _ in range(chance.choice((1, 1, 2))))
    lag_ms = chance.randint(5, 30) * SECOND_MS
    return Service(name, lag_ms, faults, rungs, says_unless=chance.random() < 0.3)


def _rung(chance: random.Random, flavour: Flavour) -> Rung:
    kind = chance.choice(KINDS[flavour]) if chance.random() < 0.8 else Kind.USEFUL
    return Rung(
        kind,
        takes_ms=chance.randint(500, 20_000),
        harm_ms=chance.randint(5, 60) * MINUTE_MS,
        calm_ms=chance.randint(1, 90) * MINUTE_MS,
        undone_of_1000=999,
    )


def _spans(chance: random.Random, count: int, least_min: float, most_min: float) -> tuple[Span, ...]:
    """Return times that do not overlap, most of them short: their lengths are drawn by their logarithm."""
    spans: list[Span] = []
    for begin_ms in sorted(chance.randrange(START_MS, END_MS) for _ in range(count)):
        length_ms = int(least_min * (most_min / least_min) ** chance.random() * MINUTE_MS)
        if not spans or begin_ms > spans[-1].end_ms:
            spans.append(Span(begin_ms, min(begin_ms + length_ms, END_MS)))
    return tuple(spans)
