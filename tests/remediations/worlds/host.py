"""The truth about a simulated host: what is broken, what breaks or mends it, and for how long it was bad."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.remediations.worlds.drawn import END_MS, Kind, Rung, Service, Span, World


@dataclass(slots=True, eq=False)
class Trouble:
    """One thing that is wrong with a service, from its begin to its end, which a remedy may move."""

    begin_ms: int
    end_ms: int
    curable: bool = False
    grave: bool = False

    def holds(self, at_ms: int) -> bool:
        """Tell whether it is there at this moment."""
        return self.begin_ms <= at_ms < self.end_ms


@dataclass(slots=True)
class Broken:
    """A service as it is; ``back`` takes back what the last remedy did."""

    drawn: Service
    troubles: list[Trouble]
    back: list[Callable[[int], None]] = field(default_factory=list)

    def bad(self, at_ms: int) -> bool:
        """Tell whether anything is wrong."""
        return any(one.holds(at_ms) for one in self.troubles)

    def grave(self, at_ms: int) -> bool:
        """Tell whether something is gravely wrong."""
        return any(one.grave and one.holds(at_ms) for one in self.troubles)

    def began_ms(self, at_ms: int) -> int:
        """Return since when something has been wrong."""
        return min((one.begin_ms for one in self.troubles if one.holds(at_ms)), default=at_ms)

    def spans(self) -> tuple[Span, ...]:
        """Return when it was bad, as times that do not overlap."""
        merged: list[Span] = []
        for one in sorted(self.troubles, key=lambda each: each.begin_ms):
            begin_ms, end_ms = one.begin_ms, min(one.end_ms, END_MS)
            if begin_ms >= end_ms:
                continue
            if merged and begin_ms <= merged[-1].end_ms:
                begin_ms, end_ms = merged[-1].begin_ms, max(end_ms, merged.pop().end_ms)
            merged.append(Span(begin_ms, end_ms))
        return tuple(merged)

    @property
    def bad_ms(self) -> int:
        """For how long it was bad in all."""
        return sum(span.end_ms - span.begin_ms for span in self.spans())


def untouched(world: World) -> dict[str, Broken]:
    """Return the services as they fare by themselves."""
    return {
        one.name: Broken(
            one,
            [
                *(Trouble(span.begin_ms, span.end_ms, curable=True) for span in one.faults),
                *(Trouble(span.begin_ms + one.lag_ms, span.end_ms + one.lag_ms) for span in world.outages),
            ],
        )
        for one in world.services
    }


def remedied(service: Broken, rung: Rung, chance: random.Random, at_ms: int) -> list[int]:
    """Let a remedy that was begun earlier take effect; return when something changes for it.

    While it worked the service was down, which whoever takes the step adds.
    """
    cured = [one for one in service.troubles if one.curable and one.holds(at_ms)]
    ends = {one: one.end_ms for one in cured}
    if rung.kind in (Kind.USEFUL, Kind.FLAPPING) and chance.random() < 0.9:
        for one in cured:
            one.end_ms = at_ms
        if rung.kind is Kind.FLAPPING:
            back_ms = at_ms + rung.calm_ms
            again = [Trouble(back_ms, end_ms, curable=True) for end_ms in ends.values() if end_ms > back_ms]
            service.troubles += again
            return [at_ms, *(moment for one in again for moment in (one.begin_ms, one.end_ms))]
        return [at_ms]
    if rung.kind is Kind.HARMFUL:
        harm = Trouble(at_ms, at_ms + rung.harm_ms, curable=True, grave=True)
        service.troubles.append(harm)
        service.back.append(lambda now_ms: _end(harm, now_ms))
        return [at_ms, harm.end_ms]
    if rung.kind is Kind.SILENT:
        longer = Trouble(at_ms, max(ends.values(), default=at_ms) + rung.harm_ms, curable=True)
        service.troubles.append(longer)
        service.back.append(lambda now_ms: _end(longer, now_ms))
        return [at_ms, longer.end_ms]
    return [at_ms]


def _end(trouble: Trouble, at_ms: int) -> None:
    trouble.end_ms = min(trouble.end_ms, at_ms)
