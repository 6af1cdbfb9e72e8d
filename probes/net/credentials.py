"""Secrets that a probe shows to its target: written in the configuration, or read from a file by each run."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from model.decode import Decoder, Missing, Raw
from model.misfit import Misfit
from model.yaml_tree import Node, Scalar

SECRET_BYTES_MAX: Final = 4096
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VISIBLE: Final = re.compile(r"[\t\x20-\x7e\x80-\uffff]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is shown to its target and to nobody else."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Take any text."""
        return cls(text)

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return "<secret>" if self.text else ""


NO_TEXT: Final = Raw("")
NO_SECRET: Final = Secret("")


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name and a password, each written here or in a file; a file is read anew by each run."""

    username: Raw = NO_TEXT
    password: Secret = NO_SECRET
    password_file: str = ""
    username_file: str = ""

    def __post_init__(self) -> None:
        _one_of("password", self.password, self.password_file)
        _one_of("username", self.username, self.username_file)

    def header(self) -> str:
        """Return the value of the Authorization header (RFC 7617); an OSError if a file is not there."""
        username = from_file(self.username_file) if self.username_file else self.username
        password = from_file(self.password_file) if self.password_file else self.password.text
        pair = f"{username}:{password}".encode("utf-8", "surrogateescape")
        return "Basic " + binascii.b2a_base64(pair, newline=False).decode()


@dataclass(frozen=True, slots=True)
class Authorization:
    """A scheme, ``Bearer`` by default, and its credentials, written here or in a file."""

    type: str = "Bearer"
    credentials: Secret = NO_SECRET
    credentials_file: str = ""

    def __post_init__(self) -> None:
        _one_of("credentials", self.credentials, self.credentials_file)
        if not TOKEN.fullmatch(self.type) or self.type.lower() == "basic":
            cure = "write one like Bearer, and basic_auth for a user name and a password"
            raise Misfit(f"{self.type!r} is not a scheme", cure, key="type")

    def header(self) -> str:
        """Return the value of the Authorization header; an OSError if the file is not there."""
        credentials = from_file(self.credentials_file) if self.credentials_file else self.credentials.text
        return one_line(f"{self.type} {credentials}")


@dataclass(frozen=True, slots=True)
class HeaderValues:
    """The values of one header: written here, to be shown or not, and read from files."""

    values: tuple[Raw, ...] = ()
    secrets: tuple[Secret, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> HeaderValues | Missing:
        """Read a mapping, or one value alone."""
        if isinstance(node, Scalar):
            return cls((Raw(node.text),))
        return decoder.record(node, cls)

    def __post_init__(self) -> None:
        for value in (*self.values, *(secret.text for secret in self.secrets)):
            one_line(value)

    def each(self) -> Iterable[str]:
        """Yield every value; an OSError if a file is not there."""
        yield from self.values
        yield from (secret.text for secret in self.secrets)
        for file in self.files:
            yield one_line(from_file(file))


def check_names(names: Mapping[str, object], key: str) -> None:
    """Raise ``Misfit`` where one of these cannot be the name of a header."""
    for name in names:
        if not TOKEN.fullmatch(name):
            raise Misfit(f"{name!r} is not the name of a header", "write a name like X-Key", key=key)


def one_line(value: str) -> str:
    """Return the value of a header, or raise ``Misfit``: a line end would begin another header."""
    if not VISIBLE.fullmatch(value):
        raise Misfit("the value of a header is not one line of text", "take the control characters out")
    return value


def from_file(path: str) -> str:
    """Return a secret that is kept in a file; white space around it is not part of it."""
    with Path(path).open("rb") as file:
        return file.read(SECRET_BYTES_MAX).decode("utf-8", "surrogateescape").strip()


def _one_of(name: str, text: str | Secret, file: str) -> None:
    if text and file:
        raise Misfit(f"{name} and {name}_file are both given", "keep one of them", key=name)
