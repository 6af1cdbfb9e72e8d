"""One host among many: where a playbook minds the others, the desk is asked before it acts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agent.lessee import Leased, Lessee, Unheard, Unleased
from model.alert import Alert
from model.step import Risk
from remediations.playbook import Playbook

OFFLINE_MS: Final = 24 * 3_600_000
"""While no desk answers, a playbook whose steps can be undone may act once in so long; others not at all."""


@dataclass(slots=True)
class Fleet:
    """Asks for leases; called by workers, one host's runs being few."""

    lessee: Lessee
    now: Callable[[], int]
    _alone: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lease(self, playbook: Playbook, alert: Alert) -> str:
        """Return why this host must not be touched now, or nothing.

        Asked is for a service only, where the playbook says how many hosts at once or cannot be undone.
        """
        service, share = alert.labels.get("service"), playbook.guard.hosts_at_once
        if not service or (share is None and not irreversible(playbook)):
            return ""
        answer = self.lessee.ask(service, playbook.playbook, share or "")
        if isinstance(answer, Leased):
            return ""
        if isinstance(answer, Unleased):
            return answer.reason
        return self._offline(playbook, answer)

    def _offline(self, playbook: Playbook, unheard: Unheard) -> str:
        if irreversible(playbook):
            return f"no desk could be asked whether the others can bear it ({unheard.reason})"
        now_ms = self.now()
        with self._lock:
            last_ms = self._alone.get(playbook.playbook)
            if last_ms is not None and now_ms - last_ms < OFFLINE_MS:
                return f"no desk could be asked ({unheard.reason}), and it acted once without today"
            self._alone[playbook.playbook] = now_ms
        return ""


def irreversible(playbook: Playbook) -> bool:
    """Tell whether any step of it cannot be taken back."""
    return any(task.action.risk is Risk.IRREVERSIBLE for task in playbook.tasks)
