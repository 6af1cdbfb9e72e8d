"""What many simulated days come to, by the flavour of their worlds."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from model.outcome import Outcome
from remediations.running.run import Run
from tests.remediations.worlds.audit import broken
from tests.remediations.worlds.drawn import MINUTE_MS, SECOND_MS, Flavour, World, draw
from tests.remediations.worlds.host import untouched
from tests.remediations.worlds.simulation import Day, lived

UNDONE_MS: Final = 10 * SECOND_MS
"""How long after a trial its undo may take, and be noticed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One world in figures; times in ms, all services together.

    ``trials_ms`` is how long remedies were at work, and those that did not help awaited and undone.
    ``stopped_ms`` is the longest that a step outlived the kill switch.
    """

    number: int
    flavour: Flavour
    alone_ms: int
    with_us_ms: int
    trials_ms: int
    outcomes: tuple[str, ...]
    calls: int
    stopped_ms: int
    asks: tuple[str, ...]
    broken: tuple[str, ...]
    trace: str

    @property
    def worse_ms(self) -> int:
        """How much longer services were bad than without us; negative where we helped."""
        return self.with_us_ms - self.alone_ms

    @property
    def harmed(self) -> bool:
        """Whether the world is worse for us by more than what finding out took: harm outlived its trial."""
        return self.worse_ms > self.trials_ms


def measured(seed: int, number: int, *, lax: bool = False) -> Figures:
    """Live through one world and audit it; without guards there is nothing to audit."""
    world = draw(seed, number)
    day = lived(world, lax=lax)
    return Figures(
        number,
        world.flavour,
        sum(one.bad_ms for one in untouched(world).values()),
        sum(day.bad_ms.values()),
        sum(_trial_ms(run, world) for run in day.runs),
        tuple(str(run.outcome or run.stage) for run in day.runs),
        sum(one.calls for one in day.episodes),
        _stopped_ms(day),
        tuple(str(one.ended or "open") for one in day.asks),
        () if lax else broken(day),
        day.trace,
    )


def _trial_ms(run: Run, world: World) -> int:
    if (
        "could not be undone: stopped" in run.reason
    ):  # whoever stopped us has it in hand until we may act again
        return max(span.end_ms for span in world.windows["switch"]) - run.started_ms
    if run.outcome in (Outcome.FIXED, Outcome.RECURRED):
        return run.done_ms - run.started_ms
    return max(run.done_ms, run.ended_ms, run.started_ms) - run.started_ms + UNDONE_MS


def _stopped_ms(day: Day) -> int:
    lasted = (
        step.end_ms - span.begin_ms
        for span in day.world.windows["switch"]
        for step in day.taken
        if step.begin_ms < span.begin_ms < step.end_ms
    )
    return max(lasted, default=0)


def traced(figures: Iterable[Figures]) -> str:
    """Return one fingerprint of all traces in their order."""
    return hashlib.sha256("\n".join(one.trace for one in figures).encode()).hexdigest()[:16]


def table(figures: Sequence[Figures]) -> str:
    """Return the figures as text."""
    head = (
        f"{'worlds':<14}{'count':>7}{'runs':>8}{'fixed':>7}{'calls':>7}{'bad alone':>13}{'bad with us':>13}"
        f"{'spared':>8}{'harmed':>8}{'worse':>7}{'>1 min':>7}{'>5 min':>7}{'worst':>9}"
    )
    rows = [_row(str(flavour), [one for one in figures if one.flavour is flavour]) for flavour in Flavour]
    outcomes = Counter(outcome for one in figures for outcome in one.outcomes)
    asks = Counter(ended for one in figures for ended in one.asks)
    wrongs = [f"world {one.number}: {wrong}" for one in figures for wrong in one.broken]
    return "\n".join(
        [
            head,
            *rows,
            _row("all", figures),
            "outcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()),
            "asks: " + ", ".join(f"{count} {ended}" for ended, count in asks.most_common()),
            f"a step outlived the kill switch by {max(one.stopped_ms for one in figures)} ms at most",
            f"trace: {traced(figures)}",
            f"what did not hold: {len(wrongs)}",
            *wrongs[:20],
        ]
    )


def _row(name: str, figures: Sequence[Figures]) -> str:
    runs = sum(len(one.outcomes) for one in figures)
    fixed = sum(one.outcomes.count("fixed") + one.outcomes.count("recurred") for one in figures)
    alone_min = sum(one.alone_ms for one in figures) / MINUTE_MS
    with_us_min = sum(one.with_us_ms for one in figures) / MINUTE_MS
    worse = [one.worse_ms for one in figures if one.worse_ms > 0]
    counts = [sum(each > most_ms for each in worse) for most_ms in (0, MINUTE_MS, 5 * MINUTE_MS)]
    spared = 1 - with_us_min / alone_min if alone_min else 0.0
    return (
        f"{name:<14}{len(figures):>7}{runs:>8}{fixed:>7}{sum(one.calls for one in figures):>7}"
        f"{alone_min:>9.0f} min{with_us_min:>9.0f} min{spared:>8.1%}{sum(one.harmed for one in figures):>8}"
        + "".join(f"{count:>7}" for count in counts)
        + f"{max(worse, default=0) / MINUTE_MS:>5.1f} min"
    )
