"""desk.yaml: where the desk listens, what it is called, and how its mail goes out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from desk.person import ENGLISH, UTC_ZONE, Language, Sender, Text, Zone
from model.decode import Raw, decode
from model.duration import Duration, seconds
from model.misfit import Misfit, Place, Problem, Rejected

HOLD_MAX = Duration.parse("15m")


@dataclass(frozen=True, slots=True)
class Listen:
    """An address of this machine alone, and a port; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read ``127.0.0.1:9466`` or ``[::1]:9466``."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        try:
            address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
            number = int(port) if port.isascii() and port.isdecimal() else -1
        except ValueError:
            raise Misfit(f"{text[:60]!r} is no address to listen on", "write 127.0.0.1:9466") from None
        if not 0 <= number <= 65535:
            raise Misfit(f"{port[:20]!r} is not a port", "write a number up to 65535")
        if not address.is_loopback:
            cure = "listen on 127.0.0.1 and put a proxy with TLS in front"
            raise Misfit(f"{host} can be reached from other machines", cure)
        return cls(str(address), number)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Url(str):
    """The base of every link: http or https, a host, no query; kept without a slash at the end."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read the base of all links."""
        parts = urlsplit(text)
        plain = (
            parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        )
        if not plain or parts.username is not None or any(c <= " " or c in '"<>\\' for c in text):
            raise Misfit(f"{text[:60]!r} is no base for links", "write it like https://status.example.com")
        return cls(text.rstrip("/"))

    @property
    def host(self) -> str:
        """The host alone, as it stands at the right of a Message-ID."""
        return urlsplit(self).hostname or "localhost"


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that takes our mail; a password is read from a file, never written here."""

    host: Raw
    from_: Sender
    port: int = 25
    security: Literal["none", "starttls", "tls"] = "none"
    username: Raw | None = None
    password_file: Raw | None = None
    reply_to: Sender | None = None
    timeout: Duration = seconds(10)

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise Misfit(f"{self.port} is not a port", "write a number from 1 to 65535", key="port")
        if (self.username is None) != (self.password_file is None):
            raise Misfit("a username needs a password_file, and the reverse", "give both", key="username")
        if self.username is not None and self.security == "none":
            cure = "set security to starttls or tls"
            raise Misfit("the password would travel in clear", cure, key="security")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of desk.yaml; ``place`` is where it stands."""

    name: Text
    url: Url
    catalogue: tuple[Raw, ...]
    place: Place
    listen: Listen = Listen("127.0.0.1", 9466)
    public: Listen = Listen("127.0.0.1", 9467)
    smtp: Smtp | None = None
    hold: Duration = seconds(60)
    language: Language = ENGLISH
    zone: Zone = UTC_ZONE

    def __post_init__(self) -> None:
        if self.listen == self.public and self.listen.port:
            raise Misfit("staff and public share one port", "give public its own", key="public")
        if self.hold > HOLD_MAX:
            raise Misfit(f"the hold {self.hold} is too long", f"hold at most {HOLD_MAX}", key="hold")
        if not self.catalogue:
            raise Misfit("no catalogue is named", "write catalogue: [catalogue.yaml]", key="catalogue")


def read_config(path: Path) -> Config:
    """Return desk.yaml as a value, or raise ``Rejected`` with every mistake in it."""
    return decode(_bytes(path, Place(str(path))), str(path), Config)


def read_bytes(path: Path, named_at: Place) -> bytes:
    """Return a file that a line of the configuration names, or raise ``Rejected`` at that line."""
    return _bytes(path, named_at)


def password(smtp: Smtp, beside: Path) -> str:
    """Return the password of the mail server; the file's last line end does not count."""
    assert smtp.password_file is not None, "asked only where a username is given"
    path = beside / smtp.password_file
    return _bytes(path, Place(str(path))).decode("utf-8", "replace").rstrip("\r\n")


def _bytes(path: Path, place: Place) -> bytes:
    try:
        return path.read_bytes()
    except OSError as wrong:
        sentence = f"{path.name} cannot be read: {wrong.strerror}"
        raise Rejected((Problem(place, sentence, "create it, or mend the path"),)) from None
