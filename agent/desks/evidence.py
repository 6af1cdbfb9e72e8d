"""Hands in to every desk what playbooks wrote down before they changed anything, until the desk has it.

What is to be handed in stands in the journal of runs already, so a kill loses none of it. Which desk has
which run stands in a notebook: where that is lost all is handed in once more, and the desk keeps it once.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from agent.desks.link import Link, Lost
from agent.notebook import Notebook
from remediations.running.gathered import Piece, gathered
from remediations.running.journal import Journal, JournalLost
from remediations.running.run import Run, Stage

KEPT_MS: Final = 7 * 24 * 3_600_000
TIMEOUT_S: Final = 5.0
RETRY_S: Final = 10.0
REST_S: Final = 1.0
COUNTS_MAX: Final = 1_000

_TRY_AGAIN: Final = (404, 408, 425, 429)
"""What a desk may answer that takes it another time; one of an earlier release does not know the address."""

log = logging.getLogger("beforehand.evidence")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who hands in: the host, and the labels that its alerts get on their way to the desks."""

    host: str
    external: Mapping[str, str]


@dataclass(slots=True)
class _Desk:
    """One desk, and the runs of which it has the evidence."""

    url: str
    has: set[str] = field(default_factory=set)


class Evidence:
    """Brings evidence on a thread of its own; ``stir`` and ``pieces`` may be called from any other."""

    def __init__(
        self,
        journal: Journal,
        notebook: Notebook,
        sender: Sender,
        desks: tuple[str, ...],
        now_ms: Callable[[], int],
    ) -> None:
        self._journal = journal
        self._notebook = notebook
        self._sender = sender
        self._now_ms = now_ms
        self._desks = [_Desk(url, _known(notebook.read(), url)) for url in desks]
        self._counts: dict[str, int] = {}
        self._woken, self._closed, self._gone = threading.Event(), threading.Event(), threading.Event()
        self._woken.set()
        self._thread = threading.Thread(target=self._work, name="evidence", daemon=True)
        if desks:
            self._thread.start()

    def stir(self) -> None:
        """Look whether a run has something to hand in."""
        self._woken.set()

    def close(self, timeout_s: float) -> None:
        """Hand in what can be within so many seconds; the rest is for the next life."""
        self._closed.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._gone.set()

    def pieces(self, run: str) -> int:
        """Return how many pieces of evidence a run has, whose steps are done."""
        known = self._counts.get(run)
        if known is None:
            try:
                known = len(gathered(self._journal.steps(run)))
            except JournalLost:
                return 0
            if len(self._counts) >= COUNTS_MAX:
                self._counts.clear()
            self._counts[run] = known
        return known

    def _work(self) -> None:
        while True:
            self._woken.clear()
            ending = self._closed.is_set()
            brought = self._bring()
            if ending or self._gone.is_set():
                return
            # A stir may come with each turn of a run; a look a second is enough.
            self._closed.wait(REST_S)
            self._woken.wait(None if brought else RETRY_S)

    def _bring(self) -> bool:
        """Hand in what each desk does not have; tell whether all of them have all now."""
        try:
            runs = self._journal.recent(self._now_ms() - KEPT_MS)
        except JournalLost as lost:
            log.warning("no evidence is handed in: %s", lost)
            return False
        done = [run for run in runs if run.stage is not Stage.ACTING]
        brought = [
            self._bring_to(desk, [run for run in done if run.id not in desk.has]) for desk in self._desks
        ]
        names = {run.id for run in runs}
        for desk in self._desks:
            desk.has &= names
        return all(brought)

    def _bring_to(self, desk: _Desk, runs: list[Run]) -> bool:
        link = Link(desk.url, TIMEOUT_S)
        try:
            for run in runs:
                if self._gone.is_set() or not self._bring_one(link, desk.url, run):
                    return False
                desk.has.add(run.id)
        finally:
            link.close()
            if runs:
                self._notebook.write({one.url: sorted(one.has) for one in self._desks})
        return True

    def _bring_one(self, link: Link, url: str, run: Run) -> bool:
        """Hand in the evidence of one run; tell whether that is settled."""
        try:
            pieces = gathered(self._journal.steps(run.id))
            if not pieces:
                return True
            status, text = link.post("/api/v1/evidence", json.dumps(self._body(run, pieces)).encode())
        except (JournalLost, *Lost) as wrong:
            log.debug("%s does not take evidence: %s", url, wrong)
            return False
        if 400 <= status < 500 and status not in _TRY_AGAIN:
            log.error("%s refused the evidence of %s: %d %s", url, run.id, status, text[:200])
            return True
        return status == 200

    def _body(self, run: Run, pieces: tuple[Piece, ...]) -> dict[str, Any]:
        external = {name: value for name, value in self._sender.external.items() if name not in run.labels}
        return {
            "labels": {**external, **run.labels},
            "host": self._sender.host,
            "run": run.id,
            "playbook": run.playbook,
            "started_ms": run.started_ms,
            "items": [asdict(piece) for piece in pieces],
        }


def _known(read: object, desk: str) -> set[str]:
    """Return the runs of which a desk has the evidence, by what a notebook says."""
    runs = read.get(desk) if isinstance(read, dict) else None
    return {one for one in runs if isinstance(one, str)} if isinstance(runs, list) else set()
