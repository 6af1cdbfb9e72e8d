"""desk.yaml: where the desk listens, what it is called, and how its mail goes out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from desk.catalogue.person import ENGLISH, UTC_ZONE, EmailAddress, Language, MailDomain, Sender, Text, Zone
from desk.catalogue.service import Percent
from desk.delivery import verp
from desk.files import read_bytes, read_secret
from desk.store.database import Database
from desk.ways.voices import MAIL_ALONE, Channels
from model.address import Listen, WebAddress
from model.decode import Raw, decode
from model.duration import Duration, seconds
from model.grant import key_of
from model.misfit import Misfit, Place, Problem, Rejected

COURIERS_MAX = 8
TOKEN_BYTES_MIN = 32
HALF = Percent(50.0)
_ORIGIN = re.compile(r"https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")
HOLD_MAX = Duration.parse("15m")
REOPEN_MAX = Duration.parse("24h")


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
    return_path: EmailAddress | None = None
    timeout: Duration = seconds(10)

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise Misfit(f"{self.port} is not a port", "write a number from 1 to 65535", key="port")
        if (self.username is None) != (self.password_file is None):
            raise Misfit("a username needs a password_file, and the reverse", "give both", key="username")
        if self.return_path is not None and not verp.fits(self.return_path):
            cure = "write a short one like bounce@example.com"
            raise Misfit("there is no room for a token in the address", cure, key="return_path")
        if self.username is not None and self.security == "none":
            cure = "set security to starttls or tls"
            raise Misfit("the password would travel in clear", cure, key="security")


class Origin(str):
    """Where a page comes from: https and a host, with a port where that is another, and no path."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Refuse what is more than an origin, and what would break out of a header."""
        if not _ORIGIN.fullmatch(text):
            raise Misfit(f"{text[:60]!r} is not an origin", "write it like https://intranet.example.com")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Copy:
    """A second place for what everybody may read; ``to`` is a directory that exists."""

    to: Raw

    def __post_init__(self) -> None:
        if not Path(self.to).is_absolute():
            raise Misfit(f"{self.to[:60]!r} is not an absolute path", "write it from / on", key="to")


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
    database: Database | None = None
    database_password_file: Raw | None = None
    approval_key_file: Raw | None = None
    hold: Duration = seconds(60)
    reopen_within: Duration = seconds(1800)
    narrow_scope_max: Percent = HALF
    catalogue_token_file: Raw | None = None
    staff: Raw | None = None
    language: Language = ENGLISH
    zone: Zone = UTC_ZONE
    couriers: int = 1
    maintenance: tuple[Raw, ...] = ()
    test_mode: bool = False
    test_domains: tuple[MailDomain, ...] = ()
    embed_from: tuple[Origin, ...] = ()
    copy: Copy | None = None
    channels: Channels = MAIL_ALONE

    def __post_init__(self) -> None:
        if not 1 <= self.couriers <= COURIERS_MAX:
            cure = f"write a number from 1 to {COURIERS_MAX}"
            raise Misfit(f"{self.couriers} couriers cannot share the work", cure, key="couriers")
        if self.listen == self.public and self.listen.port:
            raise Misfit("staff and public share one port", "give public its own", key="public")
        if self.hold > HOLD_MAX:
            raise Misfit(f"the hold {self.hold} is too long", f"hold at most {HOLD_MAX}", key="hold")
        if self.reopen_within > REOPEN_MAX:
            sentence = f"{self.reopen_within} after its end an incident is another one"
            raise Misfit(sentence, f"write at most {REOPEN_MAX}", key="reopen_within")
        if self.approval_key_file is not None and self.smtp is None:
            # The local mailbox can be read by whoever reaches the staff port, an agent among them.
            sentence = "links that approve are sent by mail alone, and no mail server is named"
            raise Misfit(sentence, "add smtp, or approve on the host", key="approval_key_file")
        if self.database_password_file is not None and self.database is None:
            raise Misfit("a password is for a database", "add database", key="database_password_file")
        if self.test_mode and self.smtp is not None and not self.test_domains:
            sentence = "a test writes to nobody, for no domain is named"
            raise Misfit(sentence, "add test_domains: [example.com], or leave smtp out", key="test_mode")
        if not self.catalogue:
            raise Misfit("no catalogue is named", "write catalogue: [catalogue.yaml]", key="catalogue")

    @property
    def human(self) -> Sender:
        """Whose address answers and questions go to."""
        if self.smtp is None:
            return Sender(self.name, EmailAddress("desk@localhost"))
        return self.smtp.reply_to or self.smtp.from_


def read_config(path: Path) -> Config:
    """Return desk.yaml as a value, or raise ``Rejected`` with every mistake in it."""
    return decode(read_bytes(path, Place(str(path))), str(path), Config)


def password(smtp: Smtp, beside: Path) -> str:
    """Return the password of the mail server; the file's last line end does not count."""
    assert smtp.password_file is not None, "asked only where a username is given"
    path = beside / smtp.password_file
    return read_bytes(path, Place(str(path))).decode("utf-8", "replace").rstrip("\r\n")


def database_password(config: Config) -> str:
    """Return the password of the database, empty where none is named; raises ``Rejected``."""
    if config.database_password_file is None:
        return ""
    path = Path(config.place.file).parent / config.database_password_file
    return read_secret(path, config.place).decode("utf-8", "replace").rstrip("\r\n")


def catalogue_token(config: Config) -> bytes:
    """Return the SHA-256 of the token for the catalogue, empty where none is named; raises ``Rejected``."""
    if config.catalogue_token_file is None:
        return b""
    path = Path(config.place.file).parent / config.catalogue_token_file
    token = read_secret(path, config.place).strip()
    if len(token) < TOKEN_BYTES_MIN:
        sentence, cure = f"the token has {len(token)} bytes", "write one with: openssl rand -hex 32"
        raise Rejected((Problem(Place(str(path)), sentence, cure),))
    return hashlib.sha256(token).digest()


def approval_key(config: Config) -> bytes:
    """Return the key that seals approvals, empty where none is named; raises ``Rejected``."""
    if config.approval_key_file is None:
        return b""
    path = Path(config.place.file).parent / config.approval_key_file
    place = Place(str(path))
    try:
        return key_of(read_secret(path, config.place).decode("ascii", "replace"))
    except Misfit as wrong:
        raise Rejected((Problem(place, wrong.sentence, wrong.cure),)) from None
