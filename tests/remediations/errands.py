"""A hand's server on a thread of its own, and an agent of another user, for the tests of the hand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from model.step import Host, Result, Step
from remediations.allowed import Allowed, compiled
from remediations.hand import Hand
from remediations.hand_book import HandBook
from remediations.hand_client import RemoteHand
from remediations.hand_server import HandServer, Surroundings, listening
from remediations.kill_switch import KillSwitch
from remediations.playbook import Playbook
from tests.remediations.stage import BARE, wall_ms

BOOK = "heal-shop"
RUN = "0123456789abcdef-1"


def since_boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def nobody() -> str:
    return ""


@dataclass
class Service:
    """A hand that serves, and the way to it."""

    folder: Path
    server: HandServer
    book: HandBook
    switch: KillSwitch
    client: RemoteHand

    @property
    def socket(self) -> Path:
        return self.folder / "hand.sock"

    def take(self, step: Step, run: str = RUN, playbook: str = BOOK, *, check: bool = False) -> Result:
        """Have a step taken that nobody stops."""
        return self.client.of(playbook).carry_out(step, nobody, run, check=check)

    def refused(self) -> str:
        """What was written of those who were sent away."""
        return (self.folder / "refused.jsonl").read_text()

    def acts(self) -> str:
        """What was written of what was done."""
        return (self.folder / "acts.jsonl").read_text()


@contextmanager
def serving(
    folder: Path, *playbooks: Playbook, host: Host = BARE, allowed: Allowed | None = None, uid: int = -1
) -> Iterator[Service]:
    """A hand that serves these playbooks' steps to this user."""
    with ExitStack() as held:
        book = held.enter_context(closing(HandBook(folder)))
        hand = held.enter_context(closing(Hand(time.monotonic, wall_ms, folder / "undo")))
        listener = held.enter_context(listening(folder / "hand.sock", os.getegid()))
        switch = KillSwitch(folder / "STOP")
        around = Surroundings(
            os.geteuid() if uid < 0 else uid,
            hand,
            book,
            switch,
            time.monotonic,
            wall_ms,
            since_boot_ms,
            lambda: None,
        )
        server = HandServer(listener, around, allowed or compiled(playbooks, host))
        thread = threading.Thread(target=server.serve, name="hand")
        thread.start()
        client = RemoteHand(folder / "hand.sock", frozenset({os.geteuid()}), time.monotonic, since_boot_ms)
        try:
            yield Service(folder, server, book, switch, client)
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive()
            server.close()


def until(reached: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Wait until this is so."""
    end_s = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        time.sleep(0.02)
