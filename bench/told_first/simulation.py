"""The desk's own decisions in simulated time: the real store, outbox and ledger, a clock that leaps."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bench.told_first.episode import HOLD_MS, KINDS, SERVICES, Episode, Town, episodes, town
from desk import schema
from desk.catalogue.file import CatalogueFile, joined
from desk.catalogue.person import EmailAddress, Sender
from desk.config import Config
from desk.delivery import dispatch
from desk.delivery.dispatch import Idle, Pouch
from desk.delivery.envelope import Stationery
from desk.delivery.tries import Answer
from desk.feedback import reports
from desk.feedback.reports import Report
from desk.house import House
from desk.incident import records
from desk.incident.episode import Outcome, receive, tick
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from desk.ledger import reading
from desk.ledger.figures import Figures, figures
from desk.ledger.story import Story
from desk.store.backing import in_file
from desk.store.store import Store
from model.decode import decode
from model.labels import Labels
from model.outcome import Healing, Remedy
from model.outcome import Outcome as Ended

BEGIN_MS: Final = 1_784_000_000_000
SEND_MS: Final = 2  # for one mail after the other; the second measurement says what it really takes
LASTS_MS: Final = 7 * 3_600_000
SECRET: Final = b"told-first" * 4
BATCH: Final = 200
CONFIG: Final = b"""\
name: Example
url: http://127.0.0.1:9467
catalogue: [catalogue.yaml]
hold: 60s
narrow_scope_max: 100%
"""


@dataclass(frozen=True, slots=True)
class Happened:
    """What came of all episodes: the stories of the ledger, and who was told when, by episode and address."""

    episodes: tuple[Episode, ...]
    stories: tuple[Story, ...]
    told: Mapping[int, Mapping[str, int]]

    def figures(self, impact: str = "") -> Figures:
        """Return the ledger's figures, of one impact or of all."""
        kept = [story for story in self.stories if impact in ("", story.impact.value)]
        return figures(kept, [], 0, 0, 1 << 60)


def simulate(seed: int, count: int, folder: Path) -> Happened:
    """Let the episodes of a seed happen to a desk of its own."""
    draw = random.Random(seed)
    homes = town(draw)
    drawn = tuple(episodes(homes, count, draw))
    with _world(homes, folder) as world:
        for episode in drawn:
            world.plan(episode)
        world.run()
        return Happened(drawn, tuple(world.stories()), world.told(drawn))


@contextmanager
def _world(homes: Town, folder: Path) -> Iterator[_World]:
    config = decode(CONFIG, "desk.yaml", Config)
    catalogue = joined([decode(_catalogue(homes).encode(), "catalogue.yaml", CatalogueFile)])
    store = Store(in_file(folder / "desk.sqlite"))
    try:
        people = store.written(lambda conn: records.settle_people(conn, catalogue, config))
        house = House(config, catalogue, people, SECRET, BEGIN_MS - 3_600_000)
        sender = Sender("Example", EmailAddress("status@example.com"))
        yield _World(store, house, Pouch(Stationery("Example", config.url, sender, None, SECRET)), homes)
    finally:
        store.close()


def _catalogue(homes: Town) -> str:
    lines = ["services:"]
    for service in SERVICES:
        lines += [f"- service: {service}", f"  shows: ['service=\"{service}\"']", "  impact:"]
        lines += [
            f"  - {{when: 'alertname=\"{one.alert}\"', impact: {one.impact}, affects: uses}}" for one in KINDS
        ]
    lines.append("customers:")
    for number, (people, uses) in enumerate(zip(homes.people, homes.uses, strict=True)):
        lines += [f"- customer: c{number}", f"  uses: [{', '.join(uses)}]", "  people:"]
        lines += [f"  - {{name: {one.partition('@')[0]}, email: {one}}}" for one in people]
    return "\n".join(lines) + "\n"


