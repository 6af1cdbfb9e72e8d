"""What follows a first notice goes to exactly those who were told before it, whatever else happens."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pytest
import sqlalchemy as sa

from desk import schema
from desk.delivery import outbox, sequel
from desk.delivery.dispatch import Idle
from desk.delivery.outbox import CHUNK_PEOPLE, TOLD
from desk.delivery.sequel import ENDS, Heard
from desk.delivery.tries import Answer
from desk.incident import course, records
from desk.incident.decision import Ended
from desk.incident.incident import Incident
from desk.notice import telling
from desk.notice.compose import Kind
from desk.notice.telling import Word
from desk.store.backing import Backing
from tests.desk import town
from tests.desk.stage import Stage, stage_on

PEOPLE = 12
HISTORIES = 8
HOUR_MS = 3_600_000
CATALOGUE = """\
services:
- service: checkout
  shows: ['service="checkout"']
  impact:
  - {{when: 'alertname="CheckoutDown"', impact: major, affects: uses}}
customers:
- customer: acme
  uses: [checkout]
  people:
{people}
"""


def crowded(count: int, more: str = "") -> str:
    return CATALOGUE.format(
        people="\n".join(f"  - {{name: P, email: p{n}@acme.example{more}}}" for n in range(count))
    )


def incident_of(stage: Stage) -> Incident:
    with stage.store.reading() as conn:
        row = conn.execute(records.incident_rows()).one()
        return records.with_alerts(conn, [row])[0]


def told_now(conn: sa.Connection, incident: int, heard: Heard) -> set[int]:
    """Who is meant, by a list of everybody: what the chunks and verdicts must come to."""
    people = set(outbox.told_people(conn, incident))
    n, log = schema.notice, schema.delivery_log
    rows = conn.execute(
        sa.select(log.c.person, n.c.number, n.c.kind)
        .join(n, n.c.id == log.c.notice)
        .where(n.c.incident == incident, log.c.state.in_(TOLD))
        .order_by(n.c.number)
    )
    last = {row.person: row.kind for row in rows}
    ended = {person for person in people if last.get(person) in ENDS}
    return {Heard.ALL: people, Heard.END: ended, Heard.OPEN: people - ended}[heard]


class History:
    """One incident with news at random moments, while its messages go out a few at a time."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.meant: dict[int, set[int]] = {}
        self.got: Counter[tuple[int, int]] = Counter()
        self.hand: tuple[Answer, ...] = ()

    def say(self, kind: Kind, heard: Heard) -> None:
        """Plan a notice, and list who is meant."""
        incident = incident_of(self.stage)
        if any(one.state == "unbegun" for one in self.hand):
            self.stage.settle(self.hand)
            self.hand = ()
        refused = {one.of.person for one in self.hand if one.state == "retrying"}

        def work(conn: sa.Connection) -> tuple[int, set[int]]:
            if kind == "reopened":
                outbox.withdraw(conn, incident.id, "it is back", ("resolved",))
            meant = told_now(conn, incident.id, heard)
            assert sequel.anybody(conn, incident.id, heard) == bool(meant)
            number = outbox.next_number(conn, incident.id)
            word = Word(kind, number, heard)
            telling.tell_told(conn, self.stage.house, incident, word, self.stage.now_ms)
            return number, meant

        number, meant = self.stage.store.written(work)
        self.meant[number] = meant - refused

    def carry(self, batch_max: int) -> bool:
        """Answer what is in hand and take more, some of which a mail server refuses or leaves in doubt."""
        found = self.stage.take(batch_max, self.hand)
        self.hand = ()
        if isinstance(found, Idle):
            return False
        answers = []
        for task in found:
            state = self.random.choice(("accepted", "accepted", "accepted", "retrying", "unbegun"))
            first = task.of.tries == 1 and not task.errand.root
            if first and state == "accepted":
                self.got[task.errand.number, task.of.person] += 1
            if not task.errand.root and state == "retrying":
                state = "accepted"
                self.got[task.errand.number, task.of.person] += 1
            answers.append(Answer(task.of, state, "", self.stage.now_ms))
        self.hand = tuple(answers)
        return True


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_random_histories_come_to_what_lists_of_people_would(backing: Backing, seed: int) -> None:
    with stage_on(backing, crowded(PEOPLE)) as stage:
        stage.hear(town.signal(lasts_ms=HOUR_MS))
        history = History(stage, seed)
        news: tuple[tuple[Kind, Heard], ...] = (
            ("update", Heard.ALL),
            ("unstable", Heard.ALL),
            ("resolved", Heard.OPEN),
            ("reopened", Heard.END),
        )
        for _ in range(12):
            stage.now_ms += 1_000
            for _ in range(history.random.randrange(3)):
                history.carry(history.random.randrange(1, 5))
            if history.random.random() < 0.5:
                history.say(*history.random.choice(news))
        for _ in range(40):
            stage.now_ms += 60_000
            history.carry(10)
        got: dict[int, set[int]] = {number: set() for number in history.meant}
        for number, person in history.got:
            got[number].add(person)
        assert max(history.got.values(), default=1) == 1
        for number, meant in history.meant.items():
            assert got[number] <= meant, "nobody hears of it who was not told before"
        with stage.store.reading() as conn:
            n = schema.notice
            rows = conn.execute(sa.select(n.c.number, n.c.state)).all()
        for number in (row.number for row in rows if row.state == "queued" and row.number in got):
            assert got[number] == history.meant[number]


