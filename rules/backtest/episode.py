"""Episodes: each firing of an alert from its beginning to its end, gathered from what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from model.alert import Alert, AlertState
from model.labels import Labels
from rules.lifecycle import Transition

EPISODES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Episode:
    """One firing of one alert; times are ms since 1970 in UTC, and ``ended_ms`` is None where it went on."""

    alert: Alert
    active_ms: int
    fired_ms: int
    ended_ms: int | None = None

    @property
    def labels(self) -> Labels:
        """Which alert it was."""
        return self.alert.labels

    def length_ms(self, until_ms: int) -> int:
        """Return how long it fired; one that went on is counted up to the end of the samples."""
        return (until_ms if self.ended_ms is None else self.ended_ms) - self.fired_ms


@dataclass(slots=True)
class Episodes:
    """The episodes of one rule; ``near`` counts alerts that were pending and never fired.

    Beyond ``EPISODES_MAX`` they are counted in ``dropped`` and not kept.
    """

    ended: list[Episode] = field(default_factory=list)
    near: int = 0
    dropped: int = 0
    _open: dict[Labels, Episode] = field(default_factory=dict)

    def take(self, transitions: Iterable[Transition], at_ms: int) -> None:
        """Note what changed at this moment."""
        for change in transitions:
            labels, after = change.alert.labels, change.after
            if after is not None and after.state is AlertState.FIRING:
                if labels not in self._open:
                    self._open[labels] = Episode(after, after.active_at_ms, after.fired_at_ms or at_ms)
            elif labels in self._open:
                self._end(self._open.pop(labels), at_ms)
            elif after is None and change.before is not None and change.before.state is AlertState.PENDING:
                self.near += 1

    def all(self) -> tuple[Episode, ...]:
        """Return every episode in the order in which they began."""
        found = [*self.ended, *self._open.values()]
        return tuple(sorted(found, key=lambda one: (one.fired_ms, one.labels.pairs)))

    def _end(self, episode: Episode, at_ms: int) -> None:
        if len(self.ended) >= EPISODES_MAX:
            self.dropped += 1
            return
        self.ended.append(Episode(episode.alert, episode.active_ms, episode.fired_ms, at_ms))
