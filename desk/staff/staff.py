"""Staff: who may do what here, known by tokens of which only the SHA-256 is kept; pure.

A token is ``bfh_ID_SECRET``: 48 bits that name it and 256 bits that prove it, in hex. Whoever holds it is
the person in whose name it was made.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from desk.catalogue.person import Day, EmailAddress, Slug
from model.misfit import Misfit, Place, Problem, Rejected

ID_BYTES: Final = 6
SECRET_BYTES: Final = 32
STAFF_MAX: Final = 1_000
DAYS_MAX: Final = 730
DAY_MS: Final = 86_400_000

_EPOCH: Final = date(1970, 1, 1).toordinal()
_TOKEN: Final = re.compile(r"bfh_([0-9a-f]{12})_[0-9a-f]{64}")
_ID: Final = re.compile(r"[0-9a-f]{12}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NOBODYS: Final = "0" * 64  # what a token is compared with that nobody has, so that it takes as long


class Role(StrEnum):
    """What somebody may do; every role may read.

    An operator changes incidents, silences and planned work, an approver lets held notices go, and an
    admin changes the catalogue.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


ANY: Final = frozenset(Role)


class TokenId(str):
    """What names a token and proves nothing: 12 digits in hex."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> TokenId:
        """Read one."""
        if not _ID.fullmatch(text):
            cure = "let beforehand desk --staff-token write the entry"
            raise Misfit("this names no token: it has 12 digits in hex", cure)
        return cls(text)


class Digest(str):
    """The SHA-256 of a token: 64 digits in hex."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read one; what was written instead is not repeated, for it might be the token."""
        if not _DIGEST.fullmatch(text):
            cure = "let beforehand desk --staff-token write the entry"
            raise Misfit("this is no SHA-256: it has 64 digits in hex", cure)
        return cls(text)


@dataclass(frozen=True, slots=True)
class Member:
    """One token: whose it is, what it is for, and until the end of which day in UTC.

    By ``email`` a token and a link by mail are known as one person's.
    """

    name: Slug
    token: TokenId
    sha256: Digest
    may: tuple[Role, ...]
    until: Day
    place: Place = field(compare=False)
    email: EmailAddress | None = None

    def __post_init__(self) -> None:
        if not self.may:
            cure = f"write may: [{Role.VIEWER}], or more of {', '.join(Role)}"
            raise Misfit("it says of nothing that it may be done", cure, key="may")
        if Role.APPROVER in self.may and self.email is None:
            sentence = "an approver has no address, by which a link and a token are one person's"
            raise Misfit(sentence, "add email:", key="may")

    @property
    def person(self) -> str:
        """What tells people apart: the address, for whoever has one, as links by mail know it too."""
        return str(self.email or self.name).casefold()

    def may_one_of(self, roles: frozenset[Role]) -> bool:
        """Tell whether one of these roles is among those of the token."""
        return roles == ANY or not roles.isdisjoint(self.may)


@dataclass(frozen=True, slots=True)
class StaffFile:
    """A file of staff: one entry for each token."""

    staff: tuple[Member, ...]

    def __post_init__(self) -> None:
        if len(self.staff) > STAFF_MAX:
            sentence = f"there are {len(self.staff)} tokens"
            raise Misfit(sentence, f"keep at most {STAFF_MAX}; whose day is past may go", key="staff")


@dataclass(frozen=True, slots=True)
class Staff:
    """All tokens of this desk by what names them."""

    tokens: Mapping[str, Member] = field(default_factory=dict)

    def bearer(self, token: str, now_ms: int) -> Member | None:
        """Return whose token this is, or None for a token of nobody's; ``Lapsed`` where its day is past.

        It takes as long whether or not there is a token of that name.
        """
        shape = _TOKEN.fullmatch(token)
        member = self.tokens.get(shape[1]) if shape else None
        kept = str(member.sha256) if member else _NOBODYS
        if not hmac.compare_digest(digest(token), kept) or member is None:
            return None
        if now_ms >= ends_ms(member.until):
            raise Lapsed
        return member

    def approvers(self, now_ms: int) -> dict[str, Member]:
        """Return by their address the people who may let notices go at this moment."""
        return {
            str(one.email).casefold(): one
            for one in self.tokens.values()
            if one.email is not None and Role.APPROVER in one.may and now_ms < ends_ms(one.until)
        }


class Lapsed(Exception):
    """A token was good until a day that is past."""


def joined(members: Iterable[Member]) -> Staff:
    """Return all tokens as one, or raise ``Rejected`` with everything by which people would be mixed up."""
    tokens: dict[str, Member] = {}
    emails: dict[str, Member] = {}
    names: dict[str, Member] = {}
    problems = []
    for one in members:
        same = tokens.setdefault(one.token, one)
        if same is not one:
            sentence = f"the token {one.token} stands here twice, first in line {same.place.line}"
            problems.append(Problem(one.place, sentence, "leave one of them out"))
        namesake = names.setdefault(one.name, one)
        if namesake.person != one.person:
            sentence = f"{one.name} has another address in line {namesake.place.line}"
            problems.append(Problem(one.place, sentence, "give both the same email, or one another name"))
        if one.email is not None:
            twin = emails.setdefault(one.person, one)
            if twin.name != one.name:
                sentence = f"{one.name} has the address of {twin.name} in line {twin.place.line}"
                problems.append(Problem(one.place, sentence, "one person has one name: give both the same"))
    if problems:
        raise Rejected(tuple(problems))
    return Staff(tokens)


def named(token: str) -> str:
    """Return what names a token, empty where it is none; all that may be said of it elsewhere."""
    shape = _TOKEN.fullmatch(token)
    return shape[1] if shape else ""


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def written(random: bytes) -> str:
    """Return the token that these random bytes make: 6 for its name and 32 for its secret."""
    assert len(random) == ID_BYTES + SECRET_BYTES, "there are as many as it takes"
    return f"bfh_{random[:ID_BYTES].hex()}_{random[ID_BYTES:].hex()}"


def ends_ms(until: Day) -> int:
    """Return when the day is over in UTC, in ms since 1970."""
    return (date.fromisoformat(until).toordinal() + 1 - _EPOCH) * DAY_MS


def day_after(now_ms: int, days: int) -> Day:
    """Return the day that comes so many days after now."""
    return Day(date.fromordinal(_EPOCH + now_ms // DAY_MS + days).isoformat())
