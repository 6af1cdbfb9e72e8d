"""What would have been done about each episode of a backtest, by the guards that decide in earnest.

A rehearsal cannot know whether a step would have helped: a run counts as one that did, once per episode.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.guard import decide
from remediations.healer import HISTORY_MS
from remediations.playbook import Mode, Playbook, answering
from remediations.question import Facts, Refused
from rules.backtest import Episode

ASKS_MAX: Final = 50
"""How often the guards are asked anew for one episode."""

What = Literal["run", "proposed", "refused", "unanswered"]
Pauses = Callable[[int], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Move:
    """What would have been done about one episode, when, by which playbook, and why."""

    episode: Episode
    what: What
    at_ms: int
    playbook: str = ""
    reason: str = ""


class Rehearsal:
    """Plays the healer's part; ``pauses`` tells which freezes hold at a time."""

    def __init__(self, playbooks: Sequence[Playbook], pauses: Pauses) -> None:
        self._playbooks = playbooks
        self._pauses = pauses
        self._history: dict[str, list[Attempt]] = {}

    def moves(self, episodes: Iterable[Episode], until_ms: int) -> tuple[Move, ...]:
        """Return one move for each episode, in the order in which they were decided."""
        waiting = [(one.fired_ms, number, 0, one) for number, one in enumerate(episodes)]
        heapq.heapify(waiting)
        found: list[Move] = []
        while waiting:
            at_ms, number, asked, episode = heapq.heappop(waiting)
            move, retry_ms = self._decide(episode, at_ms)
            ends_ms = episode.fired_ms + episode.length_ms(until_ms)
            if retry_ms is not None and retry_ms < ends_ms and asked < ASKS_MAX:
                heapq.heappush(waiting, (max(retry_ms, at_ms + 1), number, asked + 1, episode))
            else:
                found.append(move)
        return tuple(found)

    def _decide(self, episode: Episode, at_ms: int) -> tuple[Move, int | None]:
        playbook = next(iter(answering(self._playbooks, episode.labels)), None)
        if playbook is None:
            return Move(
                episode, "unanswered", at_ms, reason=f"no playbook answers to {episode.alert.name}"
            ), None
        name = playbook.playbook
        history = [one for one in self._history.get(name, ()) if one.started_ms > at_ms - HISTORY_MS]
        verdict = decide(playbook, episode.alert, Facts(pauses=self._pauses(at_ms)), history, at_ms)
        if isinstance(verdict, Refused):
            what: What = "refused" if playbook.mode is Mode.AUTO else "proposed"
            return Move(episode, what, at_ms, name, verdict.reason), verdict.retry_at_ms
        history.append(Attempt(name, playbook.target, at_ms, at_ms, Outcome.FIXED))
        self._history[name] = history
        return Move(episode, "run", at_ms, name, "nothing spoke against it"), None
