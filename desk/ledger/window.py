"""The stretch of time that figures are asked for, as it stands in a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from desk.intake.alerts import Refused
from desk.ledger import reading
from desk.ledger.figures import Figures, figures

DAY_MS: Final = 86_400_000
DAYS: Final = 30
DAYS_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class Window:
    """[``from_ms``, ``to_ms``) and the service, "" for all of them."""

    from_ms: int
    to_ms: int
    service: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str], now_ms: int, services: Mapping[str, object]) -> Window:
        """Read ``from``, ``to`` and ``service``; the last 30 days where nothing is said."""
        to_ms = min(now_ms, _moment(query, "to", now_ms))
        from_ms = _moment(query, "from", to_ms - DAYS * DAY_MS)
        if not 0 < to_ms - from_ms <= DAYS_MAX * DAY_MS:
            raise Refused(400, f"from must be before to, and by at most {DAYS_MAX} days")
        service = query.get("service", "")
        if service and service not in services:
            raise Refused(400, "the catalogue has no such service")
        return cls(from_ms, to_ms, service)

    def figures(self, conn: Connection) -> Figures:
        """Return the figures of this stretch of time."""
        found = reading.stories(conn, self.from_ms, self.to_ms, self.service)
        crowds = reading.crowds(conn, found)
        return figures(found, crowds, reading.entitled(conn), self.from_ms, self.to_ms)

    def claimed(self, conn: Connection) -> int:
        """Return how many reports nobody vouched for; no figure counts them."""
        return reading.claimed(conn, self.from_ms, self.to_ms, self.service)


def _moment(query: Mapping[str, str], name: str, default_ms: int) -> int:
    """Return a moment of RFC 3339, or the beginning of a day in UTC."""
    text = query.get(name, "")
    if not text:
        return default_ms
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"{name} must be like 2026-07-01 or 2026-07-01T08:00:00Z") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)
