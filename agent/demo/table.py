"""What the demo prints: the line from fault to told, and who was told what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Story:
    """What happened."""

    killed_ms: int
    incident: dict[str, Any]
