"""An earlier run, as guards and the breaker look back at it."""

from __future__ import annotations

from dataclasses import dataclass

from model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier run of a playbook against a target; ``outcome`` is None while it is under way."""

    playbook: str
    target: tuple[str, ...]
    started_ms: int
    ended_ms: int | None = None
    outcome: Outcome | None = None

    @property
    def last_ms(self) -> int:
        """The last moment at which it may have touched something."""
        return max(self.started_ms, self.ended_ms or 0)
