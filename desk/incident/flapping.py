"""Whether the trouble of a service comes and goes, so that each coming and going is no news: pure.

Four turns within half an hour make it unstable; only half an hour without a turn ends that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from desk.incident.incident import Turn

TURNS_MIN: Final = 4
WINDOW_MS: Final = 30 * 60_000
CALM_MS: Final = 30 * 60_000


def is_unstable(turns: Sequence[Turn], now_ms: int) -> bool:
    """Tell whether these turns and one more just now are too many."""
    recent = sum(turn.at_ms >= now_ms - WINDOW_MS for turn in turns)
    return recent + 1 >= TURNS_MIN


def calm_since_ms(turns: Sequence[Turn], unstable_ms: int) -> int:
    """Return the last turn of an unstable service."""
    return max((turn.at_ms for turn in turns), default=unstable_ms)


def last_came(turns: Sequence[Turn]) -> bool:
    """Tell whether the trouble came with the last turn, or went."""
    return bool(turns) and turns[-1].came


def said(turns: Sequence[Turn], now_ms: int) -> str:
    """Return why a service is unstable, as words."""
    recent = sum(turn.at_ms >= now_ms - WINDOW_MS for turn in turns) + 1
    return f"it came and went {recent} times within {WINDOW_MS // 60_000} minutes"
