"""What goes between a host and its desks beside alerts: evidence to them, and people's answers back."""

from __future__ import annotations

from collections.abc import Callable

from agent.desks.approver import Approver
from agent.desks.evidence import Evidence, Sender
from agent.notebook import Notebook
from agent.state import StateDirectory
from model.grant import Grant
from remediations.running.journal import Journal


class Errands:
    """Both ways, each with a thread of its own where there is a desk; every call returns at once."""

    def __init__(
        self,
        state: StateDirectory,
        journal: Journal,
        sender: Sender,
        desks: tuple[str, ...],
        now_ms: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._evidence = Evidence(journal, Notebook(state.evidence), sender, desks, now_ms)
        self._approver = Approver(journal, desks, sender.host, now_ms, wake)

    def stir(self) -> None:
        """Look for work, because the healing of an alert stands differently."""
        self._evidence.stir()
        self._approver.stir()

    def pieces(self, run: str) -> int:
        """Return how many pieces of evidence a run has, whose steps are done."""
        return self._evidence.pieces(run)

    def answers(self) -> tuple[Grant, ...]:
        """Return what people said at the desks; anybody could have made it."""
        return self._approver.answers()

    def close(self, timeout_s: float) -> None:
        """Let what is under way end, each within so many seconds."""
        self._approver.close(timeout_s)
        self._evidence.close(timeout_s)
