"""Put a file there as it is to be: its content word for word from the playbook, judged before it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from model.decode import Raw
from model.deed import RestoreFile, WriteFile, temporary_of
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.deeds.versions import objection
from remediations.writing.argv import Argv

CONTENT_BYTES_MAX: Final = 16 << 10

_MODE: Final = re.compile(r"0?[0-7]{3}")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_FILLED_IN: Final = re.compile(r"\{\{-?\s*(\$?labels|\$?value|alert|facts|failed_|item)\b")


class State(StrEnum):
    """The state to bring a file to."""

    PRESENT = "present"
    ABSENT = "absent"
    TOUCH = "touch"


class Path(str):
    """The absolute path of a file that may be written to."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Path:
        """Refuse what decides who may do what on this host."""
        reason = objection(text)
        if reason:
            raise Misfit(reason, "name another file")
        return cls(text)


class Mode(int):
    """Who may read, write and execute, in octal."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Mode:
        """Refuse setuid, setgid and sticky, and what everybody may write to."""
        if not _MODE.fullmatch(text):
            raise Misfit(f"{text[:20]!r} is not a mode", "write it in octal, like 0644")
        mode = cls(text, 8)
        if mode & 0o002:
            raise Misfit(f"everybody may write to a file of mode {text}", "write it like 0644")
        return mode


class Account(str):
    """The name of a user or a group."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Account:
        """Keep to what useradd(8) takes."""
        if not _NAME.fullmatch(text):
            raise Misfit(f"{text[:40]!r} is not the name of a user or group", "write it like www-data")
        return cls(text)


def checked(validate: Argv | None, path: str) -> tuple[str, ...]:
    """Return the words of a validation with the path of the new version put in for its ``%s``."""
    if validate is None:
        return ()
    if sum("%s" in word for word in validate) != 1:
        raise Misfit(
            "the validation reads the new version as %s", "write [nginx, -t, -c, '%s']", key="validate"
        )
    return tuple(word.replace("%s", temporary_of(path)) for word in validate)


def check_text(text: str, key: str) -> None:
    """Refuse a text too long, and one that waits for values: they are what others say."""
    if len(text.encode()) > CONTENT_BYTES_MAX:
        raise Misfit(f"the text is longer than {CONTENT_BYTES_MAX} bytes", "keep it shorter", key=key)
    if _FILLED_IN.search(text):
        raise Misfit("values are not filled into files", "write the text itself", key=key)


@dataclass(frozen=True, slots=True)
class Options:
    """A file, its state, and what it is to hold and to whom it belongs; what is not said stays.

    ``content`` is taken word for word, values are never filled in. ``validate`` is a command that reads the
    new version as ``%s`` before it takes the file's name; where it fails, nothing changes. The earlier
    version is kept, and an undo brings it back unless somebody changed the file since.
    """

    path: Path
    state: State = State.PRESENT
    content: Raw | None = None
    mode: Mode | None = None
    owner: Account | None = None
    group: Account | None = None
    validate: Argv | None = None

    def __post_init__(self) -> None:
        said = (self.content, self.mode, self.owner, self.group)
        if self.state is State.PRESENT and all(one is None for one in said):
            raise Misfit("nothing is said about the file", "write content: or mode:")
        if self.state is State.ABSENT and (self.validate or any(one is not None for one in said)):
            raise Misfit("a file that is not there has no content", "leave out all but the path")
        if self.state is State.TOUCH and self.content is not None:
            raise Misfit("a touch has no content", "write state: present", key="content")
        check_text(self.content or "", "content")
        checked(self.validate, self.path)


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed brings it about in one moment."""
    yield WriteFile(
        options.path,
        options.state.value,
        options.content,
        -1 if options.mode is None else options.mode,
        options.owner or "",
        options.group or "",
        checked(options.validate, options.path),
    )


def undo(options: Options, _host: Host) -> Iterator[Step]:
    """Bring back what was there."""
    yield RestoreFile(options.path)


def touches(options: Options) -> frozenset[str]:
    """Name the file."""
    return frozenset({f"file:{options.path}"})


ACTION = Action("file", Options, plan, risk=Risk.REVERSIBLE, touches=touches, undo=undo)
