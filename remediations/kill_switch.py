"""The kill switch: a file that stops every playbook until a human takes it away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remediations.mark import Unread, erase, line, read, said, write

BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The file ``STOP`` in the state folder, by its path; who set it, why and when stand in it as JSON.

    It outlives restarts and upgrades. What cannot be read counts as set, so does a missing folder.
    """

    path: Path

    def active(self) -> str:
        """Return the sentence why nothing may act, or the empty text."""
        try:
            data = read(self.path, BYTES_MAX)
        except Unread as wrong:
            return f"stopped: the kill switch cannot be read ({wrong})"
        if data is None:
            return "" if self.path.parent.is_dir() else f"stopped: the folder {self.path.parent} is missing"
        fields = said(data)
        who, why = (line(fields.get(key)) for key in ("by", "because"))
        return f"stopped by {who or 'a file that a human wrote'}" + (f": {why}" if why else "")

    def set(self, who: str, why: str, now_ms: int) -> None:
        """Stop everything; the file is whole and on disk when this returns."""
        content = json.dumps({"by": who[:200], "because": why[:1000], "at_ms": now_ms}).encode()
        write(self.path, content[:BYTES_MAX])

    def lift(self) -> bool:
        """Let playbooks act again; tell whether the switch was set."""
        return erase(self.path)
