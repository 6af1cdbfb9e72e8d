"""What a notice says to programs: a dotted type, and facts with ids, states and times; pure.

Receivers tell notices apart by these alone and need not read the text. Times are texts of RFC 3339 in UTC,
null where a moment is not reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from desk.notice.compose import Kind
from model.plugin import Event

TYPES: Final[dict[Kind, str]] = {
    "first": "notice.first",
    "update": "notice.update",
    "resolved": "notice.resolved",
    "retracted": "notice.retracted",
    "unstable": "notice.unstable",
    "reopened": "notice.reopened",
    "escalation": "notice.escalation",
}


class Notice(msgspec.Struct, frozen=True):
    """What a notice of an incident says; ``number`` counts what is said of it, ``url`` is its page.

    The fields are what is kept with the notice, so that each try says the same.
    """

    kind: Kind
    incident: str
    number: int
    service: str
    service_name: str
    state: str
    impact: str
    test: bool
    started_ms: int
    ended_ms: int
    next_update_ms: int
    url: str


def of_notice(notice: Notice) -> Event:
    """Return the event of a notice."""
    return Event(
        TYPES[notice.kind],
        (
            ("incident", notice.incident),
            ("number", notice.number),
            ("service", notice.service),
            ("service_name", notice.service_name),
            ("state", notice.state),
            ("impact", notice.impact),
            ("test", notice.test),
            ("started_at", moment(notice.started_ms)),
            ("ended_at", moment(notice.ended_ms)),
            ("next_update_at", moment(notice.next_update_ms)),
            ("url", notice.url),
        ),
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What a word on planned work says; ``kind`` is the word, like ``announced``."""

    kind: str
    maintenance: str
    services: tuple[str, ...]
    starts_ms: int
    ends_ms: int
    url: str


def of_work(work: Work) -> Event:
    """Return the event of a word on planned work, like ``maintenance.announced``."""
    return Event(
        f"maintenance.{work.kind}",
        (
            ("maintenance", work.maintenance),
            ("services", work.services),
            ("starts_at", moment(work.starts_ms)),
            ("ends_at", moment(work.ends_ms)),
            ("url", work.url),
        ),
    )


def of_letter(kind: str, services: tuple[str, ...], url: str) -> Event:
    """Return the event of another letter that belongs to no incident, like ``notice.digest``."""
    return Event(f"notice.{kind}", (("services", services), ("url", url)))


def kept(notice: Notice) -> str:
    """Return a notice as the store keeps it."""
    return msgspec.json.encode(notice).decode()


def read(text: str) -> Event | None:
    """Return the event that the store keeps, None where a notice is older than events."""
    return of_notice(msgspec.json.decode(text, type=Notice)) if text else None


def moment(at_ms: int) -> str | None:
    """Write a moment, null where it is not reached."""
    if not at_ms:
        return None
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"
