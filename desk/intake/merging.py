"""What two reports of one alert mean together, and whether the later one says anything new."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from desk.incident.incident import Signal

EXTENSION_MS: Final = 60_000


def merge(old: Signal, new: Signal, now_ms: int) -> Signal:
    """Return what two reports of one alert mean together, as Alertmanager merges them.

    Only reports of one episode merge: their times overlap. The earliest start holds, the newest words
    hold, a reported end wins over firing, and an end that was named outlasts an earlier one named later,
    while an end that was guessed does not.
    """
    if not same_episode(old, new):
        return new
    ends_ms = new.ends_ms
    if new.over:
        ends_ms = max(ends_ms, old.ends_ms) if old.over else ends_ms
    elif old.ends_ms > ends_ms and not old.guessed:
        ends_ms = old.ends_ms
    starts_ms, over = min(old.starts_ms, new.starts_ms), new.over and ends_ms <= now_ms
    if (starts_ms, ends_ms, over) == (new.starts_ms, new.ends_ms, new.over):
        return new
    return replace(new, starts_ms=starts_ms, ends_ms=ends_ms, over=over)


def same_episode(old: Signal, new: Signal) -> bool:
    """Tell whether two reports speak of one stretch of firing."""
    return new.starts_ms == old.starts_ms or (new.starts_ms < old.ends_ms and old.starts_ms < new.ends_ms)


def is_news(old: Signal, new: Signal) -> bool:
    """Tell whether a report says more than that an alert goes on."""
    return (
        old.annotations != new.annotations
        or old.over != new.over
        or old.starts_ms != new.starts_ms
        or (new.over and old.ends_ms != new.ends_ms)
        or old.source != new.source
    )


def outlasts(old_ends_ms: int, new_ends_ms: int, now_ms: int) -> bool:
    """Tell whether an end moved far enough to be written; a repetition as such is not worth a write."""
    return new_ends_ms - old_ends_ms >= min(EXTENSION_MS, (new_ends_ms - now_ms) // 8)
