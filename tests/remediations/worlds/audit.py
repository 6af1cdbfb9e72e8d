"""What must hold on every simulated day, found from what was done, without a line of the guards' code."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from model.grant import genuine
from model.outcome import Outcome
from remediations.asking.asked import Ended
from remediations.running.run import Run
from tests.remediations.worlds.drawn import HOUR_MS, MINUTE_MS, SECOND_MS, UPSTREAM
from tests.remediations.worlds.people import KEY
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
    agreed = frozenset(one.word for one in day.asks if one.ended is Ended.USED)
    return (
        *_switch(day),
        *_windows(day, acted),
        *_alone(day, acted),
        *_calls(day),
        *(wrong for runs in _by_playbook(acted).values() for wrong in _pace(runs, agreed)),
        *(wrong for runs in _by_playbook(acted).values() for wrong in _loops(runs, agreed)),
        *(wrong for runs in _by_playbook(day.runs).values() for wrong in _demoted(runs)),
        *_swings(acted, agreed),
        *_together(day, acted),
        *_approved(day, acted),
        *_asked_once(day),
    )


def _by_playbook(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.playbook].append(run)
    return found


def _pace(runs: Sequence[Run], agreed: frozenset[str]) -> Iterator[str]:
    """The last budget latches: beyond it people may let one run begin, and the count begins anew."""
    for count, per_ms in BUDGETS:
        latches = (count, per_ms) == BUDGETS[-1]
        for first, last in zip(runs, runs[count:], strict=False):
            if latches and last.id in agreed:
                continue
            if last.started_ms - first.started_ms < per_ms:
                yield f"budget: {last.id} of {last.playbook} is one beyond {count}"
    for before, after in pairwise(runs):
        if after.started_ms - before.ended_ms < COOLDOWN_MS:
            yield f"cooldown: {after.id} of {after.playbook}"


def _loops(runs: Sequence[Run], agreed: frozenset[str]) -> Iterator[str]:
    """What did not help twice, or harmed once, is over soon, but for a run that people let begin."""
    in_a_row: list[Run] = []
    for run in runs:
        if run.id in agreed:
            in_a_row = []
        if in_a_row and in_a_row[-1].outcome is Outcome.HARMFUL:
            yield f"loop: {run.id} of {run.playbook} after harm"
        if len(in_a_row) >= 2 and in_a_row[-1].ended_ms - in_a_row[-2].ended_ms < 4 * HOUR_MS:
            yield f"loop: {run.id} of {run.playbook} after two in vain"
        if run.outcome is Outcome.FIXED:
            in_a_row = []
        elif run.outcome in _NO_HELP or run.outcome is Outcome.HARMFUL:
            in_a_row.append(run)
    cures = [run for run in runs if run.outcome in (Outcome.FIXED, Outcome.RECURRED)]
    if len(cures) > 3 and cures[3].id not in agreed:
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


def _swings(acted: Sequence[Run], agreed: frozenset[str]) -> Iterator[str]:
    things: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in acted:
        things[run.target].append(run)
    for runs in things.values():
        for a, b, c, d in zip(runs, runs[1:], runs[2:], runs[3:], strict=False):
            names = [one.playbook for one in (a, b, c, d)]
            swings = names[0] == names[2] != names[1] == names[3]
            if swings and d.id not in agreed and c.started_ms - a.started_ms <= 30 * MINUTE_MS:
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


def _approved(day: Day, acted: Sequence[Run]) -> Iterator[str]:
    """What needs people's approval acts only with enough genuine yes in time, and no word against it."""
    for run in acted:
        needs = day.world.asking.get(run.playbook.split("-")[1], 0)
        asks = [one for one in day.asks if one.ended is Ended.USED and one.word == run.id]
        if len(asks) != int(needs > 0):
            yield f"approval: {run.id} of {run.playbook} began with {len(asks)} of its asks"
        for one in asks:
            in_time = [
                word for word in one.answers if word.at_ms <= run.started_ms and word.at_ms < one.ask.until_ms
            ]
            yes = {word.by for word in in_time if word.yes and genuine(word, KEY)}
            if len(yes) < needs or not all(word.yes for word in in_time):
                yield f"approval: {run.id} of {run.playbook} began with {sorted(yes)} of {needs}"
            if not one.ask.asked_ms <= run.started_ms or one.ask.playbook != run.playbook:
                yield f"approval: {run.id} of {run.playbook} is not what was asked"


def _asked_once(day: Day) -> Iterator[str]:
    """Nobody is asked twice about one trouble."""
    counts = Counter((one.ask.labels, one.ask.fired_ms) for one in day.asks)
    for (labels, _), count in counts.items():
        if count > 1:
            yield f"asked {count} times about {labels}"


def _near(first: Episode, firing: Sequence[Episode]) -> set[str]:
    return {
        one.labels.get("service") for one in firing if 0 <= one.fired_ms - first.fired_ms <= 5 * MINUTE_MS
    }
