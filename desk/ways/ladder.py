"""The ladder: by which way somebody is told next, and when, where the way before was not enough; pure.

Everybody is told by their first way. The next one follows at once where that failed for good, and after a
while where it is urgent and its reader has not said that they know. What is seen anywhere ends it everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

End = Literal["accepted", "delayed", "failed"]


@dataclass(frozen=True, slots=True)
class Rung:
    """The next way to somebody, when it is due, and why; ``reason`` is what the log says meanwhile."""

    channel: str
    due_ms: int
    reason: str


def next_rung(ways: Sequence[str], channel: str, end: End, at_ms: int, next_way_ms: int) -> Rung | None:
    """Return what follows a try that ended at ``at_ms`` on a channel, None where nothing does.

    ``ways`` are the channels in their order. ``next_way_ms`` is how long it may stay unread, 0 for any time.
    """
    following = ways[ways.index(channel) + 1 :] if channel in ways else ()
    if not following:
        return None
    if end == "failed":
        return Rung(following[0], at_ms, f"{channel} failed for good")
    if not next_way_ms:
        return None
    missing = "taken" if end == "delayed" else "read"
    return Rung(following[0], at_ms + next_way_ms, f"{channel} is not {missing} yet")
