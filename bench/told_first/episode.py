"""Episodes that are drawn from a seed: what breaks, how long, who notices, and when they would report.

ASSUMED, not measured: no public data says after which time how many users report a fault. Delays are
log-normal, as waiting times of people mostly are; each figure of ``KINDS`` is a guess that errs towards fast
reporters, and the report shows how the result moves when all of them report two and four times as fast.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SERVICES: Final = tuple(f"service-{number:02}" for number in range(1, 13))
CUSTOMERS: Final = 40
PEOPLE_EACH: Final = 3
SERVICES_EACH: Final = 3
APART_MS: Final = 8 * 3_600_000


@dataclass(frozen=True, slots=True)
class Kind:
    """One weight of fault: how often, who reports it, and after which time by the median."""

    alert: str
    impact: str
    share: float
    reporting: float
    report_median_s: float
    lasts_median_s: float


KINDS: Final = (
    Kind("Down", "major", 0.2, 0.35, 300, 1_500),
    Kind("Partial", "partial", 0.3, 0.20, 600, 1_800),
    Kind("Slow", "degraded", 0.5, 0.08, 1_200, 2_400),
)
REPORT_SIGMA: Final = 1.0
LASTS_SIGMA: Final = 0.8
DETECT_MEDIAN_S: Final = 20.0
DETECT_SIGMA: Final = 0.5
HEALED: Final = 0.5  # of all episodes a playbook heals so many
HEAL_MEDIAN_S: Final = 35.0
HEAL_SIGMA: Final = 0.7
HOLD_MS: Final = 20_000  # for so long it must have worked again before that counts as proof


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault, with ms after the beginning of the simulation; ``reports`` by person, whoever would."""

    number: int
    kind: Kind
    service: str
    onset_ms: int
    detected_ms: int
    over_ms: int
    healed: bool
    affected: tuple[str, ...]
    reports: tuple[tuple[str, int], ...]

    def reported(self, faster: float = 1.0) -> dict[str, int]:
        """Return who reports when, if everybody is so many times as fast: only while it lasts."""
        found = {who: self.onset_ms + round((at_ms - self.onset_ms) / faster) for who, at_ms in self.reports}
        return {who: at_ms for who, at_ms in found.items() if at_ms < self.over_ms}


@dataclass(frozen=True, slots=True)
class Town:
    """Who uses what: the addresses of each customer's people, and its services."""

    people: tuple[tuple[str, ...], ...]
    uses: tuple[tuple[str, ...], ...]

    def users(self, service: str) -> tuple[str, ...]:
        """Return everybody who uses a service."""
        pairs = zip(self.people, self.uses, strict=True)
        return tuple(one for people, uses in pairs if service in uses for one in people)


def town(draw: random.Random) -> Town:
    """Return customers with their people and services."""
    people = tuple(
        tuple(f"p{person}@c{customer}.example" for person in range(PEOPLE_EACH))
        for customer in range(CUSTOMERS)
    )
    return Town(people, tuple(tuple(sorted(draw.sample(SERVICES, SERVICES_EACH))) for _ in people))


def episodes(town: Town, count: int, draw: random.Random) -> Iterator[Episode]:
    """Yield episodes one after the other, never two at once."""
    for number in range(count):
        kind = draw.choices(KINDS, [one.share for one in KINDS])[0]
        service = draw.choice(SERVICES)
        onset_ms = number * APART_MS + draw.randrange(3_600_000)
        detected_ms = onset_ms + _log_normal(draw, DETECT_MEDIAN_S, DETECT_SIGMA)
        healed = draw.random() < HEALED
        median_s, sigma = (HEAL_MEDIAN_S, HEAL_SIGMA) if healed else (kind.lasts_median_s, LASTS_SIGMA)
        over_ms = detected_ms + _log_normal(draw, median_s, sigma)
        affected = town.users(service)
        reports = [
            (who, onset_ms + _log_normal(draw, kind.report_median_s, REPORT_SIGMA))
            for who in affected
            if draw.random() < kind.reporting
        ]
        yield Episode(number, kind, service, onset_ms, detected_ms, over_ms, healed, affected, tuple(reports))


def _log_normal(draw: random.Random, median_s: float, sigma: float) -> int:
    return max(1, round(1000 * draw.lognormvariate(math.log(median_s), sigma)))
