"""Programs as groups of processes, found again in the way that needs the least rights."""

from __future__ import annotations

import re
from typing import Final

from agent.discovery.finding import Findings, Program
from agent.discovery.quote import Value
from agent.discovery.services import INTERPRETER
from agent.discovery.suggestion import Item, without_twins

_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9_.@-]+")
_WORDS: Final = {"pidfile": "pid file", "unit": "unit", "command": "command line", "name": "name"}


def groups(findings: Findings) -> tuple[Item, ...]:
    """Return a group for each program; those that are found by the same are one."""
    each: dict[tuple[str, Value], Item] = {}
    for program in findings.programs:
        key, value = _way(program)
        name = program.unit.removesuffix(".service") or _name(program)
        group = _OUTSIDE.sub("-", name).strip("-") or "program"
        reason = f"{program.name} runs here; it is found again by its {_WORDS[key]}"
        each.setdefault((key, value), Item("process", {"group": group, key: value}, reason))
    return without_twins(each.values())


def _way(program: Program) -> tuple[str, str]:
    """Return the option that finds it: all but the pid file are open to every user.

    Of a command line only the script is written down, for its arguments may be secrets.
    """
    if program.pidfile:
        return "pidfile", program.pidfile
    if program.unit:
        return "unit", program.unit
    interpreter, script = _script(program)
    if script:
        return "command", f"^[^ ]*{interpreter}[^ ]* (.* )?{re.escape(script)}( |$)"
    return "name", program.name


def _name(program: Program) -> str:
    """Return a name for a group: that of the script, where the program only runs one."""
    _, script = _script(program)
    return script.rpartition("/")[2] or program.name


def _script(program: Program) -> tuple[str, str]:
    """Return the interpreter and what it runs: the first word behind it that is no option."""
    interpreter = INTERPRETER.fullmatch(program.name)
    words = program.command.split(" ")[1:] if interpreter else []
    script = next((word for word in words if word and not word.startswith("-")), "")
    return (interpreter[1] if interpreter else ""), script
