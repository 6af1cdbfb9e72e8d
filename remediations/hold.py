"""Holds: files by which a human keeps one playbook, or all, from beginning anything, for a while."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from remediations.kill_switch import BYTES_MAX
from remediations.mark import Unread, erase, line, read, said, write
from remediations.question import clock

LONGEST: Final = seconds(7 * 86_400)
USUAL: Final = seconds(3600)
HOLDS_MAX: Final = 1_000
UNTIL_MS_MAX: Final = 1 << 45

_ALL: Final = "ALL"


@dataclass(frozen=True, slots=True)
class Holds:
    """The folder ``holds`` in the state folder, by its path: a file for each playbook that is held back.

    What is under way goes on; ``stop`` ends that as well. A hold ends by itself, and one
    that cannot be read holds.
    """

    path: Path

    def held(self, now_ms: int) -> Mapping[str, str]:
        """Return why each playbook is held back, by its name; '' stands for all of them."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.path))[:HOLDS_MAX]
        except FileNotFoundError:
            return {}
        except OSError as wrong:
            return {"": f"held back: the holds cannot be read ({wrong.strerror})"}
        found: dict[str, str] = {}
        for name in names:
            sentence = "" if name.startswith(".") else self._sentence(name, now_ms)
            if sentence:
                found["" if name == _ALL else name] = sentence
        return found

    def set(self, playbook: str, who: str, why: str, until_ms: int) -> None:
        """Hold a playbook back until then, or with '' all of them."""
        self.path.mkdir(mode=0o755, exist_ok=True)
        content = {"by": who[:200], "because": why[:1000], "until_ms": until_ms}
        write(self.path / (playbook or _ALL), json.dumps(content).encode())

    def lift(self, playbook: str) -> bool:
        """Let it act again; tell whether it was held back."""
        return erase(self.path / (playbook or _ALL))

    def _sentence(self, name: str, now_ms: int) -> str:
        try:
            data = read(self.path / name, BYTES_MAX)
        except Unread as wrong:
            return f"held back: the hold {name} cannot be read ({wrong})"
        if data is None:
            return ""
        fields = said(data)
        until_ms = fields.get("until_ms")
        end = ""
        if isinstance(until_ms, int) and 0 < until_ms < UNTIL_MS_MAX:
            if until_ms <= now_ms:
                return ""
            end = f" until {clock(until_ms)}"
        who, why = line(fields.get("by")) or "a file that a human wrote", line(fields.get("because"))
        return f"held back by {who}{end}" + (f": {why}" if why else "")


def lasting(text: str) -> Duration:
    """Read how long a hold is to last."""
    length = Duration.parse(text)
    if not 0 < length.ms <= LONGEST.ms:
        raise Misfit(f"a hold lasts up to {LONGEST}, got {length}", "use stop for longer")
    return length
