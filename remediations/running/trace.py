"""Traces: what the journal keeps of a step so that whoever comes after can still take it back.

A trace names a turn of a task by its place in the playbook and seals the steps that would undo it, so that
whoever reads the playbook later knows whether it still says the same. The steps themselves are not written
down, for they may hold a secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from model.step import Host, Step
from remediations.apart.packing import pack
from remediations.writing.playbook import Playbook

NOTHING: Final = ""
"""The trace of a step that changes nothing."""
FOR_GOOD: Final = "-"
"""The trace of a step that changes something which nothing takes back."""
UNKNOWN: Final = "?"
"""The trace of a step of which an older release wrote none."""
HIDDEN: Final = "(no_log)"
"""What stands for a step, and for what it said, where its task is not to be logged."""

_SEAL_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Back:
    """A step that takes something back; ``hide`` where its task is not to be logged."""

    step: Step
    trace: str
    hide: bool = False


def trace(place: int, undo: Sequence[Step]) -> str:
    """Return the trace of a turn that changes something and would be undone by these steps."""
    if not undo:
        return FOR_GOOD
    seal = hashlib.sha256(b"\0".join(map(pack, undo))).hexdigest()
    return f"{place}:{seal[:_SEAL_CHARACTERS]}"


def backs(traced: str, undo: Sequence[Step], *, hide: bool) -> tuple[Back, ...]:
    """Return the steps that take back what has this trace, each with a trace of its own."""
    return tuple(Back(step, f"{traced}/{number}", hide) for number, step in enumerate(undo))


def is_of_undo(traced: str) -> bool:
    """Tell whether the step with this trace took something back."""
    return "/" in traced


def undo_of(playbook: Playbook, host: Host) -> Mapping[str, tuple[Step, ...]]:
    """Return by its trace what takes back each turn of a playbook; may raise ``Unplannable``."""
    turns = [(task, turn) for task in playbook.tasks for turn in task.turns]
    known = [tuple(task.action.undo(turn.options, host)) for task, turn in turns]
    return {trace(place, undo): undo for place, undo in enumerate(known)}


def places(playbook: Playbook) -> Mapping[int, int]:
    """Return the place of each turn in its playbook, by the turn's identity."""
    turns = [turn for task in playbook.tasks for turn in task.turns]
    return {id(turn): place for place, turn in enumerate(turns)}