@dataclass(slots=True)
class _World:
    """One desk and what is still to happen to it."""

    store: Store
    house: House
    pouch: Pouch
    homes: Town
    waiting: list[tuple[int, int, Callable[[Connection, int], None]]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=itertools.count)

    def at(self, at_ms: int, do: Callable[[Connection, int], None]) -> None:
        heapq.heappush(self.waiting, (BEGIN_MS + at_ms, next(self.order), do))

    def plan(self, episode: Episode) -> None:
        """Note everything that happens in an episode."""
        begun = _signal(episode, Remedy(Healing.ACTING if episode.healed else Healing.NONE, "restart"))
        proved_ms = episode.over_ms + (HOLD_MS if episode.healed else 0)
        self.at(episode.detected_ms, lambda conn, now_ms: self._hear(conn, begun, now_ms))
        self.at(proved_ms, lambda conn, now_ms: self._hear(conn, _over(episode, begun, now_ms), now_ms))
        for who, at_ms in episode.reported().items():
            self.at(at_ms, partial(self._report, who=who, service=episode.service))

    def run(self) -> None:
        """Let all of it happen, and whatever the desk does by itself in between."""
        while self.waiting:
            now_ms, _, do = heapq.heappop(self.waiting)

            def write(
                conn: Connection, now_ms: int = now_ms, do: Callable[[Connection, int], None] = do
            ) -> None:
                do(conn, now_ms)
                self._go_on(conn, now_ms)

            self.store.written(write)

    def _hear(self, conn: Connection, signal: Signal, now_ms: int) -> None:
        receive(conn, self.house, [signal], now_ms)

    def _report(self, conn: Connection, now_ms: int, who: str, service: str) -> None:
        uses = next(
            uses for people, uses in zip(self.homes.people, self.homes.uses, strict=True) if who in people
        )
        person = self.house.people[who]
        report = Report(person, frozenset(uses), "", service, "symptom", "portal", "", now_ms)
        reports.take(conn, self.house.catalogue, report, "en", now_ms)

    def _go_on(self, conn: Connection, now_ms: int) -> None:
        """Look, send what is due, and come back when something may be due again."""
        outcome: Outcome = tick(conn, self.house, now_ms)
        idle = self._deliver(conn, now_ms)
        for due_ms in {outcome.due_ms, idle.until_ms}:
            # While something is open only; the desk's own nightly work is none of this.
            if now_ms < due_ms <= now_ms + LASTS_MS and records.open_incidents(conn):
                self.at(due_ms - BEGIN_MS, lambda *_: None)

    def _deliver(self, conn: Connection, now_ms: int) -> Idle:
        answers: list[Answer] = []
        sent_ms = now_ms
        while True:
            found = dispatch.take(conn, "w", answers, self.pouch, now_ms, BATCH)
            if isinstance(found, Idle):
                return found
            answers = []
            for task in found:
                sent_ms += SEND_MS
                answers.append(Answer(task.of, "accepted", "250 OK", sent_ms))

    def stories(self) -> Sequence[Story]:
        """Return what the ledger holds."""
        with self.store.reading() as conn:
            return reading.stories(conn, 0, 1 << 60)

    def told(self, drawn: Sequence[Episode]) -> dict[int, dict[str, int]]:
        """Return who was told when in each episode, straight from the log of deliveries."""
        n, i, p, log = schema.notice, schema.incident, schema.person, schema.delivery_log
        query = (
            sa.select(i.c.service, p.c.email, log.c.accepted_ms)
            .join(n, n.c.id == log.c.notice)
            .join(i, i.c.id == n.c.incident)
            .join(p, p.c.id == log.c.person)
            .where(n.c.kind == "first", log.c.accepted_ms > 0)
        )
        found: dict[int, dict[str, int]] = {episode.number: {} for episode in drawn}
        with self.store.reading() as conn:
            for service, email, accepted_ms in conn.execute(query):
                at_ms = accepted_ms - BEGIN_MS
                for episode in drawn:
                    near = episode.onset_ms <= at_ms <= episode.onset_ms + LASTS_MS
                    if episode.service == service and near:
                        found[episode.number][email] = at_ms
        return found


def _signal(episode: Episode, remedy: Remedy) -> Signal:
    labels = Labels.of({"alertname": episode.kind.alert, "service": episode.service, "instance": "web1"})
    onset = {"beforehand_onset_ms": str(BEGIN_MS + episode.onset_ms)}
    at_ms = BEGIN_MS + episode.detected_ms
    words = {**remedy.annotations(), **onset}
    return Signal(key_of(labels), labels, words, at_ms, at_ms + LASTS_MS, at_ms)


def _over(episode: Episode, begun: Signal, now_ms: int) -> Signal:
    over_ms = BEGIN_MS + episode.over_ms
    status = Ended.FIXED if episode.healed else Healing.NONE
    remedy = Remedy(
        status,
        "restart",
        healed_ms=over_ms if episode.healed else 0,
        verified_ms=now_ms if episode.healed else 0,
    )
    words = {**begun.annotations, **remedy.annotations()}
    return Signal(
        begun.key, begun.labels, words, begun.starts_ms, over_ms, now_ms, over=True, source=begun.source
    )
