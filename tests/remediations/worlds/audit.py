"""What must hold on every simulated day, found from what was done, without a line of the guards' code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from model.outcome import Outcome
from remediations.run import Run
from tests.remediations.worlds.drawn import HOUR_MS, MINUTE_MS, SECOND_MS, UPSTREAM
from tests.remediations.worlds.simulation import Day, Episode

BUDGETS: Final = ((3, HOUR_MS), (6, 24 * HOUR_MS))
COOLDOWN_MS: Final = 10 * MINUTE_MS
SWITCH_MS: Final = SECOND_MS
ASKED_MS: Final = SECOND_MS
"""A worker asks who is at work, and the desk, so long before the first step at most."""

_NO_HELP: Final = (Outcome.INEFFECTIVE, Outcome.FAILED)


def broken(day: Day) -> tuple[str, ...]:
    """Return what did not hold."""
    acted = [run for run in day.runs if run.acted_ms]
    return (
        *_switch(day),
        *_windows(day, acted),
        *_alone(day, acted),
        *_calls(day),
        *(wrong for runs in _by_playbook(acted).values() for wrong in _pace(runs)),
        *(wrong for runs in _by_playbook(acted).values() for wrong in _loops(runs)),
        *(wrong for runs in _by_playbook(day.runs).values() for wrong in _demoted(runs)),
        *_swings(acted),
        *_together(day, acted),
    )


def _by_playbook(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.playbook].append(run)
    return found


def _pace(runs: Sequence[Run]) -> Iterator[str]:
    for count, per_ms in BUDGETS:
        for first, last in zip(runs, runs[count:], strict=False):
            if last.started_ms - first.started_ms < per_ms:
                yield f"budget: {last.id} of {last.playbook} is one beyond {count}"
    for before, after in pairwise(runs):
        if after.started_ms - before.ended_ms < COOLDOWN_MS:
            yield f"cooldown: {after.id} of {after.playbook}"


def _loops(runs: Sequence[Run]) -> Iterator[str]:
    """Nobody approves anything in these worlds: what did not help twice, or harmed once, is over soon."""
    in_a_row: list[Run] = []
    for run in runs:
        if in_a_row and in_a_row[-1].outcome is Outcome.HARMFUL:
            yield f"loop: {run.id} of {run.playbook} after harm"
        if len(in_a_row) >= 2 and in_a_row[-1].ended_ms - in_a_row[-2].ended_ms < 4 * HOUR_MS:
            yield f"loop: {run.id} of {run.playbook} after two in vain"
        if run.outcome is Outcome.FIXED:
            in_a_row = []
        elif run.outcome in _NO_HELP or run.outcome is Outcome.HARMFUL:
            in_a_row.append(run)
    cures = [run for run in runs if run.outcome in (Outcome.FIXED, Outcome.RECURRED)]
    if len(cures) > 3:
        yield f"symptoms: {cures[3].id} of {cures[3].playbook} is a fourth cure in a day"


def _demoted(runs: Sequence[Run]) -> Iterator[str]:
    """Nobody reinstates anything in these worlds: once a run did harm, its playbook begins no other."""
    ends_ms = [run.ended_ms for run in runs if run.outcome is Outcome.HARMFUL]
    for run in runs:
        if ends_ms and run.started_ms > min(ends_ms):
            yield f"demoted: {run.id} of {run.playbook} after harm"


def _switch(day: Day) -> Iterator[str]:
    for span in day.world.windows["switch"]:
        for step in day.taken:
            late_ms = span.begin_ms + SWITCH_MS
            if late_ms < step.end_ms and step.begin_ms < span.end_ms and step.end_ms > span.begin_ms:
                within = step.begin_ms < span.begin_ms and step.end_ms <= late_ms
                if not within:
                    yield f"kill switch: {step}"


def _windows(day: Day, acted: Sequence[Run]) -> Iterator[str]:
    for run in acted:
        for window in ("hold", "freeze", "doubt", "stale"):
            if day.world.holding(window, run.started_ms):
                yield f"{window}: {run.id} of {run.playbook}"
        for window in ("at work", "lease"):
            if all(day.world.holding(window, run.started_ms - ms) for ms in (0, ASKED_MS)):
                yield f"{window}: {run.id} of {run.playbook}"


def _alone(day: Day, acted: Sequence[Run]) -> Iterator[str]:
    steps = sorted(day.taken, key=lambda step: step.begin_ms)
    for before, after in pairwise(steps):
        # What takes a step back does not wait for other services: it may end harm.
        undoes = "undo" in (before.verb, after.verb) and before.service != after.service
        if after.begin_ms < before.end_ms and not undoes:
            yield f"two at once: {before} and {after}"
    ends: dict[str, tuple[str, int]] = {}
    for run in sorted(acted, key=lambda one: one.started_ms):
        for thing in run.target:
            other, end_ms = ends.get(thing, ("", 0))
            if run.started_ms < end_ms:
                yield f"two on one thing: {other} and {run.id}"
            ends[thing] = (run.id, run.ended_ms or run.started_ms)


def _calls(day: Day) -> Iterator[str]:
    for episode in day.episodes:
        if episode.calls > 1:
            yield f"called {episode.calls} times: {episode}"


def _swings(acted: Sequence[Run]) -> Iterator[str]:
    things: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in acted:
        things[run.target].append(run)
    for runs in things.values():
        for a, b, c, d in zip(runs, runs[1:], runs[2:], runs[3:], strict=False):
            names = [one.playbook for one in (a, b, c, d)]
            swings = names[0] == names[2] != names[1] == names[3]
            if swings and c.started_ms - a.started_ms <= 30 * MINUTE_MS:
                yield f"oscillation: {d.id} of {d.playbook}"


def _together(day: Day, acted: Sequence[Run]) -> Iterator[str]:
    """Where three groups and a third of all fell ill within five minutes, nothing is begun."""
    watched = len({UPSTREAM, *(one.name for one in day.world.services)})
    for run in acted:
        firing = [one for one in day.episodes if one.fired_ms < run.started_ms < one.resolved_ms]
        sick = max((len(_near(one, firing)) for one in firing), default=0)
        if sick >= 3 and 3 * sick >= watched:
            yield f"common cause: {run.id} of {run.playbook} while {sick} of {watched} were sick"
        upstream = any(one.labels.get("service") == UPSTREAM for one in firing)
        service = next(one for one in day.world.services if f"service:{one.name}" in run.target)
        if upstream and service.says_unless:
            yield f"upstream: {run.id} of {run.playbook}"


def _near(first: Episode, firing: Sequence[Episode]) -> set[str]:
    return {
        one.labels.get("service") for one in firing if 0 <= one.fired_ms - first.fired_ms <= 5 * MINUTE_MS
    }
