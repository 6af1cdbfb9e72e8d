"""How a remediation stands and ended, as it travels with its alert from the agent to the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """How a run ended, judged by its effect and never by an exit code alone."""

    FIXED = "fixed"
    INEFFECTIVE = "ineffective"
    RECURRED = "recurred"
    HARMFUL = "harmful"
    FAILED = "failed"
    SKIPPED = "skipped"


class Healing(StrEnum):
    """What is being done about a firing alert, before there is an outcome."""

    NONE = "none"  # no playbook answers to it
    PROPOSED = "proposed"  # a playbook would act, but only proposes
    ACTING = "acting"  # steps are being taken
    VERIFYING = "verifying"  # steps are done, their effect is awaited


_PREFIX = "beforehand_"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What the agent says of an alert's healing; it rides in the alert's annotations.

    ``status`` is a ``Healing`` or an ``Outcome``; ``reason`` is a sentence. Times are milliseconds
    since 1970 in UTC, 0 where not reached: ``onset_ms`` the first bad sample, ``acted_ms`` the first
    step, ``healed_ms`` the first good sample, ``verified_ms`` the end of the hold.
    """

    status: Healing | Outcome = Healing.NONE
    playbook: str = ""
    run: str = ""
    reason: str = ""
    escalate: bool = False
    onset_ms: int = 0
    acted_ms: int = 0
    healed_ms: int = 0
    verified_ms: int = 0

    def annotations(self) -> dict[str, str]:
        """Return the annotations that carry this remedy; empty fields are left out."""
        fields = {
            "status": self.status.value,
            "playbook": self.playbook,
            "run": self.run,
            "reason": self.reason,
            "escalate": "true" if self.escalate else "",
            "onset_ms": str(self.onset_ms or ""),
            "acted_ms": str(self.acted_ms or ""),
            "healed_ms": str(self.healed_ms or ""),
            "verified_ms": str(self.verified_ms or ""),
        }
        return {_PREFIX + name: value for name, value in fields.items() if value}

    def told(self) -> dict[str, str | bool]:
        """Return what staff are shown of it, as JSON takes it; its moments stand elsewhere."""
        return {
            "status": self.status.value,
            "playbook": self.playbook,
            "run": self.run,
            "reason": self.reason,
            "escalate": self.escalate,
        }

    @classmethod
    def of(cls, annotations: Mapping[str, str]) -> Remedy | None:
        """Return the remedy that these annotations carry, or None; what cannot be read counts as absent."""
        status = _status(annotations.get(_PREFIX + "status", ""))
        if status is None:
            return None
        return cls(
            status=status,
            playbook=annotations.get(_PREFIX + "playbook", ""),
            run=annotations.get(_PREFIX + "run", ""),
            reason=annotations.get(_PREFIX + "reason", ""),
            escalate=annotations.get(_PREFIX + "escalate") == "true",
            onset_ms=_moment(annotations.get(_PREFIX + "onset_ms", "")),
            acted_ms=_moment(annotations.get(_PREFIX + "acted_ms", "")),
            healed_ms=_moment(annotations.get(_PREFIX + "healed_ms", "")),
            verified_ms=_moment(annotations.get(_PREFIX + "verified_ms", "")),
        )


_STATUSES: Final[Mapping[str, Healing | Outcome]] = {one.value: one for one in (*Healing, *Outcome)}


def _status(text: str) -> Healing | Outcome | None:
    return _STATUSES.get(text)


def _moment(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
