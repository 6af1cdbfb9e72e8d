"""What would have been done about each episode of a backtest, by the guards that decide in earnest.

A rehearsal cannot know whether a step would have helped: a run counts as one that did, once per episode.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.choice import choice
from remediations.guard import decide
from remediations.healer import HISTORY_MS
from remediations.question import Facts, Refused
from remediations.writing.playbook import Mode, Playbook, answering
from rules.backtest import Episode

ASKS_MAX: Final = 50
"""How often the guards are asked anew for one episode."""

_PEOPLE_FIRST: Final = ("mode", "approval")
"""The guards that only mean that a person is to agree."""

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
        self._attempts: deque[Attempt] = deque()

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
        """Try the playbooks that answer in the healer's order, until one is not out for long."""
        ladder = answering(self._playbooks, episode.labels)
        # One that only observes is heard of only where no other answers.
        ladder = tuple(one for one in ladder if one.mode is not Mode.OBSERVE) or ladder[:1]
        if not ladder:
            reason = f"no playbook answers to {episode.alert.name}"
            return Move(episode, "unanswered", at_ms, reason=reason), None
        chosen = choice(ladder, lambda one: self._refusal(one, episode, at_ms), askable=False)
        playbook = chosen.playbook
        refused = chosen.refused or (None if playbook.acts else self._refusal(playbook, episode, at_ms))
        if refused is None:
            self._attempts.append(Attempt(playbook.playbook, playbook.target, at_ms, at_ms, Outcome.FIXED))
            return Move(episode, "run", at_ms, playbook.playbook, "nothing spoke against it"), None
        what: What = "proposed" if refused.guard in _PEOPLE_FIRST else "refused"
        return Move(episode, what, at_ms, playbook.playbook, refused.reason), refused.retry_at_ms

    def _refusal(self, playbook: Playbook, episode: Episode, at_ms: int) -> Refused | None:
        """Ask the guards, with all that was done since; they leave out what does not concern the playbook."""
        while self._attempts and self._attempts[0].started_ms <= at_ms - HISTORY_MS:
            self._attempts.popleft()
        facts = Facts(pauses=self._pauses(at_ms))
        verdict = decide(playbook, episode.alert, facts, tuple(self._attempts), at_ms)
        return verdict if isinstance(verdict, Refused) else None
