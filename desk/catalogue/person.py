"""What a customer's file says of one person: the address, the language, the zone and the quiet hours."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parseaddr
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from model.misfit import Misfit

ADDRESS_BYTES_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
LOCAL_BYTES_MAX: Final = 64
TEXT_CHARS_MAX: Final = 200
HOOK_CHARS_MAX: Final = 500

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_QUIET: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?")


def printable(text: str) -> str:
    """Return the text in one line, without controls, bidirectional overrides and private characters."""
    spaced = re.sub(r"\s", " ", text)
    seen = "".join(c for c in spaced if not unicodedata.category(c).startswith("C"))
    return re.sub(" +", " ", seen).strip()


class EmailAddress(str):
    """One addr-spec of RFC 5322 in its plain form, with the domain in lower case and as its A-labels.

    Quoted local parts, comments, groups, address literals and lists are refused: whatever could be read
    as two recipients, or as none.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> EmailAddress:
        """Read one address."""
        cure = "write one address like ada@acme.example"
        local, at, domain = text.rpartition("@")
        if text != printable(text) or not at or not _LOCAL.fullmatch(local):
            raise Misfit(f"{printable(text)[:60]!r} is not one e-mail address", cure)
        host = _ascii_domain(domain)
        if host is None:
            raise Misfit(f"{printable(domain)[:60]!r} is not a mail domain", cure)
        address = f"{local}@{host}"
        if len(local) > LOCAL_BYTES_MAX or len(address) > ADDRESS_BYTES_MAX:
            limits = f"keep it within {ADDRESS_BYTES_MAX} bytes, {LOCAL_BYTES_MAX} before the @"
            raise Misfit(f"the address has {len(address)} bytes", limits)
        return cls(address)

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.rpartition("@")[2]


def _ascii_domain(domain: str) -> str | None:
    """Return the domain as A-labels, or None where it is none; RFC 5891 by the library's codec."""
    try:
        host = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    parts = host.split(".")
    return host if len(parts) > 1 and all(_DOMAIN_LABEL.fullmatch(part) for part in parts) else None


class MailDomain(str):
    """A domain of mail, in lower case and as its A-labels; those below it are others."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> MailDomain:
        """Read a domain."""
        host = _ascii_domain(text)
        if host is None:
            raise Misfit(f"{printable(text)[:60]!r} is not a mail domain", "write one like example.com")
        return cls(host)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail is from: a name to show, which may be empty, and the address."""

    name: str
    address: EmailAddress

    @classmethod
    def parse(cls, text: str) -> Sender:
        """Read ``Name <address>`` or a bare address."""
        if text != printable(text):
            raise Misfit("a control character stands in the sender", "remove it")
        name, address = parseaddr(text) if "<" in text else ("", text)
        return cls(name, EmailAddress.parse(address))


class Language(str):
    """A language tag of BCP 47, like ``de`` or ``pt-BR``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Language:
        """Read a tag by its shape."""
        if not _LANGUAGE.fullmatch(text):
            raise Misfit(f"{text[:40]!r} is not a language", "write a tag like en, de or pt-BR")
        return cls(text)


@cache
def _zones() -> frozenset[str]:
    """Look through the tz database once; a catalogue names a zone for every person."""
    return frozenset(zoneinfo.available_timezones()) | {"UTC"}


class Zone(str):
    """The name of a time zone in the tz database, like ``Europe/Berlin``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Zone:
        """Read a name that the database knows."""
        if text not in _zones():
            raise Misfit(f"{text[:40]!r} is not a time zone", "write a name like Europe/Berlin or UTC")
        return cls(text)

    def at(self, at_ms: int) -> datetime:
        """Return this moment on the clocks of the zone."""
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zoneinfo.ZoneInfo(self))


class Phone(str):
    """A telephone number of E.164, like ``+491701234567``; spaces between its digits are left out."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Phone:
        """Read one number."""
        number = text.replace(" ", "")
        if not _PHONE.fullmatch(number):
            raise Misfit(
                f"{printable(text)[:40]!r} is not a telephone number", "write it like +49 170 1234567"
            )
        return cls(number)


class Hook(str):
    """Where a customer's program listens: an https address without a user and a fragment in it.

    Plain http is read only where the host is an IP address inside a network, such as 127.0.0.1.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Hook:
        """Read one address; whether it may be asked is judged when it is, by where it leads then."""
        parts = urlsplit(text) if text == printable(text) and " " not in text else None
        known = parts and (parts.scheme == "https" or (parts.scheme == "http" and _is_inside(parts.hostname)))
        sound = parts and known and parts.hostname and not parts.fragment
        if not sound or (parts and "@" in parts.netloc) or len(text) > HOOK_CHARS_MAX:
            raise Misfit(f"{printable(text)[:60]!r} is not an https address", "write https://host/path")
        return cls(text)


def _is_inside(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_private
    except ValueError:
        return False


class Day(str):
    """A day of the calendar, written 2026-01-31."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Day:
        """Read one day."""
        try:
            if len(text) == len("2026-01-31"):
                return cls(date.fromisoformat(text).isoformat())
        except ValueError:
            pass
        raise Misfit(f"{text[:20]!r} is not a day", "write it like 2026-01-31")


ENGLISH: Final = Language("en")
UTC_ZONE: Final = Zone("UTC")


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours in which somebody wants to hear of nothing less than major; minutes of the local day."""

    from_min: int
    to_min: int

    @classmethod
    def parse(cls, text: str) -> Quiet:
        """Read ``22:00-07:00``; the end is exclusive and may lie on the next day."""
        shape = _QUIET.fullmatch(text)
        if shape is None:
            raise Misfit(f"{text[:40]!r} are not quiet hours", 'write them like "22:00-07:00"')
        hours = [int(part) for part in shape.groups()]
        quiet = cls(hours[0] * 60 + hours[1], hours[2] * 60 + hours[3])
        if quiet.from_min == quiet.to_min:
            raise Misfit("the quiet hours begin when they end", "give them a length")
        return quiet

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.from_min, self.to_min))

    def end_ms(self, now_ms: int, zone: Zone) -> int | None:
        """Return when the quiet hours that hold now end, or None outside them."""
        local = zone.at(now_ms)
        minute = local.hour * 60 + local.minute
        length = (self.to_min - self.from_min) % 1440
        if (minute - self.from_min) % 1440 >= length:
            return None
        left = (self.to_min - minute) % 1440
        end = local.replace(second=0, microsecond=0) + timedelta(minutes=left)
        return int(end.timestamp() * 1000)


class Text(str):
    """A line that people read: no controls, not empty, not endless."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Text:
        """Read a line."""
        if not text or text != printable(text):
            raise Misfit("the text is empty or holds characters that cannot be seen", "write plain words")
        if len(text) > TEXT_CHARS_MAX:
            raise Misfit(f"the text has {len(text)} characters", f"keep it within {TEXT_CHARS_MAX}")
        return cls(text)


class Slug(str):
    """A name for machines: lower case letters, digits, ``-``, ``_`` and ``.``; at most 63 characters."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Slug:
        """Read a name."""
        if not _SLUG.fullmatch(text):
            cure = "use lower case letters, digits and - _ . inside, at most 63 characters"
            raise Misfit(f"{text[:60]!r} is not a name here", cure)
        return cls(text)
