"""Planned work as a calendar that people subscribe to: iCalendar (RFC 5545, with names of RFC 7986)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from desk.view import MaintenanceState, MaintenanceView, PageView

ICS: Final = "text/calendar; charset=utf-8"
LINE_BYTES_MAX: Final = 75

_STATUS: Final = {MaintenanceState.CANCELLED: "CANCELLED"}


def calendar(page: PageView) -> bytes:
    """Return ``maintenance.ics``; work that was called off stays in it, so that it leaves calendars too."""
    return b"".join(_folded(line) for line in _lines(page))


def _lines(page: PageView) -> Iterator[str]:
    name = _escaped(f"{page.name}: planned work")
    yield from (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Beforehand//Status page//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{name}",
        f"X-WR-CALNAME:{name}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
    )
    for one in page.maintenances:
        yield from _event(page, one)
    yield "END:VCALENDAR"


def _event(page: PageView, work: MaintenanceView) -> Iterator[str]:
    host = urlsplit(page.url).hostname or "localhost"
    names = {service.service: service.name for service in page.services}
    services = ", ".join(names.get(key, key) for key in work.keys)
    title = f"Maintenance: {work.title} ({services})" if services else f"Maintenance: {work.title}"
    yield from (
        "BEGIN:VEVENT",
        f"UID:{work.id}@{host}",
        f"DTSTAMP:{_moment(work.changed_ms)}",
        f"LAST-MODIFIED:{_moment(work.changed_ms)}",
        f"SEQUENCE:{work.sequence}",
        f"DTSTART:{_moment(work.start_ms)}",
        f"DTEND:{_moment(work.end_ms)}",
        f"SUMMARY:{_escaped(title)}",
        f"DESCRIPTION:{_escaped(work.text)}",
        f"URL:{page.url.rstrip('/')}/maintenances/{work.id}",
        "CATEGORIES:MAINTENANCE",
        f"STATUS:{_STATUS.get(work.state, 'CONFIRMED')}",
        "TRANSP:TRANSPARENT",
        "CLASS:PUBLIC",
        "END:VEVENT",
    )


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """Return a text as a value (RFC 5545, 3.3.11); what no text may hold is left out."""
    for plain, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n")):
        text = text.replace(plain, written)
    return "".join(one for one in text if one >= " ")


def _folded(line: str) -> bytes:
    """Return a line of at most 75 bytes, and what is more behind a space (RFC 5545, 3.1)."""
    parts: list[bytes] = []
    current = b""
    for one in line:
        encoded = one.encode()
        if len(current) + len(encoded) > LINE_BYTES_MAX - bool(parts):
            parts.append(current)
            current = b""
        current += encoded
    return b"\r\n ".join([*parts, current]) + b"\r\n"
