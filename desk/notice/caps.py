"""How many people may be written to without a human's word, and how long a human's word can be undone.

Every function decides and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from desk.audience.audience import Affected
from desk.catalogue.catalogue import Catalogue
from desk.state import Impact

PEOPLE_FREE: Final = 100
SHARE_FREE: Final = 0.05
PREDICTED_MIN: Final = 0.5
PREDICTED_MAX: Final = 2.0
UNDO_ONE_MS: Final = 30_000
UNDO_MANY_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Size:
    """How large an audience is: against everybody, and against those who use the service."""

    people: int
    everybody: int
    predicted: int
    everyone: bool = False

    @property
    def free(self) -> int:
        """How many people may be written to without a human's word."""
        return max(PEOPLE_FREE, math.ceil(self.everybody * SHARE_FREE))

    @property
    def as_predicted(self) -> bool:
        """Whether the audience is about as large as the service's own."""
        return PREDICTED_MIN * self.predicted <= self.people <= PREDICTED_MAX * self.predicted


@dataclass(frozen=True, slots=True)
class Clearance:
    """How many humans must let a notice go, none for 0, and why."""

    needs: int
    reason: str


def size(catalogue: Catalogue, service: str, found: Sequence[Affected], before: int = 0) -> Size:
    """Return the size of an audience, with those that this incident has written to ``before``."""
    everybody = predicted = 0
    for customer in catalogue.customers:
        people = sum(1 for person in customer.people if person.is_told)
        everybody += people
        if any(ref.text == service for ref in customer.uses):
            predicted += people
    everyone = any(one.why.everyone for one in found)
    return Size(len(found) + before, everybody, predicted, everyone)


def clearance(size: Size, impact: Impact) -> Clearance:
    """Return how many humans it takes to write to so many people at once.

    Small audiences go by themselves. What is major goes by itself where the audience is what the service
    predicts; a scope of everyone is no service's, so it takes two.
    """
    if size.people <= size.free:
        return Clearance(0, f"{size.people} people are within the {size.free} that need no human")
    if size.everyone:
        return Clearance(2, f"the scope is everyone, which is {size.people} people")
    if impact is Impact.MAJOR and size.as_predicted:
        return Clearance(0, f"it is major, and {size.people} people are about the {size.predicted} expected")
    if not size.as_predicted:
        return Clearance(1, f"{size.people} people are not the {size.predicted} that the service has")
    return Clearance(1, f"{size.people} people are more than {size.free}, and it is not major")


def undo_ms(people: int) -> int:
    """Return how long a notice waits that a human let go, so that it can be called back."""
    return UNDO_ONE_MS if people <= 1 else UNDO_MANY_MS


def storm(opened: int, reached: int, everybody: int) -> bool:
    """Tell whether so much begins at once that single notices would only add to it.

    ``opened`` are the incidents of the last five minutes, ``reached`` the people whom they touch.
    """
    return opened > STORM_INCIDENTS or (
        opened >= STORM_SERVICES_MIN and reached > max(PEOPLE_FREE, everybody * STORM_SHARE)
    )


STORM_INCIDENTS: Final = 20
STORM_SERVICES_MIN: Final = 3
STORM_SHARE: Final = 0.10
STORM_MS: Final = 300_000
