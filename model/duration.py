"""Durations as Prometheus writes them: ``1h30m``, ``15s``, ``250ms``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

_UNITS_MS: Final = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_SHAPE: Final = re.compile(
    r"(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?"
)
_LONGEST_MS: Final = ((1 << 63) - 1) // 1_000_000  # Go counts nanoseconds in 64 bits


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole milliseconds, never negative."""

    ms: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read Prometheus' form: units from y to ms in that order, each at most once, or a bare ``0``."""
        shape = _SHAPE.fullmatch(text)
        if text == "0":
            return cls(0)
        if not text or shape is None:
            raise Misfit(f"{text!r} is not a duration", "write it like 15s, 5m or 1h30m")
        total = sum(
            int(amount) * unit
            for amount, unit in zip(shape.groups(), _UNITS_MS.values(), strict=True)
            if amount and len(amount) < 20
        )
        if total > _LONGEST_MS or any(amount and len(amount) >= 20 for amount in shape.groups()):
            raise Misfit(f"the duration {text[:30]!r} is too long", "the longest is 292y")
        return cls(total)

    @property
    def s(self) -> float:
        """The length in seconds."""
        return self.ms / 1000

    def __str__(self) -> str:
        left, words = self.ms, []
        for unit, unit_ms in _UNITS_MS.items():
            # Years and weeks only when nothing is left over, so that 90d does not become 12w6d.
            if left and (unit not in ("y", "w") or left % unit_ms == 0):
                amount, left = divmod(left, unit_ms)
                words += [f"{amount}{unit}"] if amount else []
        return "".join(words) or "0s"


def seconds(amount: float) -> Duration:
    """Return the duration of so many seconds."""
    return Duration(round(amount * 1000))
