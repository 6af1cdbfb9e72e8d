"""How a check stands after many results: soft or hard, at which attempt, and whether it flaps.

Soft and hard states are those of Nagios Core ("State Types"): a problem is soft until it was seen in as many
checks in a row as the user asked for; a recovery is hard at once. Flapping is reckoned as Icinga 2 does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = 0
UNKNOWN: Final = 3

CHANGES_KEPT: Final = 20
FLAPPING_ABOVE_PERCENT: Final = 30.0
FLAPPING_UNTIL_PERCENT: Final = 25.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a check stands: its last status, the attempt, and which of the last 20 results were changes.

    ``changes`` has the oldest result first; before the first result there is no change.
    """

    status: int = OK
    hard: bool = True
    attempt: int = 1
    changes: tuple[bool, ...] = (False,) * CHANGES_KEPT
    flapping: bool = False
    results: int = 0

    @property
    def flapping_percent(self) -> float:
        """Icinga's weighted share of changes: the oldest result weighs 0.8, the newest 1.18."""
        weights = (0.8 + 0.02 * age for age, changed in enumerate(self.changes) if changed)
        return 100.0 * sum(weights) / CHANGES_KEPT


BEFORE_ALL: Final = Standing()


def after(before: Standing, status: int, attempts_max: int) -> Standing:
    """Return the standing after one more result."""
    attempt = 1
    if OK not in (status, before.status):
        attempt = min(before.attempt + 1, attempts_max) if not before.hard else attempts_max
    changed = before.results > 0 and status != before.status
    moved = Standing(
        status=status,
        hard=status == OK or attempt >= attempts_max,
        attempt=attempt,
        changes=(*before.changes[1:], changed),
        results=before.results + 1,
    )
    bound = FLAPPING_UNTIL_PERCENT if before.flapping else FLAPPING_ABOVE_PERCENT
    flapping = moved.flapping_percent > bound
    return Standing(status, moved.hard, attempt, moved.changes, flapping, moved.results)
