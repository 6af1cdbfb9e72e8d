"""Fetches people's answers from the desks while a question of this host is open, on a thread of its own."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

from agent.desks.link import Link, Lost
from model.grant import Grant
from remediations.asking.asked import grant_from
from remediations.running.journal import Journal, JournalLost

EVERY_S: Final = 2.0
TIMEOUT_S: Final = 5.0
GRANTS_MAX: Final = 200

log = logging.getLogger("beforehand.approver")


class Approver:
    """Keeps what the desks told of people's words; whether they count is for others to judge.

    ``stir`` says that a question may have been opened; ``changed`` is called when there are other answers.
    """

    def __init__(
        self,
        journal: Journal,
        desks: tuple[str, ...],
        host: str,
        now_ms: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._desks = desks
        self._now_ms = now_ms
        self._path = f"/api/v1/grants?host={quote(host, safe='')}"
        self._changed = changed
        self._answers: tuple[Grant, ...] = ()
        self._woken, self._closed = threading.Event(), threading.Event()
        self._woken.set()
        self._thread = threading.Thread(target=self._work, name="approver", daemon=True)
        if desks:
            self._thread.start()

    def answers(self) -> tuple[Grant, ...]:
        """Return what people said as far as the desks told; anybody could have made it."""
        return self._answers

    def stir(self) -> None:
        """Look whether a question is open."""
        self._woken.set()

    def close(self, timeout_s: float) -> None:
        """Stop; answers stay at the desk for the next life."""
        self._closed.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        links = [Link(desk, TIMEOUT_S) for desk in self._desks]
        until_ms = 0
        while not self._closed.is_set():
            if self._woken.is_set():
                self._woken.clear()
                until_ms = self._asked_until_ms()
            if until_ms <= self._now_ms():
                for link in links:
                    link.close()
                self._woken.wait()
                continue
            self._poll(links)
            self._closed.wait(EVERY_S)
        for link in links:
            link.close()

    def _asked_until_ms(self) -> int:
        """Return when the last question ends that is open now, 0 where none is."""
        try:
            each = self._journal.asks()
        except JournalLost as lost:
            log.warning("it is not known what people were asked: %s", lost)
            return 0
        return max((one.ask.until_ms for one in each if one.ended is None), default=0)

    def _poll(self, links: Sequence[Link]) -> None:
        found = tuple({grant: None for link in links for grant in self._asked(link)})[:GRANTS_MAX]
        if found != self._answers:
            self._answers = found
            self._changed()

    def _asked(self, link: Link) -> list[Grant]:
        """Return what one desk tells, nothing where it tells nothing sensible."""
        try:
            status, text = link.get(self._path)
            read = json.loads(text) if status == 200 else None
        except (*Lost, ValueError, RecursionError) as wrong:
            log.debug("no answers were fetched: %s", wrong)
            return []
        told = read.get("grants") if isinstance(read, dict) else None
        found = map(grant_from, told[:GRANTS_MAX]) if isinstance(told, list) else ()
        return [grant for grant in found if grant is not None]
