"""A hand's server on a thread of its own, and an agent of another user, for the tests of the hand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.grant import Grant, sealed
from model.step import Result, Step
from remediations.apart.allowed import Allowed, compiled
from remediations.apart.book import HandBook
from remediations.apart.client import RemoteHand
from remediations.apart.server import HandServer, Surroundings, listening
from remediations.asking.approval import digest
from remediations.asking.consent import Identity
from remediations.hand import Hand
from remediations.kill_switch import KillSwitch
from remediations.writing.playbook import Playbook
from tests.remediations.stage import BARE, wall_ms

BOOK = "heal-shop"
RUN = "0123456789abcdef-1"
KEY = bytes(range(32))
IDENTITY = Identity("web1", KEY)


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

    def take(
        self, step: Step, run: str = RUN, playbook: str = BOOK, *grants: Grant, check: bool = False
    ) -> Result:
        """Have a step taken that nobody stops."""
        return self.client.of(playbook, grants).carry_out(step, nobody, run, check=check)

    def refused(self) -> str:
        """What was written of those who were sent away."""
        return (self.folder / "refused.jsonl").read_text()

    def acts(self) -> str:
        """What was written of what was done."""
        return (self.folder / "acts.jsonl").read_text()


def grant(about: Playbook, by: str = "ada", ask: str = "ask-1", *, yes: bool = True, **other: Any) -> Grant:
    """What this person says to one run of a playbook, sealed; ``other`` is what differs."""
    now_ms, plan = wall_ms(), digest(about, BARE)
    said = Grant(ask, IDENTITY.host, about.playbook, plan, by, yes, now_ms, now_ms + 900_000)
    return sealed(replace(said, **other), KEY)


@contextmanager
def serving(
    folder: Path,
    *playbooks: Playbook,
    allowed: Allowed | None = None,
    identity: Identity = IDENTITY,
    uid: int = -1,
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
        server = HandServer(listener, around, allowed or compiled(playbooks, BARE, identity))
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
