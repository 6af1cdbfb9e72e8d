"""The kill switch: a file that stops every playbook until a human takes it away."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remediations.redact import presentable

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
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return "" if self.path.parent.is_dir() else f"stopped: the folder {self.path.parent} is missing"
        except OSError as wrong:
            return f"stopped: the kill switch cannot be read ({wrong.strerror})"
        try:
            data = os.read(fd, BYTES_MAX)
        except OSError as wrong:
            return f"stopped: the kill switch cannot be read ({wrong.strerror})"
        finally:
            os.close(fd)
        return _sentence(data)

    def set(self, who: str, why: str, now_ms: int) -> None:
        """Stop everything; the file is whole and on disk when this returns."""
        content = json.dumps({"by": who[:200], "because": why[:1000], "at_ms": now_ms}).encode()
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, content[:BYTES_MAX])
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(self.path)
        self._settle()

    def lift(self) -> bool:
        """Let playbooks act again; tell whether the switch was set."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        self._settle()
        return True

    def _settle(self) -> None:
        fd = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _sentence(data: bytes) -> str:
    """Say who stopped it and why; a file that a human wrote by hand is taken as the reason."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = {"because": data.decode(errors="replace")}
    fields = content if isinstance(content, dict) else {}
    who, why = (_line(fields.get(key)) for key in ("by", "because"))
    return f"stopped by {who or 'a file that a human wrote'}" + (f": {why}" if why else "")


def _line(value: object) -> str:
    text = presentable(value.encode(errors="replace"), 1000) if isinstance(value, str) else ""
    return " ".join(text.split())
