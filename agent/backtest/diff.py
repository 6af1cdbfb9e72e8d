"""Two sets of rules over the same samples: what the new one would have done otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.backtest.report import RuleReport, aligned, share
from agent.desks.wire import rfc3339
from rules.backtest import Episode


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule in an old and in a new set of rules; None where it is in one of them only."""

    key: str
    old: RuleReport | None
    new: RuleReport | None

    @property
    def kind(self) -> str:
        """What happened to it: added, removed, changed or same."""
        if self.old is None or self.new is None:
            return "added" if self.old is None else "removed"
        return "changed" if self.gained or self.lost or self.old.figures != self.new.figures else "same"

    @property
    def gained(self) -> tuple[Episode, ...]:
        """The episodes of the new rule at whose time the old one was silent."""
        return _without(self.new, self.old)

    @property
    def lost(self) -> tuple[Episode, ...]:
        """The episodes of the old rule at whose time the new one is silent."""
        return _without(self.old, self.new)


def compared(old: Sequence[RuleReport], new: Sequence[RuleReport]) -> list[Difference]:
    """Return the rules of two sets side by side, those that differ in what they would have done."""
    before, after = ({rule.key: rule for rule in rules} for rules in (old, new))
    keys = [*before, *(key for key in after if key not in before)]
    found = [Difference(key, before.get(key), after.get(key)) for key in keys]
    return [one for one in found if one.kind != "same"]


def _without(mine: RuleReport | None, other: RuleReport | None) -> tuple[Episode, ...]:
    others = other.replayed.episodes if other else ()
    return tuple(
        one
        for one in (mine.replayed.episodes if mine else ())
        if not any(_overlap(one, two) for two in others)
    )


def _overlap(one: Episode, two: Episode) -> bool:
    ends = (math.inf if each.ended_ms is None else each.ended_ms for each in (one, two))
    first, second = ends
    return one.fired_ms <= second and two.fired_ms <= first


def difference_table(differences: Sequence[Difference]) -> str:
    """Return a line for each rule that differs, old before new."""
    head = ["RULE", "CHANGE", "EPISODES", "FIRING", "FLAPS", "GAINED", "LOST"]
    lines = [head]
    for one in differences:
        pair = [each.figures if each else None for each in (one.old, one.new)]
        episodes = " -> ".join(str(each.episodes) if each else "-" for each in pair)
        firing = " -> ".join(share(each.firing_share) if each else "-" for each in pair)
        flaps = " -> ".join(str(each.flaps) if each else "-" for each in pair)
        lines.append([one.key, one.kind, episodes, firing, flaps, str(len(one.gained)), str(len(one.lost))])
    return "\n".join(aligned(lines)) if differences else "Both would have done the same."


def as_data(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return what differs, for JSON."""
    return [
        {
            "rule": one.key,
            "change": one.kind,
            "old": None if one.old is None else one.old.figures.episodes,
            "new": None if one.new is None else one.new.figures.episodes,
            "gained": [_moment(episode) for episode in one.gained],
            "lost": [_moment(episode) for episode in one.lost],
        }
        for one in differences
    ]


def _moment(episode: Episode) -> dict[str, Any]:
    ended = None if episode.ended_ms is None else rfc3339(episode.ended_ms)
    return {"labels": dict(episode.labels.pairs), "fired": rfc3339(episode.fired_ms), "ended": ended}
