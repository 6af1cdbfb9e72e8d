"""A mailbox on this disk, in the form of Maildir: where letters go while no mail server is named."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

from desk.catalogue.person import Sender
from desk.delivery.mime import mime
from model.plugin import Channel, Deadline, Line, Message, Undelivered

LETTERS_SHOWN_MAX: Final = 200
LETTER_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """The directory that holds ``tmp``, ``new`` and ``cur``, and who the letters are from."""

    directory: str
    sender: Sender


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """Letters as files; the name comes from the Message-ID, so that a second try replaces the first."""

    options: Options

    def say(self, message: Message, deadline: Deadline) -> str:
        """Write one letter so that it is there after a power cut, or raise ``Undelivered``."""
        deadline.left_s()
        box = Path(self.options.directory)
        name = f"{message.written_ms}.{hashlib.sha256(message.id.encode()).hexdigest()[:20]}.desk"
        try:
            for part in ("tmp", "new", "cur"):
                (box / part).mkdir(mode=0o700, parents=True, exist_ok=True)
            with (box / "tmp" / name).open("wb") as file:
                file.write(mime(message, self.options.sender).replace(b"\r\n", b"\n"))
                file.flush()
                os.fsync(file.fileno())
            (box / "tmp" / name).replace(box / "new" / name)
            _settle(box / "new")
        except OSError as wrong:
            raise Undelivered(f"the mailbox cannot be written: {wrong.strerror}", everybody=True) from None
        return f"kept as {name}"

    def close(self) -> None:
        """Do nothing: no file stays open."""


def _settle(directory: Path) -> None:
    """Make the names in a directory last."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Kept:
    """One letter in the mailbox; times are ms since 1970 in UTC."""

    id: str
    to: str
    subject: str
    written_ms: int
    text: str


def letters(directory: Path) -> Iterator[Kept]:
    """Yield the newest letters first, within a limit."""
    found = sorted((directory / "new").glob("*.desk"), key=lambda path: _written_ms(path.name), reverse=True)
    return (_kept(path) for path in found[:LETTERS_SHOWN_MAX])


def letter(directory: Path, name: str) -> Kept | None:
    """Return one letter by its id, or None."""
    path = directory / "new" / name
    known = path.parent == directory / "new" and path.suffix == ".desk" and path.is_file()
    return _kept(path) if known else None


def _kept(path: Path) -> Kept:
    with path.open("rb") as file:
        raw = file.read(LETTER_BYTES_MAX)
    read = message_from_bytes(raw, policy=policy.default)
    body = read.get_body(("plain",))
    text = str(body.get_content()).replace("\r\n", "\n") if body else ""
    return Kept(path.name, str(read["To"]), str(read["Subject"]), _written_ms(path.name), text)


def _written_ms(name: str) -> int:
    number = name.partition(".")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0


def open_line(options: Options) -> Line:
    """Return a line into the mailbox."""
    return _Mailbox(options)


CHANNEL = Channel("email", Options, open_line)
