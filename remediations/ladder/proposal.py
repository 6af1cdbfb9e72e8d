"""Proposals: what a playbook that may not act by itself would have done about one episode of an alert; pure.

Its own ``verify: {within}`` is the measure: trouble that passes sooner needed no playbook, trouble that lasts
longer did. Whoever ended it, what is over so soon counts as passed by itself: that errs on the careful side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from model.alert import Alert
from model.labels import Labels
from remediations.question import Refused
from remediations.writing.playbook import Mode, Playbook, Verify

REASON_CHARACTERS_MAX: Final = 500


class Kind(StrEnum):
    """What became of a proposal."""

    OPEN = "open"  # the episode goes on, or its end was not seen
    CLEAN = "clean"  # it would have been allowed, and the trouble outlasted what the playbook needs
    NEEDLESS = "needless"  # the trouble passed by itself in that time
    BLOCKED = "blocked"  # a guard refused until the trouble was over
    OVERTAKEN = "overtaken"  # another playbook acted meanwhile


@dataclass(frozen=True, slots=True)
class Proposal:
    """One episode, as one playbook would have met it; times are ms since 1970 in UTC, 0 where not reached.

    ``mode`` is the one in force. ``met_ms`` is when it would have been asked, ``would_ms`` when every guard
    would have let it begin, ``ended_ms`` the end of the trouble. ``guard`` is the last that refused and
    ``reason`` its sentence; ``steps`` are what it would have done, in words.
    """

    id: str
    playbook: str
    mode: Mode
    labels: Labels
    fired_ms: int
    met_ms: int
    within_ms: int
    would_ms: int = 0
    ended_ms: int = 0
    guard: str = ""
    reason: str = ""
    steps: tuple[str, ...] = ()
    kind: Kind = Kind.OPEN

    @property
    def lasted_ms(self) -> int:
        """How long the trouble lasted on after the playbook would have begun; 0 where that is not known."""
        return max(0, self.ended_ms - self.would_ms) if self.would_ms and self.ended_ms else 0

    @property
    def due_ms(self) -> int | None:
        """When time alone decides it, None where it does not."""
        waits = self.would_ms and self.kind is Kind.OPEN
        return self.would_ms + self.within_ms + 1 if waits else None


def met(playbook: Playbook, alert: Alert, now_ms: int) -> Proposal:
    """Return a new proposal; a playbook has one for each episode of an alert."""
    fired_ms = alert.fired_at_ms or now_ms
    return Proposal(
        id=f"{alert.labels.fingerprint()}-{fired_ms}-{playbook.playbook}",
        playbook=playbook.playbook,
        mode=playbook.mode,
        labels=alert.labels,
        fired_ms=fired_ms,
        met_ms=now_ms,
        within_ms=(playbook.verify or Verify()).within.ms,
    )


def refused(one: Proposal, because: Refused) -> Proposal:
    """Return the proposal after a guard said no; once it would have begun, no later refusal counts."""
    if one.would_ms or one.guard == because.guard:
        return one
    return replace(one, guard=because.guard, reason=because.reason[:REASON_CHARACTERS_MAX])


def allowed(one: Proposal, steps: tuple[str, ...], now_ms: int) -> Proposal:
    """Return the proposal once nothing speaks against it: now it would have begun these steps."""
    return one if one.would_ms else replace(one, would_ms=now_ms, guard="", reason="", steps=steps)


def lasting(one: Proposal, now_ms: int) -> Proposal:
    """Return the proposal while the trouble is seen to be there still."""
    due_ms = one.due_ms
    return replace(one, kind=Kind.CLEAN) if due_ms is not None and now_ms >= due_ms else one


def overtaken(one: Proposal) -> Proposal:
    """Return the proposal when another playbook begins: what follows may be its doing."""
    return replace(one, kind=Kind.OVERTAKEN) if one.kind is Kind.OPEN else one


def over(one: Proposal, now_ms: int) -> Proposal:
    """Return the proposal when the trouble is over."""
    one = replace(one, ended_ms=now_ms)
    if one.kind is not Kind.OPEN:
        return one
    if not one.would_ms:
        # With no refusal either it was over before anybody had answered.
        return replace(one, kind=Kind.BLOCKED if one.guard else Kind.NEEDLESS)
    return replace(one, kind=Kind.NEEDLESS if one.lasted_ms <= one.within_ms else Kind.CLEAN)
