"""What the probes of the host itself share: nothing to set, and no target but the host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Nothing:
    """Options of a probe that has nothing to set."""


def this_host(_options: object) -> str:
    """Return the target of a probe that looks at its own host."""
    return ""
