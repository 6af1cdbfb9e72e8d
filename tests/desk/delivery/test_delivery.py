"""A batch is a promise that is kept message by message, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import schema
from desk.delivery import deliver, tries, underway
from desk.delivery.deliver import BATCH_MAX, BATCH_S, LOOK_S, Badge, Courier, badge, paced
from desk.delivery.dispatch import Idle, Task
from desk.delivery.progress import Progress, marks
from desk.delivery.tries import UNBEGUN, Answer
from desk.delivery.turns import LEASE_MS
from model.plugin import Deadline, Message, Undelivered
from tests.desk import town
from tests.desk.stage import Stage
from tests.desk.town import ACTING, ADA, BEN, CLEO, FIXED

EVERYBODY = [ADA, BEN, CLEO]


def taken(stage: Stage, people_max: int = 10) -> tuple[Task, ...]:
    found = stage.take(people_max)
    assert not isinstance(found, Idle)
    return found


def to(tasks: tuple[Task, ...]) -> list[str]:
    return [task.errand.to for task in tasks]


def said(stage: Stage, task: Task, state: str = "accepted") -> Answer:
    return Answer(task.of, state, "250 OK" if state == "accepted" else "", stage.now_ms)


def states(stage: Stage) -> dict[str, tuple[str, int]]:
    """What is known of each person's first notice: the state and how many tries; in hand is under way."""
    log, p = schema.delivery_log, schema.person
    with stage.store.reading() as conn:
        rows = conn.execute(sa.select(p.c.email, log.c.state, log.c.tries).join(p, p.c.id == log.c.person))
        known = {row.email: (row.state, row.tries) for row in rows}
        email = {number: address for address, number in stage.house.people.items()}
        held = underway.held_since(conn, stage.now_ms)
        return known | {email[one.person]: ("sending", one.tries) for _, batch in held for one in batch}


def heal(stage: Stage) -> None:
    stage.hear(town.ended(town.signal(remedy=ACTING), stage.now_ms, FIXED))


