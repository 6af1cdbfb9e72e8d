"""Asks the desk for a lease before a host is touched, and gives it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.desks.link import Link, Lost

TIMEOUT_S: Final = 3.0
REASON_CHARACTERS_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class Leased:
    """The desk lets this host be worked on."""


@dataclass(frozen=True, slots=True)
class Unleased:
    """The desk does not, for this reason; ``page`` says that a person is needed."""

    reason: str
    retry_at_ms: int
    page: bool


@dataclass(frozen=True, slots=True)
class Unheard:
    """No desk answered; the playbook says what may be done then."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lessee:
    """One host's way to its desks; each is asked in turn until one answers. Called by workers."""

    desks: Sequence[str]
    host: str

    def ask(self, service: str, playbook: str, hosts_at_once: str = "") -> Leased | Unleased | Unheard:
        """Ask for a lease on this host."""
        answer = self._post("/api/v1/leases", service, playbook, hosts_at_once)
        if isinstance(answer, Unheard):
            return answer
        if answer.get("granted") is True:
            return Leased()
        reason, retry, page = (answer.get(name) for name in ("reason", "retry_at_ms", "page"))
        if not isinstance(reason, str) or not isinstance(retry, int):
            return Unheard("the desk's answer to a request for a lease cannot be read")
        return Unleased(reason[:REASON_CHARACTERS_MAX], retry, page is True)

    def give_back(self, service: str) -> None:
        """End the lease, whichever playbook asked for it; where no desk hears it, it runs out by itself."""
        self._post("/api/v1/leases/end", service, "any", "")

    def _post(
        self, path: str, service: str, playbook: str, hosts_at_once: str
    ) -> dict[str, object] | Unheard:
        asked = {"service": service, "host": self.host, "playbook": playbook, "hosts_at_once": hosts_at_once}
        trouble = "there is no desk"
        for desk in self.desks:
            link = Link(desk, TIMEOUT_S)
            try:
                status, text = link.post(path, json.dumps(asked).encode())
                answer = json.loads(text) if status == 200 else None
            except (*Lost, ValueError) as wrong:
                trouble = f"{desk} does not answer: {wrong}"
                continue
            finally:
                link.close()
            if isinstance(answer, dict):
                return answer
            trouble = f"{desk} answered {status}"
        return Unheard(trouble[:REASON_CHARACTERS_MAX])
