"""How fast a drill must be noticed, healed and told, and whether it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit

LONGEST: Final = seconds(600)


@dataclass(frozen=True, slots=True)
class Objective:
    """What is asked of each drill, under ``drill:`` in agent.yaml; each counts from the fault.

    ``noticed_within``: an alert fires. ``healed_within``: the playbook's work is seen to help.
    ``told_within``: the first notice is with its reader.
    """

    noticed_within: Duration = seconds(5)
    healed_within: Duration = seconds(60)
    told_within: Duration = seconds(10)

    def __post_init__(self) -> None:
        for name, within in self.named():
            if not 0 < within.ms <= LONGEST.ms:
                raise Misfit(f"{name}: {within} is out of range", f"choose 1ms to {LONGEST}", key=name)

    def named(self) -> tuple[tuple[str, Duration], ...]:
        """Return each limit with its key."""
        names = ("noticed_within", "healed_within", "told_within")
        return tuple(zip(names, (self.noticed_within, self.healed_within, self.told_within), strict=True))

    @property
    def longest(self) -> Duration:
        """The longest of the three."""
        return max(within for _, within in self.named())

    def changed(
        self, noticed: Duration | None = None, healed: Duration | None = None, told: Duration | None = None
    ) -> Objective:
        """Return it with what was said on the command line."""
        return replace(
            self,
            noticed_within=noticed or self.noticed_within,
            healed_within=healed or self.healed_within,
            told_within=told or self.told_within,
        )


USUAL: Final = Objective()


@dataclass(frozen=True, slots=True)
class Times:
    """When each came, in ms since 1970; None for what never did. ``proved_ms`` is the end of the hold."""

    fault_ms: int
    noticed_ms: int | None = None
    healed_ms: int | None = None
    told_ms: int | None = None
    proved_ms: int | None = None

    def after_ms(self, at_ms: int | None) -> int | None:
        """Return the time from the fault to a moment."""
        return None if at_ms is None else at_ms - self.fault_ms


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain: how long it took, how long it might, and whether that is met."""

    word: str
    after_ms: int | None
    within: Duration

    @property
    def met(self) -> bool:
        """Whether it came in time."""
        return self.after_ms is not None and self.after_ms <= self.within.ms


def judged(times: Times, objective: Objective) -> tuple[Link, ...]:
    """Return the three links in their order."""
    return (
        Link("noticed", times.after_ms(times.noticed_ms), objective.noticed_within),
        Link("healed", times.after_ms(times.healed_ms), objective.healed_within),
        Link("told", times.after_ms(times.told_ms), objective.told_within),
    )