def test_a_batch_is_as_large_as_was_asked_and_the_rest_follows(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    batch = taken(stage, 2)
    assert to(batch) == [ADA, BEN]
    assert states(stage) == {ADA: ("sending", 1), BEN: ("sending", 1)}
    rest = stage.take(2, [said(stage, task) for task in batch])
    assert not isinstance(rest, Idle)
    assert to(rest) == [CLEO]
    assert states(stage) == {ADA: ("accepted", 1), BEN: ("accepted", 1), CLEO: ("sending", 1)}


def test_what_was_not_begun_goes_back_as_if_its_turn_had_not_come(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    first, *others = taken(stage)
    stage.settle([said(stage, first), *(said(stage, task, UNBEGUN) for task in others)])
    assert states(stage) == {ADA: ("accepted", 1)}
    again = taken(stage)
    assert again == tuple(others)


def test_what_was_not_begun_when_it_ended_is_sent_to_nobody_and_neither_is_the_end(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    first, *others = taken(stage)
    heal(stage)
    stage.settle([said(stage, first), *(said(stage, task, UNBEGUN) for task in others)])
    assert stage.deliver() == [ADA]
    assert stage.told() == {ADA}


def test_a_try_that_goes_back_keeps_its_number_and_its_doubt(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    ada, ben, cleo = taken(stage)
    stage.settle([said(stage, ada, "unknown"), said(stage, ben, "retrying"), said(stage, cleo)])
    stage.now_ms += 2_000
    batch = taken(stage)
    assert [(task.errand.to, task.of.tries) for task in batch] == [(ADA, 2), (BEN, 2)]
    stage.settle([said(stage, task, UNBEGUN) for task in batch])
    assert states(stage) == {ADA: ("unknown", 1), BEN: ("retrying", 1), CLEO: ("accepted", 1)}
    assert taken(stage) == batch
    stage.settle([said(stage, task, UNBEGUN) for task in batch])
    heal(stage)
    assert states(stage)[BEN] == ("withdrawn", 1)
    assert sorted(stage.deliver()) == [ADA, CLEO]


def test_a_whole_batch_is_in_doubt_for_whoever_takes_over_after_the_lease(stage: Stage) -> None:
    stage.hear(town.signal(lasts_ms=3_600_000, remedy=ACTING))
    batch = taken(stage, 2)
    other = partial(tries.recover, held_ms=LEASE_MS)
    stage.worker = "other"
    stage.now_ms += LEASE_MS - 1
    stage.store.written(partial(other, now_ms=stage.now_ms))
    assert isinstance(stage.take(10), Idle), "the first worker may still be at it"
    stage.now_ms += 2
    stage.store.written(partial(other, now_ms=stage.now_ms))
    assert states(stage) == {ADA: ("unknown", 1), BEN: ("unknown", 1)}
    assert stage.deliver(10) == EVERYBODY
    assert {message.id for message in stage.sent} >= {stage.message(task).id for task in batch}


def test_a_late_answer_counts_and_ends_the_doubt(stage: Stage) -> None:
    stage.hear(town.signal(lasts_ms=3_600_000, remedy=ACTING))
    ada, ben, cleo = taken(stage)
    stage.now_ms += LEASE_MS
    stage.recover()
    stage.settle([said(stage, one) for one in (ada, ben, cleo)])
    assert set(states(stage).values()) == {("accepted", 1)}
    assert stage.deliver() == []


def test_a_late_answer_to_an_earlier_try_says_nothing_of_a_later_one(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    ada, *_ = taken(stage)
    stage.recover()
    again = taken(stage, 1)
    stage.worker = "late"
    stage.settle([said(stage, ada, "failed")])
    assert to(again) == [ADA]
    assert states(stage)[ADA] == ("sending", 2)


def test_a_batch_that_its_worker_never_heard_of_goes_back(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    unheard = taken(stage, 2)
    assert taken(stage, 2) == unheard
    assert states(stage) == {ADA: ("sending", 1), BEN: ("sending", 1)}


def test_two_workers_never_have_the_same_person(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    mine = taken(stage, 1)
    stage.worker = "other"
    assert isinstance(stage.take(10), Idle), "the chunk is the first one's"
    stage.worker = "w"
    rest = stage.take(10, [said(stage, task) for task in mine])
    assert not isinstance(rest, Idle)
    assert to(mine) + to(rest) == EVERYBODY


@dataclass(slots=True)
class SlowLine:
    """A line on which each message takes its time, and some have their fate."""

    takes_s: float = 0.0
    at_s: float = 0.0
    sent: list[str] = field(default_factory=list)
    fates: dict[str, Exception] = field(default_factory=dict)

    def say(self, message: Message, deadline: Deadline) -> str:
        self.at_s += self.takes_s
        if message.to in self.fates:
            raise self.fates.pop(message.to)
        self.sent.append(message.to)
        return "250 OK"

    def close(self) -> None:
        pass


Made = Callable[[SlowLine], Courier]


@pytest.fixture
def badge_of(tmp_path: Path) -> Badge:
    return badge(tmp_path, "desk", 1)


@pytest.fixture
def courier(stage: Stage, badge_of: Badge) -> Iterator[Made]:
    made = []

    def make(line: SlowLine) -> Courier:
        monotonic = partial(getattr, line, "at_s")
        one = Courier(stage.store, line, stage.stationery, lambda: stage.now_ms, monotonic, badge_of)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def grown(courier: Courier) -> Courier:
    courier._batch_max = 8
    return courier


def test_a_batch_grows_while_mails_go_quickly_and_shrinks_where_they_do_not() -> None:
    assert paced(1, 1, 0.001) == 2
    assert paced(400, 400, 0.01) == BATCH_MAX
    assert paced(8, 3, 0.001) == 8, "a batch that nobody filled proves nothing"
    assert paced(8, 8, BATCH_S * 0.7) == 8
    assert paced(8, 2, BATCH_S) == 4
    assert paced(1, 1, 30.0) == 1


def test_a_slow_mail_server_gets_one_mail_at_a_time_and_the_rest_goes_back(
    stage: Stage, courier: Made
) -> None:
    stage.hear(town.signal(remedy=ACTING))
    line = SlowLine(takes_s=BATCH_S)
    one = grown(courier(line))
    one.step()
    assert line.sent == [ADA]
    assert states(stage)[CLEO] == ("sending", 1)
    one._settle()
    assert states(stage) == {ADA: ("accepted", 1)}
    for _ in range(4):
        one.step()
    assert line.sent == EVERYBODY


def test_a_server_that_is_away_costs_one_try_and_not_a_batch(stage: Stage, courier: Made) -> None:
    stage.hear(town.signal(remedy=ACTING))
    line = SlowLine(fates={ADA: Undelivered("nobody there", everybody=True)})
    assert grown(courier(line)).step() > 0
    assert line.sent == []
    assert states(stage) == {ADA: ("retrying", 1)}


def test_while_the_clock_was_never_set_nothing_is_sent_and_then_everything_is(
    stage: Stage, courier: Made, caplog: pytest.LogCaptureFixture
) -> None:
    stage.hear(town.signal(remedy=ACTING))
    line, right_ms = SlowLine(), stage.now_ms
    one = grown(courier(line))
    stage.now_ms = 86_400_000
    assert [one.step(), one.step()] == [LOOK_S, LOOK_S]
    assert line.sent == []
    assert [record.getMessage() for record in caplog.records] == [
        "nothing is sent: the clock of this machine was never set; set it"
    ]
    stage.now_ms = right_ms
    one.step()
    assert line.sent == EVERYBODY


def test_a_message_that_cannot_be_made_takes_no_answer_of_others_with_it(stage: Stage, courier: Made) -> None:
    stage.hear(town.signal(remedy=ACTING))
    line = SlowLine(fates={BEN: AssertionError("a bug")})
    one = grown(courier(line))
    with pytest.raises(AssertionError):
        one.step()
    one.step()
    assert line.sent == [ADA, CLEO]
    one._settle()
    assert states(stage) == {ADA: ("accepted", 1), BEN: ("unknown", 1), CLEO: ("accepted", 1)}


def resumed(stage: Stage, badge_of: Badge) -> None:
    stage.store.written(partial(deliver.resume, badges=[badge_of], now_ms=stage.now_ms))


def test_after_a_kill_only_the_mail_in_flight_is_in_doubt(stage: Stage, badge_of: Badge) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.worker = badge_of.worker
    ada, ben, cleo = taken(stage)
    progress = Progress(badge_of.file)
    progress.note(None, ada.of)
    progress.note(said(stage, ada), ben.of)
    progress.close()
    stage.now_ms += 500
    resumed(stage, badge_of)
    assert states(stage) == {ADA: ("accepted", 1), BEN: ("unknown", 1)}
    assert stage.incident()["told_ms"] == stage.now_ms - 500
    assert stage.deliver(10) == [BEN, CLEO]
    assert stage.sent[0] == stage.message(ben)
    assert stage.sent[1] == stage.message(cleo)


def test_a_file_of_the_batch_before_says_nothing_of_this_one(stage: Stage, badge_of: Badge) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.worker = badge_of.worker
    [ada] = taken(stage, 1)
    progress = Progress(badge_of.file)
    progress.note(None, ada.of)
    progress.note(said(stage, ada), None)
    progress.close()
    stage.take(10, [said(stage, ada)])
    resumed(stage, badge_of)
    assert states(stage) == {ADA: ("accepted", 1)}
    assert stage.deliver() == [BEN, CLEO]


def test_without_the_file_everything_in_hand_is_in_doubt(stage: Stage, badge_of: Badge) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.worker = badge_of.worker
    taken(stage)
    resumed(stage, badge_of)
    assert set(states(stage).values()) == {("unknown", 1)}
    assert stage.deliver() == EVERYBODY


def test_a_record_that_was_cut_off_or_is_none_says_nothing(stage: Stage, badge_of: Badge) -> None:
    stage.hear(town.signal(remedy=ACTING))
    ada, ben, _ = taken(stage)
    progress = Progress(badge_of.file)
    progress.note(None, ada.of)
    progress.note(said(stage, ada), ben.of)
    progress.close()
    whole = badge_of.file.read_bytes()
    key_of_ada, key_of_ben = ada.of.key, ben.of.key
    for cut in range(len(whole)):
        badge_of.file.write_bytes(whole[:cut])
        found = marks(badge_of.file)
        assert found is not None
        assert set(found) <= {key_of_ada, key_of_ben}
    badge_of.file.write_bytes(whole + b"\0" * 4096)
    assert marks(badge_of.file) == {key_of_ada: ("accepted", stage.now_ms), key_of_ben: ("", 0)}