def test_many_hear_of_the_end_in_chunks_that_are_cut_at_once(backing: Backing) -> None:
    people = 2 * CHUNK_PEOPLE + 100
    with stage_on(backing, crowded(people)) as stage:
        signal = town.signal(lasts_ms=HOUR_MS)
        stage.hear(signal)
        while stage.plan_page():
            pass
        told: set[str] = set()
        for _ in range(5):
            told |= _take_and_answer(stage, 300)
        found = stage.take(300)
        assert not isinstance(found, Idle)
        in_hand = {task.errand.to for task in found}
        stage.now_ms += 60_000
        stage.hear(town.ended(signal, stage.now_ms))
        # The desk ends and begins again while the last messages of the beginning are still in doubt.
        stage.recover()
        ends = Counter(to for to in stage.deliver(500) if to not in in_hand)
        assert set(ends) == told
        assert set(ends.values()) == {1}


def _take_and_answer(stage: Stage, count: int) -> set[str]:
    found = stage.take(count)
    assert not isinstance(found, Idle)
    stage.settle([Answer(task.of, "accepted", "", stage.now_ms) for task in found])
    return {task.errand.to for task in found}


def test_an_end_that_is_undone_midway_is_decided_again_as_a_whole(backing: Backing) -> None:
    with stage_on(backing, crowded(PEOPLE)) as stage:
        stage.hear(town.signal(lasts_ms=HOUR_MS))
        assert len(stage.deliver()) == PEOPLE
        incident = incident_of(stage)
        decided = Ended(incident, incident.timeline, False, "it is over")
        end = partial(course.end, house=stage.house, decision=decided, now_ms=stage.now_ms)

        def stumble(conn: sa.Connection) -> None:
            end(conn)
            raise RuntimeError("the transaction is undone")

        with pytest.raises(RuntimeError):
            stage.store.written(stumble)
        assert stage.deliver() == []
        stage.store.written(end)
        assert len(stage.deliver()) == PEOPLE


def test_whoever_is_told_after_an_update_was_decided_does_not_get_it(backing: Backing) -> None:
    with stage_on(backing, crowded(3)) as stage:
        stage.hear(town.signal(lasts_ms=HOUR_MS))
        found = stage.take(3)
        assert not isinstance(found, Idle)
        low, between, high = (task.of for task in found)
        states = ((low, "accepted"), (between, "retrying"), (high, "accepted"))
        stage.settle([Answer(one, state, "", stage.now_ms) for one, state in states])
        history = History(stage, 0)
        history.say("update", Heard.ALL)
        stage.now_ms += 10_000
        stage.deliver()
        copies = Counter(message.to for message in stage.sent)
        assert sorted(copies.values()) == [1, 1, 1], "one had the beginning late, two had the update"


def test_a_summary_for_many_is_noted_page_by_page(backing: Backing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desk.notice.digest.PEOPLE_AT_ONCE", 5)
    with stage_on(backing, crowded(PEOPLE, ", digest: daily")) as stage:
        signal = town.signal(lasts_ms=HOUR_MS)
        stage.hear(signal)
        stage.now_ms += 1_000
        stage.hear(town.ended(signal, stage.now_ms))
        assert _noted(stage) == 5
        assert stage.plan_page()
        assert _noted(stage) == 10
        while stage.plan_page():
            pass
        assert _noted(stage) == PEOPLE


def _noted(stage: Stage) -> int:
    with stage.store.reading() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(schema.digest_line)).scalar_one())
