"""Steps: what an action would do, as data; the hand carries them out and gives back results."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from model.deed import Deed

STEP_TIMEOUT_S: Final = 60.0
STEP_TIMEOUT_S_MAX: Final = 600.0
OUTPUT_BYTES_MAX: Final = 64 << 10
EVIDENCE_BYTES_MAX: Final = 1 << 20

Preset = Literal["top", "sockets", "journal", "df", "memory"]
Sight = Literal["top", "sockets", "df", "memory"]


class Risk(StrEnum):
    """The most that an action can cost when it is wrong."""

    READ_ONLY = "read-only"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


@dataclass(frozen=True, slots=True)
class Host:
    """What an action may know of the host that it plans for."""

    has_systemd: bool
    systemctl: str = "/usr/bin/systemctl"


@dataclass(frozen=True, slots=True)
class Exec:
    """Run one program, never through a shell.

    ``detached`` starts a program that stays in the foreground, in a session of its own, and does not
    wait for it. A step that is not ``vital`` may fail without ending the run. ``any_rc`` takes every
    exit code as good.
    """

    argv: tuple[str, ...]
    timeout_s: float = STEP_TIMEOUT_S
    detached: bool = False
    vital: bool = True
    allowed_rc: tuple[int, ...] = (0,)
    any_rc: bool = False
    output_bytes_max: int = OUTPUT_BYTES_MAX

    def __str__(self) -> str:
        return f"start {shlex.join(self.argv)}" if self.detached else f"run {shlex.join(self.argv)}"


@dataclass(frozen=True, slots=True)
class End:
    """End the process that a pid file names, if it still runs and is the program ``exe``.

    It is asked by ``stop`` where that is given, else by SIGTERM; after ``patience_s`` it is killed.
    """

    pidfile: str
    exe: str
    stop: tuple[str, ...] = ()
    patience_s: float = 10.0

    def __str__(self) -> str:
        return f"end the process of {self.pidfile}" + (f" by {shlex.join(self.stop)}" if self.stop else "")


@dataclass(frozen=True, slots=True)
class Look:
    """Read a pid file; the result's output is one of ``missing``, ``alive``, ``dead`` or ``unreadable``."""

    pidfile: str

    def __str__(self) -> str:
        return f"look at {self.pidfile}"


@dataclass(frozen=True, slots=True)
class Gather:
    """Write down what the host looks like now; reads only and never ends a run."""

    what: Sight
    timeout_s: float = 5.0
    output_bytes_max: int = EVIDENCE_BYTES_MAX

    def __str__(self) -> str:
        return f"gather {self.what}"


Step = Exec | End | Look | Gather | Deed


def vital(step: Step) -> bool:
    """Tell whether a failure of this step ends the run."""
    return step.vital if isinstance(step, Exec) else not isinstance(step, Look | Gather)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a step; ``reason`` is a sentence where it is not ``ok``.

    ``rc`` is None for a program that was ended by a signal, not started, or not waited for.
    ``stopped`` is the kill switch's sentence where that ended the step. ``changed`` tells whether anything is
    other than before, ``diff`` in words what is, or would be.
    """

    ok: bool
    reason: str = ""
    output: str = ""
    rc: int | None = None
    signal: int | None = None
    duration_ms: int = 0
    stopped: str = ""
    changed: bool = False
    diff: str = ""


@dataclass(frozen=True, slots=True)
class HumanAct:
    """What a human did, or is doing, to a target; nobody may work against it.

    ``passing`` means that it will be over soon. ``certain`` is False where an earlier run of ours that
    did not end well would have left the same trace.
    """

    reason: str
    passing: bool = False
    certain: bool = True
