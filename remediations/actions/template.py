"""Put a file there whose text has holes, filled from values that stand beside it in the playbook.

Ansible's template fills in whatever it knows of a host. Here a value that anybody else says, a label or a
fact, would come into a configuration; so only what the playbook's author wrote is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from model.decode import Raw
from model.deed import RestoreFile, WriteFile
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.actions.file import Account, Mode, Path, check_text, checked
from remediations.writing.argv import Argv

VALUES_MAX: Final = 64

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_HOLE: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_STATEMENT: Final = re.compile(r"\{[%#]")


@dataclass(frozen=True, slots=True)
class Options:
    """A file, its text with holes like ``{{ port }}``, and in ``vars`` the value of each.

    A hole takes a name and nothing else. Every hole needs its value and every value its hole, so that a
    slip of the pen is told when the playbook is read. The rest is that of ``file``.
    """

    path: Path
    content: Raw
    vars: Mapping[str, Raw] = field(default_factory=dict)
    mode: Mode | None = None
    owner: Account | None = None
    group: Account | None = None
    validate: Argv | None = None

    def __post_init__(self) -> None:
        if len(self.vars) > VALUES_MAX:
            raise Misfit(f"there are more than {VALUES_MAX} values", "write a file", key="vars")
        check_text(filled(self.content, self.vars), "content")
        checked(self.validate, self.path)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each hole filled; raises ``Misfit`` where one and the values do not agree."""
    if _STATEMENT.search(text):
        raise Misfit("a template has holes, and no statements", "write {{ name }} alone", key="content")
    holes = {hole[1] for hole in _HOLE.finditer(text)}
    for name in sorted(holes):
        if not _NAME.fullmatch(name):
            raise Misfit(f"the hole {name[:40]!r} is not a name", "write {{ port }}", key="content")
        if name not in values:
            raise Misfit(f"there is no value for {name}", f"write vars: {{{name}: ...}}", key="content")
    spare = sorted(set(values) - holes)
    if spare:
        raise Misfit(
            f"{spare[0][:40]!r} is filled in nowhere", f"write {{{{ {spare[0][:40]} }}}}", key="vars"
        )
    return _HOLE.sub(lambda hole: values[hole[1]], text)


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed brings it about in one moment."""
    yield WriteFile(
        options.path,
        "present",
        filled(options.content, options.vars),
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


ACTION = Action("template", Options, plan, risk=Risk.REVERSIBLE, touches=touches, undo=undo)
