"""From a letter and a person to one complete message, with the headers that mail programs act upon."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from desk.compose import STOP_MARK, Letter
from desk.person import EmailAddress, Sender
from desk.unsubscribe import token
from model.address import WebAddress
from model.plugin import Message


@dataclass(frozen=True, slots=True)
class Stationery:
    """What every message of this desk has in common."""

    name: str
    url: WebAddress
    sender: Sender
    reply_to: Sender | None
    secret: bytes


@dataclass(frozen=True, slots=True)
class Errand:
    """What makes one message different from all others; ``root`` says that it begins its thread."""

    person: int
    to: EmailAddress
    ref: str
    number: int
    root: bool
    service: str
    service_name: str
    to_team: bool
    language: str
    written_ms: int


def message_id(stationery: Stationery, errand: Errand) -> str:
    """Return the Message-ID: the same for the same incident, update and person, on every try."""
    part = "root" if errand.root else f"u{errand.number}"
    return _id(stationery, errand, part)


def seal(stationery: Stationery, letter: Letter, errand: Errand) -> Message:
    """Return the message for one person.

    Threads follow RFC 5322, 3.6.4; List-Unsubscribe RFC 2369 and 8058; Auto-Submitted RFC 3834.
    """
    link = f"{stationery.url}/unsubscribe/{token(stationery.secret, errand.person, errand.service)}"
    headers = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")]
    headers.append(("Content-Language", errand.language))
    if not errand.root:
        root = _id(stationery, errand, "root")
        headers += [("In-Reply-To", root), ("References", root)]
    if stationery.reply_to:
        headers.append(("Reply-To", stationery.reply_to.address))
    if not errand.to_team:
        headers += _list_headers(stationery, errand, link)
    return Message(
        id=message_id(stationery, errand),
        to=errand.to,
        subject=letter.subject,
        text=letter.text.replace(STOP_MARK, link),
        html=letter.html.replace(STOP_MARK, link),
        language=errand.language,
        written_ms=errand.written_ms,
        headers=tuple(headers),
    )


def _list_headers(stationery: Stationery, errand: Errand, link: str) -> list[tuple[str, str]]:
    """Return the headers that let people filter by service and leave it with one click."""
    human = (stationery.reply_to or stationery.sender).address
    subject = quote(f"unsubscribe {link.rpartition('/')[2]}")
    return [
        ("List-Id", f"{errand.service_name} <{errand.service}.{stationery.url.host}>"),
        ("List-Unsubscribe", f"<{link}>, <mailto:{human}?subject={subject}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Archive", f"<{stationery.url}/incidents/{errand.ref}>"),
    ]


def _id(stationery: Stationery, errand: Errand, part: str) -> str:
    return f"<inc-{errand.ref}.{part}.p{errand.person}@{stationery.url.host}>"
