"""A desk without threads: a real store, a clock that is set by hand, and a line that only writes down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from desk import dispatch, records
from desk.account import accounts
from desk.dispatch import Answer, Idle, Task
from desk.envelope import Stationery
from desk.episode import receive, tick
from desk.incident import Signal
from desk.person import EmailAddress, Sender
from desk.store import Store
from desk.telling import House
from desk.unsubscribe import opt_out
from model.plugin import Message, Undelivered
from tests.desk import town
from tests.desk.town import NOW_MS


@dataclass(slots=True)
class Stage:
    """One desk whose time stands still until it is told to move."""

    store: Store
    house: House
    stationery: Stationery
    now_ms: int = NOW_MS
    sent: list[Message] = field(default_factory=list)
    failures: list[Undelivered] = field(default_factory=list)

    def hear(self, *signals: Signal) -> None:
        self.store.written(partial(receive, house=self.house, signals=signals, now_ms=self.now_ms))

    def pass_ms(self, length_ms: int) -> None:
        """Let time pass, look once, and send what is due."""
        self.now_ms += length_ms
        self.store.written(partial(tick, house=self.house, now_ms=self.now_ms))
        self.deliver()

    def begin(self) -> Task | Idle:
        """Take the next message without sending it."""
        return self._take(None)

    def finish(self, task: Task, state: str = "accepted") -> None:
        self.store.written(partial(dispatch.record, answer=Answer(task, state, "250 OK", self.now_ms)))

    def deliver(self) -> list[str]:
        """Send everything that is due now; return whom to."""
        before = len(self.sent)
        found = self._take(None)
        while isinstance(found, Task):
            found = self._take(self._said(found))
        return [message.to for message in self.sent[before:]]

    def _said(self, task: Task) -> Answer:
        if self.failures:
            fact = self.failures.pop(0)
            state = "failed" if fact.permanent else "unknown" if fact.unknown else "retrying"
            return Answer(task, state, fact.sentence, self.now_ms)
        self.sent.append(task.message)
        return Answer(task, "accepted", "250 OK", self.now_ms)

    def _take(self, answer: Answer | None) -> Task | Idle:
        take = partial(dispatch.take, worker="w", answer=answer, stationery=self.stationery)
        return self.store.written(partial(take, now_ms=self.now_ms))

    def recover(self) -> None:
        self.store.written(partial(dispatch.recover, now_ms=self.now_ms))

    def leave(self, person: str, service: str = "checkout") -> None:
        number = self.house.people[person]
        self.store.written(partial(opt_out, person=number, service=service, now_ms=self.now_ms))

    def incidents(self) -> list[dict[str, Any]]:
        with self.store.reading() as conn:
            return accounts(conn, self.house.catalogue)

    def incident(self) -> dict[str, Any]:
        [one] = self.incidents()
        return one

    def told(self) -> set[str]:
        return {one["email"] for one in self.incident()["told"]}

    def letters(self, person: str) -> list[Message]:
        return [message for message in self.sent if message.to == person]


@contextmanager
def stage(folder: Path, catalogue_text: str = town.CATALOGUE) -> Iterator[Stage]:
    config, catalogue = town.config(), town.catalogue(catalogue_text)
    store = Store(folder / "desk.sqlite")
    try:

        def settle(conn: Connection) -> dict[str, int]:
            return records.settle_people(conn, catalogue, config)

        house = House(config, catalogue, store.written(settle), town.SECRET, NOW_MS - 3_600_000)
        sender = Sender("Example Shop", EmailAddress("status@shop.example"))
        yield Stage(store, house, Stationery("Example Shop", config.url, sender, None, town.SECRET))
    finally:
        store.close()
