"""What a deed may use while it is done; time and programs are given, never reached for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.step import Exec, Result


@dataclass(frozen=True, slots=True)
class Doing:
    """The circumstances of one deed.

    ``stopped`` is the kill switch's sentence or ''. ``pause`` waits so many seconds at most, and less when
    the switch is set. ``run`` names the run that it belongs to, ``keep`` is a folder of ours for what an undo
    needs. ``check`` forbids to change anything.
    """

    stopped: Callable[[], str]
    monotonic: Callable[[], float]
    now_ms: Callable[[], int]
    pause: Callable[[float], None]
    exec: Callable[[Exec], Result]
    run: str
    keep: Path
    check: bool = False
