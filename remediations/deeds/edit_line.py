"""One line of a file seen to, as Ansible's ``lineinfile`` does; what it becomes is worked out purely."""

from __future__ import annotations

import os
from dataclasses import replace

from model.deed import EditLine
from model.regex import compiled
from model.step import Result
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused
from remediations.deeds.versions import Version, change, folder_of, read
from remediations.deeds.write_file import MODE


def do(step: EditLine, doing: Doing) -> Result:
    """Work out the new text from the one that is there, and bring it about."""
    try:
        with folder_of(step.path) as (folder, name):
            old = read(folder, name, step.path)
        if old is None:
            if step.gone:
                return Result(ok=True, output=f"{step.path} is not there")
            if not step.create:
                return Result(ok=False, reason=f"{step.path} is not there; write create: true to make it")
        shape = old or Version(b"", MODE, os.geteuid(), os.getegid())
        # Bytes that are no text come back as they were.
        text = edited(shape.content.decode(errors="surrogateescape"), step)
        new = replace(shape, content=text.encode(errors="surrogateescape"))
        return change(step.path, new, step.validate, doing)
    except (Refused, OSError) as why:
        return Result(ok=False, reason=f"{step.path} was left as it is: {why}")


def edited(text: str, step: EditLine) -> str:
    """Return the text with the line seen to."""
    lines = _split(text)
    if step.gone:
        return "".join(one for one in lines if not _is_meant(one, step))
    places = [index for index, one in enumerate(lines) if step.regexp and _found(step.regexp, one)]
    if places:
        last = lines[places[-1]]
        lines[places[-1]] = step.line + last[len(last.rstrip("\r\n")) :]
        return "".join(lines)
    if any(one.rstrip("\r\n") == step.line for one in lines):
        return text
    where = _where(lines, step)
    if where == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines.insert(where, f"{step.line}\n")
    return "".join(lines)


def _split(text: str) -> list[str]:
    """Split at line feeds alone; other characters may end a line for Python, but not for a program."""
    parts = text.split("\n")
    return [f"{one}\n" for one in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _is_meant(line: str, step: EditLine) -> bool:
    return _found(step.regexp, line) if step.regexp else line.rstrip("\r\n") == step.line


def _found(regexp: str, line: str) -> bool:
    return compiled(regexp, dot_all=False).search(line.rstrip("\r\n")) is not None


def _where(lines: list[str], step: EditLine) -> int:
    """Return where a new line goes: at the end, unless something it is to stand by is found."""
    if step.before == "BOF":
        return 0
    word = step.before or step.after
    if not word or word == "EOF":
        return len(lines)
    places = [index for index, one in enumerate(lines) if _found(word, one)]
    if not places:
        return len(lines)
    return places[-1] + (0 if step.before else 1)
