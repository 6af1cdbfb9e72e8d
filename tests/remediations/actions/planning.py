"""What an action makes of its options as a playbook writes them, for the tests of actions."""

from __future__ import annotations

from typing import Any

from model.decode import decode
from model.plugin import AnyAction
from model.step import Exec, Host, Result, Risk, Step
from remediations.actions import ACTIONS

BARE, SYSTEMD = Host(has_systemd=False), Host(has_systemd=True)
KNOWN: dict[str, AnyAction] = {action.name: action for action in ACTIONS}


def read(name: str, text: str) -> Any:
    """Read its options."""
    return decode(text.encode(), "f", KNOWN[name].options)


def planned(name: str, text: str, host: Host = SYSTEMD) -> list[Step]:
    """Return what it would do."""
    return list(KNOWN[name].plan(read(name, text), host))


def undone(name: str, text: str) -> list[Step]:
    """Return what would take that back."""
    return list(KNOWN[name].undo(read(name, text), SYSTEMD))


def touched(name: str, text: str) -> frozenset[str]:
    """Return what it acts upon."""
    return KNOWN[name].touches(read(name, text))


def asked(name: str, text: str) -> list[Step]:
    """Return what it asks before anything is begun."""
    return list(KNOWN[name].asks(read(name, text), SYSTEMD))


def human(name: str, text: str, *answers: Result) -> str:
    """Return what it reads from the answers to its questions, or the empty text."""
    options = read(name, text)
    assert len(list(KNOWN[name].asks(options, SYSTEMD))) == len(answers)
    act = KNOWN[name].intent(options, answers)
    return act.reason if act else ""


def risk(name: str) -> Risk:
    """Return its risk."""
    return KNOWN[name].risk


def argvs(steps: list[Step]) -> list[str]:
    """Return the programs among the steps, their words parted by blanks."""
    return [" ".join(step.argv) for step in steps if isinstance(step, Exec)]
