"""A desk without threads: a real store, a clock that is set by hand, and a line that only writes down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from desk.catalogue.person import EmailAddress, Sender
from desk.delivery import dispatch, tries
from desk.delivery.dispatch import Idle, Pouch, Task, Wanted
from desk.delivery.envelope import Stationery
from desk.delivery.tries import Answer
from desk.delivery.unsubscribe import opt_out
from desk.house import House
from desk.incident import records
from desk.incident.account import accounts
from desk.incident.episode import receive, tick
from desk.incident.incident import Signal
from desk.notice import planning
from desk.notice.compose import Letter
from desk.store.backing import Backing, in_file
from desk.store.store import Store
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
    worker: str = "w"
    sent: list[Message] = field(default_factory=list)
    failures: list[Undelivered] = field(default_factory=list)
    read: dict[Wanted, tuple[str, Letter]] = field(default_factory=dict)

    def hear(self, *signals: Signal) -> None:
        self.store.written(partial(receive, house=self.house, signals=signals, now_ms=self.now_ms))

    def pass_ms(self, length_ms: int) -> None:
        """Let time pass, look once, and send what is due."""
        self.now_ms += length_ms
        self.store.written(partial(tick, house=self.house, now_ms=self.now_ms))
        self.deliver()

    def begin(self) -> Task | Idle:
        """Take the next message without sending it."""
        found = self.take(1)
        return found if isinstance(found, Idle) else found[0]

    def message(self, task: Task) -> Message:
        return task.message(self.stationery)

    def finish(self, task: Task, state: str = "accepted") -> None:
        self.settle([Answer(task.of, state, "250 OK", self.now_ms)])

    def settle(self, answers: Sequence[Answer]) -> None:
        self.store.written(partial(tries.settle, worker=self.worker, answers=answers, now_ms=self.now_ms))

    def deliver(self, batch_max: int = 2) -> list[str]:
        """Send everything that is due now; return whom to."""
        before = len(self.sent)
        found = self.take(batch_max)
        while not isinstance(found, Idle):
            found = self.take(batch_max, [self._said(task) for task in found])
        return [message.to for message in self.sent[before:]]

    def _said(self, task: Task) -> Answer:
        if self.failures:
            fact = self.failures.pop(0)
            state = "failed" if fact.permanent else "unknown" if fact.unknown else "retrying"
            gone = self.message(task).to if fact.gone else ""
            after_ms = round(fact.after_s * 1_000)
            return Answer(task.of, state, fact.sentence, self.now_ms, after_ms=after_ms, gone=gone)
        self.sent.append(self.message(task))
        return Answer(task.of, "accepted", "250 OK", self.now_ms)

    def take(self, batch_max: int, answers: Sequence[Answer] = ()) -> tuple[Task, ...] | Idle:
        """Give answers and take the next batch without sending it."""
        pouch = Pouch(self.stationery, self.read)
        work = partial(dispatch.take, worker=self.worker, answers=answers, pouch=pouch)
        return self.store.written(partial(work, now_ms=self.now_ms, batch_max=batch_max))

    def plan_page(self) -> bool:
        """Plan one more page of a notice; tell whether there was one."""
        return self.store.written(partial(planning.step, house=self.house, now_ms=self.now_ms))

    def recover(self) -> None:
        self.store.written(partial(tries.recover, now_ms=self.now_ms, held_ms=0))

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
    """Set one up in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    with stage_on(in_file(folder / "desk.sqlite"), catalogue_text) as found:
        yield found


@contextmanager
def stage_on(backing: Backing, catalogue_text: str = town.CATALOGUE) -> Iterator[Stage]:
    """Set one up on any database."""
    config, catalogue = town.config(), town.catalogue(catalogue_text)
    store = Store(backing)
    try:

        def settle(conn: Connection) -> dict[str, int]:
            return records.settle_people(conn, catalogue, config)

        house = House(config, catalogue, store.written(settle), town.SECRET, NOW_MS - 3_600_000)
        sender = Sender("Example Shop", EmailAddress("status@shop.example"))
        yield Stage(store, house, Stationery("Example Shop", config.url, sender, None, town.SECRET))
    finally:
        store.close()
