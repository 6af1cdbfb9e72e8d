"""Time zones by their names in the IANA database."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from model.misfit import Misfit


class Zone(str):
    """A time zone of the IANA database, like Europe/Berlin."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Zone:
        """Refuse a name that the database does not know."""
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Misfit(f"{text[:40]!r} is not a time zone", "write it like Europe/Berlin or UTC") from None
        return cls(text)


UTC_ZONE: Final = Zone("UTC")
