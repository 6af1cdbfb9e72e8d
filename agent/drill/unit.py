"""A unit of systemd that is there until the next boot at most, to be killed in a drill.

A unit of systemd-run will not do: systemd forgets it with its failure, so nobody could start it again.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.drill.sacrifice import LIFE_S

SYSTEMCTL_S: Final = 30.0
RUNTIME_UNITS: Final = Path("/run/systemd/system")

_SYSTEM: Final = ("systemctl",)


class NoUnit(Exception):
    """systemd does not take it; the text says why."""


def name_of(drill: str) -> str:
    """Return the unit's name, without ``.service``."""
    return f"drill-{drill}"


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of one drill, below the folder of a manager that ``systemctl`` speaks to."""

    drill: str
    folder: Path = RUNTIME_UNITS
    systemctl: tuple[str, ...] = _SYSTEM

    @property
    def file(self) -> Path:
        """Its file."""
        return self.folder / f"{name_of(self.drill)}.service"

    @contextlib.contextmanager
    def running(self, argv: tuple[str, ...]) -> Iterator[None]:
        """Have systemd know and start it; it is gone after the block."""
        try:
            with self.file.open("x") as file:
                file.write(text(self.drill, argv))
            self._ask("daemon-reload")
            self._ask("start", self.file.name)
            yield
        finally:
            self.remove()

    def remove(self) -> bool:
        """Stop it and let systemd forget it; tell whether it was there."""
        if not self.file.is_file():
            return False
        with contextlib.suppress(NoUnit):
            self._ask("stop", self.file.name)
        self.file.unlink()
        self._ask("daemon-reload")
        with contextlib.suppress(NoUnit):  # most have not failed
            self._ask("reset-failed", self.file.name)
        return True

    def _ask(self, *words: str) -> None:
        try:
            subprocess.run(
                [*self.systemctl, *words], capture_output=True, timeout=SYSTEMCTL_S, check=True, text=True
            )
        except subprocess.CalledProcessError as wrong:
            raise NoUnit(f"systemctl {words[0]}: {wrong.stderr.strip()[:200]}") from None
        except (OSError, subprocess.TimeoutExpired) as wrong:
            raise NoUnit(f"systemctl {words[0]}: {wrong}") from None


def text(drill: str, argv: tuple[str, ...]) -> str:
    """Return the unit file (systemd.service(5)); percent signs and dollars stand for themselves."""
    words = " ".join(f'"{_plain(word)}"' for word in argv)
    return (
        f"[Unit]\nDescription=[DRILL] {drill}, to be killed\n"
        f"[Service]\nExecStart=:{words}\nWorkingDirectory={_plain(os.getcwd())}\n"  # noqa: PTH109 - as it stands
        f"Restart=no\nRuntimeMaxSec={LIFE_S}\n"
    )


def _plain(word: str) -> str:
    return word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
