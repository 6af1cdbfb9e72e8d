"""Planned work: what it is, where it stands, and what is to be said of it next; decided without a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from desk.audience.affects import USES, Affects
from desk.incident.incident import weight
from desk.state import Impact, MaintenanceState

Word = Literal["announced", "reminded_day", "reminded_hour", "started", "finished", "moved", "cancelled"]

HOUR_MS: Final = 3_600_000
ANNOUNCE_MS: Final = 7 * 24 * HOUR_MS  # at least 72 h before it begins
REMIND_MS: Final[Mapping[Word, int]] = {"reminded_day": 24 * HOUR_MS, "reminded_hour": HOUR_MS}
VERIFY_MS: Final = 300_000
WORDS_MAX: Final = 5
# The end is worth more than the beginning, and both more than a reminder: each leaves room for later ones.
_ROOM: Final[Mapping[Word, int]] = {"reminded_day": 2, "reminded_hour": 3, "started": 4}


@dataclass(frozen=True, slots=True)
class Plan:
    """What planned work is: its services by key, and texts by language; times are ms since 1970 in UTC.

    ``impact`` is the worst that it may do. ``noticed`` is what people notice of it, ``todo`` what they do
    about it; without them general sentences stand.
    """

    services: tuple[str, ...]
    impact: Impact
    start_ms: int
    end_ms: int
    title: Mapping[str, str]
    noticed: Mapping[str, str]
    todo: Mapping[str, str]
    affects: Affects = USES


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned work as the store holds it; a moment that is not reached is 0.

    ``sequence`` counts how often its times or services changed. Time or staff sets ``begun_ms``, ``done_ms``,
    ``completed_ms`` and ``cancelled_ms``.
    """

    id: str
    plan: Plan
    announced_ms: int
    changed_ms: int
    sequence: int = 0
    begun_ms: int = 0
    done_ms: int = 0
    completed_ms: int = 0
    cancelled_ms: int = 0
    source: str = "staff"
    by: str = ""

    @property
    def state(self) -> MaintenanceState:
        """Where it stands."""
        if self.cancelled_ms:
            return MaintenanceState.CANCELLED
        if self.completed_ms:
            return MaintenanceState.COMPLETED
        if self.done_ms:
            return MaintenanceState.VERIFYING
        return MaintenanceState.IN_PROGRESS if self.begun_ms else MaintenanceState.SCHEDULED

    @property
    def over(self) -> bool:
        """Whether nothing comes of it any more."""
        return bool(self.cancelled_ms or self.completed_ms)

    @property
    def active(self) -> bool:
        """Whether it explains what fires: from its beginning until it is seen to have ended well."""
        return bool(self.begun_ms) and not self.over


def at(work: Maintenance, now_ms: int) -> Maintenance:
    """Return the work as time alone has made it by now; the same where it stands as it stood."""
    if work.over:
        return work
    plan = work.plan
    begun_ms = work.begun_ms or (plan.start_ms if now_ms >= plan.start_ms else 0)
    done_ms = work.done_ms or (plan.end_ms if now_ms >= plan.end_ms else 0)
    completed_ms = done_ms + VERIFY_MS if done_ms and now_ms >= done_ms + VERIFY_MS else 0
    moments = (begun_ms, done_ms, completed_ms)
    if moments == (work.begun_ms, work.done_ms, work.completed_ms):
        return work
    return replace(work, begun_ms=begun_ms, done_ms=done_ms, completed_ms=completed_ms, changed_ms=now_ms)


def due_ms(work: Maintenance, now_ms: int) -> int:
    """Return when time alone changes it, or makes something worth saying; 0 for never."""
    if work.over:
        return 0
    plan = work.plan
    moments = [plan.start_ms, plan.end_ms, (work.done_ms or plan.end_ms) + VERIFY_MS]
    moments += [plan.start_ms - ANNOUNCE_MS, *(plan.start_ms - before for before in REMIND_MS.values())]
    return min((moment for moment in moments if moment > now_ms), default=0)


def next_word(
    work: Maintenance, said: Collection[tuple[int, Word]], told_ms: int, now_ms: int
) -> Word | None:
    """Return what is to be said now, or nothing.

    ``said`` are the words that were said, each with the sequence of then; ``told_ms`` is when the times that
    hold were first said.
    """
    here = {word for sequence, word in said if sequence == work.sequence}
    ever = {word for _, word in said}
    if not ever:
        known = not work.over and not work.done_ms
        return "announced" if known and now_ms >= work.plan.start_ms - ANNOUNCE_MS else None
    if work.cancelled_ms:
        return "cancelled" if "cancelled" not in ever else None
    if work.done_ms:
        return "finished" if "finished" not in ever else None
    if work.sequence and not here and max(sequence for sequence, _ in said) < work.sequence:
        return "moved"
    if work.begun_ms:
        return "started" if "started" not in ever else None
    return _reminder(work, here, told_ms, now_ms)


def _reminder(work: Maintenance, here: Collection[Word], told_ms: int, now_ms: int) -> Word | None:
    """Return the reminder that is due; whoever was told after its time needs none."""
    for word, before_ms in sorted(REMIND_MS.items(), key=lambda pair: pair[1]):
        due = work.plan.start_ms - before_ms
        if now_ms >= due:
            return word if word not in here and told_ms < due else None
    return None


def has_room(word: Word, heard: int) -> bool:
    """Tell whether somebody who had so many messages about it gets this one too."""
    return heard < _ROOM.get(word, WORDS_MAX)


def hides(works: Mapping[str, Impact], service: str, impact: Impact) -> bool:
    """Tell whether planned work explains trouble of a service: what is worse than declared it does not."""
    declared = works.get(service)
    return declared is not None and weight(impact) <= weight(declared)
