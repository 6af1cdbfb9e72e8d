"""Freezes: calendar times in which no playbook acts, such as a weekend or the days before Christmas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from model.duration import Duration
from model.misfit import Misfit
from model.zone import UTC_ZONE, Zone

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

LONGEST: Final = Duration.parse("31d")

_NUMBERED_DAY: Final = re.compile(r"(\S+\s+){4}\S*[0-9]")


class Cron(str):
    """A cron line of five fields: minute, hour, day of month, month, day of week."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Refuse what would never come, and numbered weekdays, which cron and its heirs count differently."""
        cure = "write five fields like 0 18 * * fri"
        if _NUMBERED_DAY.match(text):
            raise Misfit(
                f"{text[:60]!r} numbers its weekdays", "name them: mon, tue, wed, thu, fri, sat, sun"
            )
        try:
            trigger = _trigger(text, "UTC")
        except ValueError as wrong:
            raise Misfit(f"{text[:60]!r} is not a cron line: {wrong}", cure) from None
        if trigger.get_next_fire_time(None, datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise Misfit(f"{text[:60]!r} never comes", "name a day that exists")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Freeze:
    """From each time that the cron line names, for a duration, in the zone's local time."""

    freeze: str
    from_: Cron
    for_: Duration
    zone: Zone = UTC_ZONE

    def __post_init__(self) -> None:
        if not 0 < self.for_.ms <= LONGEST.ms:
            raise Misfit(f"a freeze lasts up to {LONGEST}, got {self.for_}", "shorten it", key="for")


def frozen(freezes: Iterable[Freeze], now_ms: int) -> str:
    """Return the sentence of a freeze that holds at this time, or the empty text."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    for freeze in freezes:
        lasts = timedelta(milliseconds=freeze.for_.ms)
        began = _trigger(freeze.from_, freeze.zone).get_next_fire_time(
            None, now - lasts + timedelta(milliseconds=1)
        )
        if began is not None and began <= now:
            return f"frozen until {began + lasts:%Y-%m-%d %H:%M %Z} ({freeze.freeze})"
    return ""


@lru_cache(maxsize=64)
def _trigger(cron: str, zone: str) -> CronTrigger:
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415  # costs memory; few agents have a freeze

    return CronTrigger.from_crontab(cron, timezone=ZoneInfo(zone))
