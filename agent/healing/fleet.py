"""One host among many: where a playbook minds the others, the desk is asked before it acts."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.desks.lessee import Leased, Lessee, Unheard, Unleased
from model.alert import Alert
from model.labels import Labels
from model.step import Risk
from remediations import mark
from remediations.writing.playbook import Playbook

OFFLINE_MS: Final = 24 * 3_600_000
"""While no desk answers, a playbook whose steps can be undone may act once in so long; others not at all."""


SERVICES_MAX: Final = 1_000
MARK_BYTES_MAX: Final = 1 << 20

log = logging.getLogger("beforehand.fleet")


@dataclass(slots=True)
class Fleet:
    """Asks for leases and gives them back; called by workers, one host's runs being few.

    ``file`` names the services of which the desk may count a lease to this host. A lease that
    cannot be given back runs out by itself.
    """

    lessee: Lessee
    now: Callable[[], int]
    file: Path
    _alone: dict[str, int] = field(default_factory=dict)
    _held: Counter[Labels] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lease(self, playbook: Playbook, alert: Alert) -> str:
        """Return why this host must not be touched now, or nothing.

        Asked is for a service only, where the playbook says how many hosts at once or cannot be undone.
        """
        service, share = alert.labels.get("service"), playbook.guard.hosts_at_once
        if not service or (share is None and not irreversible(playbook)):
            return ""
        with self._lock:
            self._held[alert.labels] += 1
            self._remember(service, held=True)
        answer = self.lessee.ask(service, playbook.playbook, share or "")
        if isinstance(answer, Leased):
            return ""
        with self._lock:
            self._held[alert.labels] -= 1
        if isinstance(answer, Unleased):
            return answer.reason
        return self._offline(playbook, answer)

    def give_back(self, labels: Labels, leases: int) -> None:
        """Give back what was leased for an alert; the lease of its service ends with the last of them."""
        service = labels.get("service")
        with self._lock:
            self._held[labels] = max(0, self._held[labels] - leases)
            if service in self._remembered():
                self._end(service)

    def settle(self, under_way: frozenset[Labels]) -> None:
        """Give back what an earlier life of the agent had leased, but for the alerts whose runs go on."""
        going = {labels.get("service") for labels in under_way}
        with self._lock:
            for service in self._remembered() - going:
                self._end(service)

    def _end(self, service: str) -> None:
        """End a service's lease unless another run holds it; nobody asks for one meanwhile."""
        if not any(count for labels, count in self._held.items() if labels.get("service") == service):
            self.lessee.give_back(service)
            self._remember(service, held=False)

    def _remembered(self) -> frozenset[str]:
        try:
            data = mark.read(self.file, MARK_BYTES_MAX)
        except mark.Unread as wrong:
            log.warning("%s cannot be read: %s", self.file, wrong)
            return frozenset()
        services = mark.said(data or b"{}").get("services")
        return frozenset(map(str, services)) if isinstance(services, list) else frozenset()

    def _remember(self, service: str, *, held: bool) -> None:
        known = self._remembered()
        if (service in known) == held:
            return
        kept = sorted(known | {service} if held else known - {service})[:SERVICES_MAX]
        try:
            mark.write(self.file, json.dumps({"services": kept}).encode())
        except OSError as wrong:
            log.warning("%s cannot be written: %s", self.file, wrong)

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
