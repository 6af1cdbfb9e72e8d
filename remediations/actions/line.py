"""See that a line stands in a file, or that none like it does (Ansible's ``lineinfile``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from model.decode import Raw
from model.deed import EditLine, RestoreFile
from model.misfit import Misfit
from model.plugin import Action
from model.regex import compiled
from model.step import Host, Risk, Step
from remediations.actions.file import Path, check_text, checked
from remediations.writing.argv import Argv


class State(StrEnum):
    """Whether the line is to be there."""

    PRESENT = "present"
    ABSENT = "absent"


class Pattern(str):
    """A regular expression of RE2 that is looked for in each line."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Refuse what RE2 does not take, and what every line would match."""
        if compiled(text, dot_all=False).search("") is not None:
            raise Misfit(f"{text[:40]!r} is found in an empty line", "write what tells the line from others")
        return cls(text)


class Spot(str):
    """Where a new line goes: BOF, EOF, or a regular expression of the line to stand by."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Spot:
        """Take either end of the file, or an expression."""
        return cls(text if text in ("BOF", "EOF") else Pattern.parse(text))


@dataclass(frozen=True, slots=True)
class Options:
    """A file, a line, and which line it takes the place of.

    Present: the last line that ``regexp`` finds becomes ``line``; where there is none, ``line`` is added,
    unless it stands there, after the last line that ``insertafter`` finds (EOF), or before the last that
    ``insertbefore`` finds (BOF). Absent: every line that ``regexp`` finds goes, or that is ``line``.
    ``create`` makes the file where there is none. ``validate`` and the undo are those of ``file``.
    """

    path: Path
    line: Raw | None = None
    regexp: Pattern | None = None
    state: State = State.PRESENT
    insertafter: Spot | None = None
    insertbefore: Spot | None = None
    create: bool = False
    validate: Argv | None = None

    def __post_init__(self) -> None:
        if self.line is None and (self.state is State.PRESENT or self.regexp is None):
            raise Misfit("no line is given", "write line: the text")
        if self.line is not None and "\n" in self.line:
            raise Misfit("this is more than one line", "write one step for each line", key="line")
        if self.insertafter and self.insertbefore:
            raise Misfit("a line goes after or before another", "write one of them", key="insertbefore")
        if self.insertafter == "BOF" or self.insertbefore == "EOF":
            raise Misfit("BOF is to insert before, EOF to insert after", "change them round")
        check_text(self.line or "", "line")
        checked(self.validate, self.path)


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed reads the file and brings it about."""
    yield EditLine(
        options.path,
        options.line or "",
        options.regexp or "",
        options.state is State.ABSENT,
        options.insertafter or "",
        options.insertbefore or "",
        options.create,
        checked(options.validate, options.path),
    )


def undo(options: Options, _host: Host) -> Iterator[Step]:
    """Bring back what was there."""
    yield RestoreFile(options.path)


def touches(options: Options) -> frozenset[str]:
    """Name the file."""
    return frozenset({f"file:{options.path}"})


ACTION = Action("line", Options, plan, risk=Risk.REVERSIBLE, touches=touches, undo=undo)
