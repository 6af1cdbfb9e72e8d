"""desk.yaml: where the desk listens, what it is called, and how its mail goes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from desk.files import read_bytes
from desk.person import ENGLISH, UTC_ZONE, Language, Sender, Text, Zone
from model.address import Listen, WebAddress
from model.decode import Raw, decode
from model.duration import Duration, seconds
from model.misfit import Misfit, Place

HOLD_MAX = Duration.parse("15m")


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
    url: WebAddress
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
    return decode(read_bytes(path, Place(str(path))), str(path), Config)


def password(smtp: Smtp, beside: Path) -> str:
    """Return the password of the mail server; the file's last line end does not count."""
    assert smtp.password_file is not None, "asked only where a username is given"
    path = beside / smtp.password_file
    return read_bytes(path, Place(str(path))).decode("utf-8", "replace").rstrip("\r\n")
