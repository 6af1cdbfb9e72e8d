"""What keeps this host's playbooks from acting: its calendar, its warm-up, holds, and who is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from agent.config import AgentConfig
from agent.healing.freeze import frozen
from agent.healing.warm_up import Begun, warming
from agent.state import StateDirectory
from model.alert import Alert, AlertState
from model.step import HumanAct
from remediations.at_work import at_work
from remediations.hold import Holds

_GRAVITY: Final[Mapping[str, int]] = {
    "none": 0, "info": 1, "low": 1, "minor": 2, "warning": 2, "medium": 2, "error": 3, "high": 3, "major": 3,
    "critical": 4, "page": 4, "emergency": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Restraints:
    """Gathers facts for the guards from the state directory and the host."""

    state: StateDirectory
    started_ms: int
    now: Callable[[], int]

    def pauses(self, config: AgentConfig, doubts: Iterable[str]) -> dict[str, str]:
        """Return what keeps playbooks from acting for now, each with its sentence.

        ``doubts`` tells why the agent does not trust what it sees.
        """
        now_ms = self.now()
        found = {
            "freeze": frozen(config.freezes, now_ms),
            "doubt": "; ".join(doubts),
            "warm-up": warming(config.warm_up, self._begun(), now_ms),
        }
        return {name: sentence for name, sentence in found.items() if sentence}

    def holds(self) -> Mapping[str, str]:
        """Return which playbooks a human holds back, '' for all, each with the sentence."""
        return Holds(self.state.holds).held(self.now())

    def at_work(self) -> HumanAct | None:
        """Return who changes this host just now; called by a worker."""
        return at_work(Path("/"), self.now())

    def _begun(self) -> Begun:
        return Begun(round(psutil.boot_time() * 1000), self.started_ms, deployed_ms(self.state.deployed))


def deployed_ms(mark: Path) -> int:
    """Return when something was deployed last, by the time of its mark, 0 where nobody said so."""
    try:
        return round(mark.lstat().st_mtime * 1000)
    except OSError:
        return 0


def worse(alerts: Iterable[Alert], alert: Alert, since_ms: int) -> str:
    """Name an alert of the same service that is graver and began to fire since then, or return ''."""
    service, gravity = alert.labels.get("service"), _gravity(alert)
    for other in alerts:
        same = service and other.labels.get("service") == service and other.labels is not alert.labels
        fired = other.state is AlertState.FIRING and (other.fired_at_ms or 0) >= since_ms
        if same and fired and _gravity(other) > gravity:
            return other.name
    return ""


def _gravity(alert: Alert) -> int:
    return _GRAVITY.get(alert.labels.get("severity").lower(), 0)
