"""From a letter and a person to one complete message, with the headers that mail programs act upon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import msgspec

from desk.catalogue.person import EmailAddress, Sender
from desk.delivery import own_link, verp
from desk.delivery.unsubscribe import token
from desk.notice.compose import NO_MARK, STOP_MARK, YES_MARK, Letter
from desk.notice.words import say
from desk.ways.voices import Canaries
from model.address import WebAddress
from model.plugin import Event, Message

BODIES_KEPT_MAX: Final = 128
_MARKS: Final = re.compile(f"([{STOP_MARK}{YES_MARK}{NO_MARK}])")
_OF_A_PROGRAM: Final = (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"))


@dataclass(frozen=True, slots=True)
class Stationery:
    """What every message of this desk has in common; ``canaries`` are those that test its channels."""

    name: str
    url: WebAddress
    sender: Sender
    reply_to: Sender | None
    secret: bytes = field(repr=False)
    approval_key: bytes = field(default=b"", repr=False)
    return_path: EmailAddress | None = None
    canaries: Canaries | None = None


class Errand(msgspec.Struct, frozen=True):
    """What makes one message different from all others; ``root`` says that it begins its thread.

    ``climbs`` says that another way follows where nobody says that they have seen it.
    """

    person: int
    to: str
    ref: str
    number: int
    root: bool
    service: str
    service_name: str
    to_team: bool
    language: str
    written_ms: int
    channel: str = "email"
    climbs: bool = False
    event: Event | None = None


def message_id(stationery: Stationery, errand: Errand) -> str:
    """Return the Message-ID: the same for the same incident, update and person, on every try."""
    part = "root" if errand.root else f"u{errand.number}"
    return _id(stationery, errand, part)


def seal(stationery: Stationery, letter: Letter, errand: Errand) -> Message:
    """Return the message for one person.

    Threads follow RFC 5322, 3.6.4; List-Unsubscribe RFC 2369 and 8058; Auto-Submitted RFC 3834.
    """
    link = f"{stationery.url}/unsubscribe/{token(stationery.secret, errand.person, errand.service)}"
    own = {**_answer_links(stationery, errand), STOP_MARK: link}
    headers = [*_OF_A_PROGRAM, ("Content-Language", errand.language)]
    if not errand.root:
        root = _id(stationery, errand, "root")
        headers += [("In-Reply-To", root), ("References", root)]
    if stationery.reply_to:
        headers.append(("Reply-To", stationery.reply_to.address))
    if not errand.to_team:
        headers += _list_headers(stationery, errand, link)
    sealed = Message(
        id=message_id(stationery, errand),
        to=errand.to,
        subject=letter.subject,
        text=_filled(letter.text, own),
        html=_filled(letter.html, own),
        language=errand.language,
        written_ms=errand.written_ms,
        headers=tuple(headers),
        own=tuple([own[piece] for piece in _pieces(letter.text) if piece in own]),
        channel=errand.channel,
        event=errand.event,
        return_path=_return_path(stationery, errand.person, errand.channel),
    )
    return _with_seen(stationery, errand, sealed) if errand.climbs else sealed


def _return_path(stationery: Stationery, person: int, channel: str) -> str:
    path = stationery.return_path
    return verp.return_path(stationery.secret, path, person) if path and channel == "email" else ""


def _with_seen(stationery: Stationery, errand: Errand, message: Message) -> Message:
    """Return a message with the link by which its reader says that no other way is needed."""
    name = own_link.token(stationery.secret, "seen", errand.ref, errand.person)
    link = f"{stationery.url}/seen/{name}"
    word = say(errand.language, "seen_link")
    head, end, tail = message.html.rpartition("</div>")
    shown = f'<p style="margin:12px 0 0"><a href="{link}">{word}</a></p>\n'
    text, html = f"{message.text}\n{word}: {link}\n", f"{head}{shown}{end}{tail}"
    return replace(message, text=text, html=html, own=(*message.own, link))


def _answer_links(stationery: Stationery, errand: Errand) -> dict[str, str]:
    """Return the links by which a person says whether an incident touches them, each by its mark."""
    name = own_link.token(stationery.secret, "answer", errand.ref, errand.person)
    affected, not_affected = (f"{stationery.url}/{word}/{name}" for word in ("affected", "not-affected"))
    return {YES_MARK: affected, NO_MARK: not_affected}


def _filled(body: str, own: Mapping[str, str]) -> str:
    return "".join([own.get(piece, piece) for piece in _pieces(body)])


@lru_cache(BODIES_KEPT_MAX)
def _pieces(body: str) -> list[str]:
    """Return a body cut at its marks, the marks included: all people of a notice share it."""
    return _MARKS.split(body)


def to_staff(stationery: Stationery, letter: Letter, to: EmailAddress, name: str, written_ms: int) -> Message:
    """Return a message to somebody of our own that begins a thread; ``name`` makes its id."""
    headers = [*_OF_A_PROGRAM, ("Content-Language", "en")]
    if stationery.reply_to:
        headers.append(("Reply-To", stationery.reply_to.address))
    return Message(
        id=f"<{name}@{_host(stationery.url)}>",
        to=to,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        language="en",
        written_ms=written_ms,
        headers=tuple(headers),
    )


@dataclass(frozen=True, slots=True)
class Copy:
    """One person's copy of a letter that belongs to no incident; without a service nobody can leave it."""

    leaflet: int
    person: int
    to: str
    service: str
    language: str
    written_ms: int
    channel: str = "email"
    event: Event | None = None


def fold(stationery: Stationery, letter: Letter, copy: Copy) -> Message:
    """Return the message that carries a copy; each begins a thread of its own."""
    headers = [*_OF_A_PROGRAM, ("Content-Language", copy.language)]
    if stationery.reply_to:
        headers.append(("Reply-To", stationery.reply_to.address))
    link = ""
    if copy.service:
        link = f"{stationery.url}/unsubscribe/{token(stationery.secret, copy.person, copy.service)}"
        headers += _leave_headers(stationery, copy.service, copy.service, link)
    return Message(
        id=f"<leaf-{copy.leaflet}.p{copy.person}@{_host(stationery.url)}>",
        to=copy.to,
        subject=letter.subject,
        text=letter.text.replace(STOP_MARK, link),
        html=letter.html.replace(STOP_MARK, link),
        language=copy.language,
        written_ms=copy.written_ms,
        headers=tuple(headers),
        own=(link,) if STOP_MARK in letter.text else (),
        channel=copy.channel,
        event=copy.event,
        return_path=_return_path(stationery, copy.person, copy.channel),
        calendar=letter.calendar,
    )


def _list_headers(stationery: Stationery, errand: Errand, link: str) -> list[tuple[str, str]]:
    """Return the headers that let people filter by service and leave it with one click."""
    found = _leave_headers(stationery, errand.service, errand.service_name, link)
    return [*found, ("List-Archive", f"<{stationery.url}/incidents/{errand.ref}>")]


def _leave_headers(stationery: Stationery, service: str, name: str, link: str) -> list[tuple[str, str]]:
    human = (stationery.reply_to or stationery.sender).address
    subject = f"unsubscribe%20{link.rpartition('/')[2]}"  # a token needs no quoting
    return [
        ("List-Id", f"{name} <{service}.{_host(stationery.url)}>"),
        ("List-Unsubscribe", f"<{link}>, <mailto:{human}?subject={subject}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]


@lru_cache(1)
def _host(url: WebAddress) -> str:
    return url.host


def _id(stationery: Stationery, errand: Errand, part: str) -> str:
    return f"<inc-{errand.ref}.{part}.p{errand.person}@{_host(stationery.url)}>"
