"""Deeds: steps that are no program, as data; each finds what it acts upon when it is done, within limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until a TCP port of this host takes connections or a path exists, or until that is over."""

    port: int = 0
    path: str = ""
    gone: bool = False
    timeout_s: float = 60.0

    def __str__(self) -> str:
        what = f"port {self.port}" if self.port else self.path
        return f"wait until {what} is {'gone' if self.gone else 'there'}"


Deed = WaitFor
"""Every deed there is; to add one, write its dataclass here and how it is done in remediations/deeds/."""
