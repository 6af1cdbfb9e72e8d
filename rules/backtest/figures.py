"""Figures of a replay: how often each rule would have fired, how long, how restlessly, and how rightly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from model.labels import Labels
from rules.backtest.episode import Episode
from rules.backtest.expected import Incident

FLAP_MS: Final = 15 * 60_000
"""An episode is a flap when it begins so soon after the last one of the same alert ended."""

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of one rule in numbers; lengths in ms, None without any episode.

    ``firing_share`` is the share of time in which at least one of its alerts fired.
    """

    episodes: int
    median_ms: int | None
    most_ms: int | None
    """The length that 95 of 100 episodes do not pass, by nearest rank."""
    flaps: int
    flaps_per_day: float
    firing_share: float


@dataclass(frozen=True, slots=True)
class Hindsight:
    """How episodes compare with the incidents that were known to have happened.

    ``precision`` is the share of episodes that belong to an incident, ``recall`` the share of incidents that
    an episode belongs to; None where there is nothing to take a share of. ``leads_ms`` tells for each one
    that was found how long before its beginning the first of its episodes fired, negative for after.
    """

    precision: float | None
    recall: float | None
    leads_ms: tuple[int, ...]
    missed: tuple[Incident, ...]

    @property
    def lead_ms(self) -> int | None:
        """The median lead."""
        return round(median(self.leads_ms)) if self.leads_ms else None


def figures(episodes: Sequence[Episode], since_ms: int, until_ms: int) -> Figures:
    """Return the numbers of one rule over a span of time."""
    lengths = sorted(one.length_ms(until_ms) for one in episodes)
    flaps = _flaps(episodes)
    whole_ms = max(1, until_ms - since_ms)
    return Figures(
        episodes=len(episodes),
        median_ms=round(median(lengths)) if lengths else None,
        most_ms=lengths[math.ceil(0.95 * len(lengths)) - 1] if lengths else None,
        flaps=flaps,
        flaps_per_day=flaps * _DAY_MS / whole_ms,
        firing_share=min(1.0, _covered_ms(episodes, until_ms) / whole_ms),
    )


def hindsight(episodes: Iterable[Episode], incidents: Sequence[Incident], until_ms: int) -> Hindsight:
    """Compare episodes with the incidents that they should have told of."""
    firsts: dict[Incident, int] = {}
    right = count = 0
    for episode in episodes:
        count += 1
        mine = [one for one in incidents if one.covers(episode, until_ms)]
        right += bool(mine)
        for incident in mine:
            firsts[incident] = min(firsts.get(incident, episode.fired_ms), episode.fired_ms)
    return Hindsight(
        precision=right / count if count else None,
        recall=len(firsts) / len(incidents) if incidents else None,
        leads_ms=tuple(incident.start_ms - fired_ms for incident, fired_ms in firsts.items()),
        missed=tuple(one for one in incidents if one not in firsts),
    )


def _flaps(episodes: Iterable[Episode]) -> int:
    ended: dict[Labels, int] = {}
    flaps = 0
    for one in sorted(episodes, key=lambda one: one.fired_ms):
        before = ended.get(one.labels)
        flaps += before is not None and one.fired_ms - before <= FLAP_MS
        if one.ended_ms is not None:
            ended[one.labels] = one.ended_ms
    return flaps


def _covered_ms(episodes: Iterable[Episode], until_ms: int) -> int:
    """Return the time that at least one of the episodes covers."""
    covered, reached = 0, 0
    for one in sorted(episodes, key=lambda one: one.fired_ms):
        end_ms = one.fired_ms + one.length_ms(until_ms)
        covered += max(0, end_ms - max(reached, one.fired_ms))
        reached = max(reached, end_ms)
    return covered
