"""The slots of a group: fixed moments, an interval apart, that its name and file choose."""

from __future__ import annotations

from dataclasses import dataclass

from model.labels import Labels
from rules.file import Group


@dataclass(frozen=True, slots=True)
class Slots:
    """When a group is judged; times are ms since 1970 in UTC."""

    interval_ms: int
    offset_ms: int

    @classmethod
    def of(cls, group: Group, file: str, interval_ms: int) -> Slots:
        """Return the slots that the judge gives to a group; ``interval_ms`` holds where it names none."""
        every_ms = (group.interval.ms if group.interval else 0) or interval_ms
        hashed = int(Labels.of(name=group.name, file=file).fingerprint(), 16)
        return cls(every_ms, hashed % every_ms)

    def after(self, at_ms: int) -> int:
        """Return the first slot later than this time."""
        return at_ms + self.interval_ms - (at_ms - self.offset_ms) % self.interval_ms
