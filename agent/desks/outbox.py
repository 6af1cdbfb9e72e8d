"""Sends alerts to every desk, each by a thread of its own, until the desk has taken them.

What is due lives in the loop's memory of alerts, which is on disk; this box only knows what each desk
has not yet taken. A newer state of an alert replaces the older one that still waits, so a desk that was
away hears the truth of now and not the story of every second.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agent.desks.link import Link, Lost
from agent.desks.wire import Posting
from model.labels import Labels

WAITING_MAX: Final = 10_000
BATCH_MAX: Final = 256
TIMEOUT_S: Final = 5.0  # to connect, and between two bytes of the answer
TRIES_BEFORE_A_WORD: Final = 4
BACKOFF_S: Final = (0.2, 0.5, 1, 2, 5, 10)

log = logging.getLogger("beforehand.outbox")


@dataclass(slots=True)
class Tally:
    """What became of the postings to one desk; read by /metrics."""

    sent: int = 0
    failed: int = 0
    refused: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Sender:
    """One desk: what it has not yet taken, and the thread that brings it."""

    url: str
    waiting: dict[Labels, Posting] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    due: threading.Condition = field(default_factory=threading.Condition)
    closed: bool = False


class Outbox:
    """Postings on their way to the desks; ``put`` never blocks."""

    def __init__(self, desks: tuple[str, ...], now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._senders = [_Sender(url) for url in desks]
        self._threads = [
            threading.Thread(target=self._run, args=(sender,), name="outbox", daemon=True)
            for sender in self._senders
        ]
        for thread in self._threads:
            thread.start()

    @property
    def tallies(self) -> dict[str, Tally]:
        """What became of the postings, by the desk's address."""
        return {sender.url: sender.tally for sender in self._senders}

    @property
    def waiting(self) -> int:
        """How many postings wait for the desk that has taken the fewest."""
        return max((len(sender.waiting) for sender in self._senders), default=0)

    def put(self, postings: list[Posting]) -> None:
        """Let every desk have these; a posting replaces the one of the same alert that still waits."""
        for sender in self._senders:
            with sender.due:
                for posting in postings:
                    sender.waiting[posting.alert.labels] = posting
                while len(sender.waiting) > WAITING_MAX:
                    sender.waiting.pop(next(iter(sender.waiting)))
                    sender.tally.dropped += 1
                sender.due.notify()

    def close(self, timeout_s: float) -> None:
        """Give each desk so many seconds in all to take what waits, then stop."""
        for sender in self._senders:
            with sender.due:
                sender.closed = True
                sender.due.notify()
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, sender: _Sender) -> None:
        link = Link(sender.url, TIMEOUT_S)
        tries = 0
        while (batch := _next_batch(sender, tries)) is not None:
            if not batch:
                continue
            trouble = self._post(link, sender, batch)
            if trouble:
                tries += 1
                # Said once when it lasts and once when it ends; a desk that just starts is no trouble.
                level = logging.WARNING if tries == TRIES_BEFORE_A_WORD else logging.DEBUG
                log.log(level, "%s does not take alerts: %s", sender.url, trouble)
                continue
            if tries >= TRIES_BEFORE_A_WORD:
                log.info("%s takes alerts again", sender.url)
            tries = 0
            _forget(sender, batch)
        link.close()

    def _post(self, link: Link, sender: _Sender, batch: dict[Labels, Posting]) -> str:
        """Send one batch; return what is in the way where it needs another try, else the empty text."""
        now_ms = self._now_ms()
        body = json.dumps([posting.body(now_ms) for posting in batch.values()]).encode()
        try:
            status, text = link.post("/api/v2/alerts", body)
        except Lost as wrong:
            sender.tally.failed += 1
            return str(wrong) or type(wrong).__name__
        if 200 <= status < 300:
            sender.tally.sent += len(batch)
            return ""
        if status in (408, 425, 429) or status >= 500:
            sender.tally.failed += 1
            return f"it answered {status}"
        # The receiver keeps the valid ones of a batch; saying the rest again would not mend it.
        sender.tally.refused += len(batch)
        log.error("%s refused alerts: %d %s", sender.url, status, text[:200])
        return ""


def _next_batch(sender: _Sender, tries: int) -> dict[Labels, Posting] | None:
    """Wait for something to send, or after a failure for the back-off; None when closed and done."""
    with sender.due:
        if tries:
            base_s = BACKOFF_S[min(tries, len(BACKOFF_S)) - 1]
            wait_s = base_s * random.uniform(0.75, 1.25)  # noqa: S311  # spreads load, guards nothing
            sender.due.wait_for(lambda: sender.closed, wait_s)
            if sender.closed:
                return None
        sender.due.wait_for(lambda: sender.waiting or sender.closed)
        if not sender.waiting:
            return None
        return dict(list(sender.waiting.items())[:BATCH_MAX])


def _forget(sender: _Sender, batch: dict[Labels, Posting]) -> None:
    """Drop what was taken, unless a newer state came meanwhile."""
    with sender.due:
        for key, posting in batch.items():
            if sender.waiting.get(key) is posting:
                del sender.waiting[key]
