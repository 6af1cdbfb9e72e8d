"""Planned work as a calendar that people subscribe to: iCalendar (RFC 5545, with names of RFC 7986)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from desk.page.view import MaintenanceView, PageView
from desk.state import MaintenanceState

ICS: Final = "text/calendar; charset=utf-8"
LINE_BYTES_MAX: Final = 75


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of planned work in a calendar; ``uid`` is its own for ever.

    ``sequence`` counts how often its times or services changed; ``organizer`` is a name with an address.
    """

    uid: str
    changed_ms: int
    sequence: int
    start_ms: int
    end_ms: int
    summary: str
    text: str
    url: str
    cancelled: bool = False
    organizer: tuple[str, str] | None = None


def calendar(page: PageView) -> bytes:
    """Return ``maintenance.ics``; work that was called off stays in it, so that it leaves calendars too."""
    return b"".join(_folded(line) for line in _lines(page))


def sheet(entry: Entry) -> str:
    """Return one piece of work as mails carry it (RFC 5546, 3.2): published, or cancelled.

    It is published and not requested, for its readers are no guests: a request has their programs ask
    whether they come, and answer us, and a refusal would call nothing off.
    """
    lines = (*_HEAD, f"METHOD:{'CANCEL' if entry.cancelled else 'PUBLISH'}", *_event(entry), "END:VCALENDAR")
    return b"".join(_folded(line) for line in lines).decode()


_HEAD: Final = (
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Beforehand//Status page//EN",
    "CALSCALE:GREGORIAN",
)


def _lines(page: PageView) -> Iterator[str]:
    name = _escaped(f"{page.name}: planned work")
    yield from (
        *_HEAD,
        "METHOD:PUBLISH",
        f"NAME:{name}",
        f"X-WR-CALNAME:{name}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
    )
    for one in page.maintenances:
        yield from _event(_entry(page, one))
    yield "END:VCALENDAR"


def _entry(page: PageView, work: MaintenanceView) -> Entry:
    names = {service.service: service.name for service in page.services}
    services = ", ".join(names.get(key, key) for key in work.keys)
    title = f"Maintenance: {work.title} ({services})" if services else f"Maintenance: {work.title}"
    return Entry(
        uid=uid(work.id, urlsplit(page.url).hostname or "localhost"),
        changed_ms=work.changed_ms,
        sequence=work.sequence,
        start_ms=work.start_ms,
        end_ms=work.end_ms,
        summary=title,
        text=work.text,
        url=f"{page.url.rstrip('/')}/maintenances/{work.id}",
        cancelled=work.state is MaintenanceState.CANCELLED,
    )


def uid(work: str, host: str) -> str:
    """Return what names planned work in every calendar, whichever way it came there."""
    return f"{work}@{host}"


def _event(entry: Entry) -> Iterator[str]:
    yield from (
        "BEGIN:VEVENT",
        f"UID:{entry.uid}",
        f"DTSTAMP:{_moment(entry.changed_ms)}",
        f"LAST-MODIFIED:{_moment(entry.changed_ms)}",
        # To call it off is one more change (RFC 5546, 2.1.4).
        f"SEQUENCE:{entry.sequence + entry.cancelled}",
        f"DTSTART:{_moment(entry.start_ms)}",
        f"DTEND:{_moment(entry.end_ms)}",
        f"SUMMARY:{_escaped(entry.summary)}",
        f"DESCRIPTION:{_escaped(entry.text)}",
        f"URL:{entry.url}",
        *([_organizer(*entry.organizer)] if entry.organizer else []),
        "CATEGORIES:MAINTENANCE",
        f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}",
        "TRANSP:TRANSPARENT",
        "CLASS:PUBLIC",
        "END:VEVENT",
    )


def _organizer(name: str, address: str) -> str:
    """Return who plans it; a name in quotes holds neither quotes nor control characters (RFC 5545, 3.2)."""
    shown = "".join(one for one in name if one >= " " and one not in '"\x7f')
    return f'ORGANIZER;CN="{shown}":mailto:{address}'


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
