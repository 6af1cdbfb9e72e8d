"""Approvals at the desk: what a playbook asks leave for, whom to ask, and how it stands; pure.

The agent tells of an open question in an annotation of its alert. Each person who may answer gets a link of
their own by mail. Its token is 256 bits that the approval key makes for this question and this person, so
that a letter can be written again after a kill although the store keeps no token, only its SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Team
from desk.catalogue.person import printable
from model.duration import Duration, seconds

ANNOTATION: Final = "beforehand_ask"
ASK_BYTES_MAX: Final = 4096
STEPS_MAX: Final = 20
STEP_CHARACTERS_MAX: Final = 200
NEEDS_MAX: Final = 9
LONGEST: Final = seconds(86_400)
TOKEN: Final = re.compile(r"[0-9a-f]{64}")

_MOMENT_MS_MAX: Final = 1 << 45

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Moment = Annotated[int, msgspec.Meta(ge=1, le=_MOMENT_MS_MAX)]


class Misread(Exception):
    """An annotation is no question that could be asked; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a playbook would do on a host if enough people said yes; times are ms since 1970 in UTC.

    ``plan`` is the SHA-256 of all its steps, ``steps`` tells them to people, ``because`` why it may not act
    by itself. ``needs`` different people must say yes before ``until_ms``; one no ends it.
    """

    ask: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{8,128}\Z")]
    host: _Word
    playbook: _Word
    plan: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    risk: _Word
    needs: Annotated[int, msgspec.Meta(ge=1, le=NEEDS_MAX)]
    asked_ms: _Moment
    until_ms: _Moment
    because: Annotated[str, msgspec.Meta(max_length=ASK_BYTES_MAX)] = ""
    steps: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=STEP_CHARACTERS_MAX)], ...],
        msgspec.Meta(max_length=STEPS_MAX),
    ] = ()


_decoder: Final = msgspec.json.Decoder(Ask)


def ask_of(annotations: Mapping[str, str], now_ms: int) -> Ask | None:
    """Return the question that these annotations carry, or None; raises ``Misread``."""
    text = annotations.get(ANNOTATION, "")
    if not text:
        return None
    if len(text.encode()) > ASK_BYTES_MAX:
        raise Misread(f"a question has more than {ASK_BYTES_MAX} bytes")
    try:
        ask = _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError) as wrong:
        raise Misread(f"a question cannot be read: {wrong}") from None
    if any(word != printable(word) for word in (ask.host, ask.playbook, ask.risk)):
        raise Misread("a question names a host or a playbook with characters that cannot be seen")
    if ask.until_ms > now_ms + LONGEST.ms:
        raise Misread(f"a question stays open for longer than {LONGEST}")
    return ask


def readable(annotations: Mapping[str, str], now_ms: int) -> Ask | None:
    """Return the question, or None also where it cannot be read."""
    try:
        return ask_of(annotations, now_ms)
    except Misread:
        return None


def owner(catalogue: Catalogue, labels: Mapping[str, str]) -> tuple[str, Team | None]:
    """Return the service that an alert is about and the team that owns it: whom an escalation would reach."""
    touched = [touch.service for touch in catalogue.touches(labels)]
    named = labels.get("service", "")
    for service in (*touched, named):
        team = catalogue.team_of(service)
        if team is not None:
            return service, team
    return (touched or [named])[0], None


def token(key: bytes, ask: str, person: int) -> str:
    """Return the token of one person's link; no question has the words that a grant is sealed by."""
    return hmac.new(key, f"beforehand link 1 {person} {ask}".encode(), hashlib.sha256).hexdigest()


def kept(written: str) -> str:
    """Return what the store keeps of a token."""
    return hashlib.sha256(written.encode()).hexdigest()


class Standing(StrEnum):
    """How a question stands."""

    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"
    LATE = "late"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Word:
    """What one person answered, and when; ``email`` tells apart who goes by one name."""

    by: str
    email: str
    yes: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a question stands, with the reason as a sentence."""

    standing: Standing
    reason: str


def judge(needs: int, until_ms: int, words: Sequence[Word], asked: bool, now_ms: int) -> Verdict:
    """Return how a question stands; ``asked`` says that its alert still fires and its agent still asks."""
    for word in words:
        if not word.yes:
            return Verdict(Standing.DENIED, f"{word.by} said no.")
    # As a host counts them, where the name before the @ is that of an account.
    agreed = len({word.email.casefold().partition("@")[0] for word in words})
    if agreed >= needs:
        names = " and ".join(word.by for word in words)
        return Verdict(Standing.APPROVED, f"{names} said yes.")
    if until_ms <= now_ms:
        return Verdict(Standing.LATE, "The time to answer is over, and that means no.")
    if not asked:
        return Verdict(Standing.OVER, "The alert is over, or its agent does not ask any more.")
    return Verdict(Standing.OPEN, f"{agreed} of {needs} said yes so far.")


def why_not(has_key: bool, team: Team | None, service: str) -> str:
    """Return why nobody can be asked by mail, as a sentence, or the empty string."""
    if not has_key:
        return "This desk has no approval_key_file, so no link was sent."
    if team is None:
        return f"No team owns {service or 'what it is about'}, so no link was sent."
    return ""


def sent(links: int) -> str:
    """Return how many people can answer by a link, as a sentence."""
    if not links:
        return "More is asked just now than people can answer, so no link was sent."
    return "One person has a link by mail." if links == 1 else f"{links} people have a link by mail each."


def advice(playbook: str, ask: str, host: str, left: str) -> str:
    """Return what a person does who can be asked on the host alone."""
    return printable(f"{playbook} asks for leave. {left} On {host}: beforehand approve {ask}")


def lasting(until_ms: int, now_ms: int) -> str:
    """Return how long there is to answer, in words."""
    return str(Duration(max(0, until_ms - now_ms) // 1000 * 1000))


def shown(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts of others as lines that nothing hides in."""
    return tuple(line for line in map(printable, texts) if line)
