"""A notice to many is planned page by page: what happens between two pages is neither late nor lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa

from desk import schema
from desk.audience.inquiry import PAGE_PEOPLE, Inquiries
from desk.delivery import dispatch
from desk.delivery.dispatch import Idle, Pouch
from desk.delivery.tries import Answer
from desk.incident.episode import tick
from desk.notice import holding, planning
from desk.notice.holding import Human
from desk.store.backing import Backing
from desk.store.store import Store
from tests.desk import town
from tests.desk.cluster import Cluster
from tests.desk.stage import Stage, stage_on

PEOPLE = 2 * PAGE_PEOPLE + 300
HOUR_MS = 3_600_000
CATALOGUE = """\
services:
- service: checkout
  shows: ['service="checkout"']
  impact:
  - {{when: 'alertname="CheckoutDown"', impact: major, affects: uses}}
  - {{when: 'alertname="CheckoutSlow"', impact: degraded, affects: uses}}
- service: search
  impact:
  - {{when: 'alertname="SearchDown"', impact: major, affects: uses}}
customers:
- customer: acme
  uses: [checkout]
  people:
{people}
- customer: birch
  uses: [search]
  people: [{{name: Zoe, email: zoe@birch.example}}]
""".format(people="\n".join(f"  - {{name: P, email: p{n}@acme.example}}" for n in range(PEOPLE)))


@pytest.fixture
def crowd(backing: Backing) -> Iterator[Stage]:
    """A desk with more people than a page holds, on either database."""
    with stage_on(backing, CATALOGUE) as made:
        yield made


def meant(stage: Stage) -> int:
    """How many people are written down for a first notice."""
    with stage.store.reading() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(schema.audience)).scalar_one())


def plan_the_rest(stage: Stage) -> None:
    while stage.plan_page():
        pass


def look(stage: Stage, length_ms: int) -> None:
    """Let time pass, and see what it means."""
    stage.now_ms += length_ms
    stage.store.written(partial(tick, house=stage.house, now_ms=stage.now_ms))


def once_each(stage: Stage, count: int) -> bool:
    copies = Counter(message.to for message in stage.sent)
    return len(copies) == count and copies.total() == count


def test_the_first_page_is_written_to_while_most_are_still_to_be_found(crowd: Stage) -> None:
    crowd.hear(town.signal(lasts_ms=HOUR_MS))
    assert meant(crowd) == PAGE_PEOPLE
    assert len(crowd.deliver(500)) == PAGE_PEOPLE
    assert crowd.plan_page()
    assert len(crowd.deliver(500)) == PAGE_PEOPLE
    plan_the_rest(crowd)
    assert len(crowd.deliver(500)) == PEOPLE - 2 * PAGE_PEOPLE
    assert once_each(crowd, PEOPLE)
    assert not crowd.plan_page()


def test_a_desk_that_was_killed_between_two_pages_goes_on_where_it_was(crowd: Stage) -> None:
    crowd.hear(town.signal(lasts_ms=HOUR_MS))
    crowd.deliver(500)
    # What a process knew besides its store is gone.
    crowd.house = replace(crowd.house, inquiries=Inquiries())
    assert crowd.plan_page()
    crowd.house = replace(crowd.house, inquiries=Inquiries())
    plan_the_rest(crowd)
    crowd.deliver(500)
    assert once_each(crowd, PEOPLE)


def test_a_page_that_fails_is_planned_again_as_a_whole(crowd: Stage) -> None:
    crowd.hear(town.signal(lasts_ms=HOUR_MS))
    work = partial(planning.step, house=crowd.house, now_ms=crowd.now_ms)

    def stumble(conn: sa.Connection) -> None:
        assert work(conn)
        raise RuntimeError("the transaction is undone")

    with pytest.raises(RuntimeError):
        crowd.store.written(stumble)
    plan_the_rest(crowd)
    crowd.deliver(500)
    assert once_each(crowd, PEOPLE)


def test_what_is_over_between_two_pages_is_told_to_nobody_else(crowd: Stage) -> None:
    signal = town.signal(lasts_ms=HOUR_MS)
    crowd.hear(signal)
    told = set(crowd.deliver(500))
    crowd.now_ms += 60_000
    crowd.hear(town.ended(signal, crowd.now_ms))
    plan_the_rest(crowd)
    look(crowd, 60_000)
    crowd.deliver(500)
    assert {message.to for message in crowd.sent} == told
    assert len(crowd.sent) == 2 * len(told), "whoever heard of the beginning hears of the end"


def test_alerts_are_taken_and_told_of_while_a_notice_is_being_planned(crowd: Stage) -> None:
    crowd.hear(town.signal(lasts_ms=HOUR_MS))
    crowd.hear(town.signal("SearchDown", service="search", lasts_ms=HOUR_MS))
    assert "zoe@birch.example" in crowd.deliver(500)
    plan_the_rest(crowd)
    crowd.deliver(500)
    assert once_each(crowd, PEOPLE + 1)


def test_an_alert_that_joins_between_two_pages_doubles_nobody(crowd: Stage) -> None:
    crowd.hear(town.signal(lasts_ms=HOUR_MS))
    crowd.deliver(500)
    assert crowd.plan_page()
    crowd.hear(town.signal("CheckoutSlow", lasts_ms=HOUR_MS))
    plan_the_rest(crowd)
    crowd.deliver(500)
    assert once_each(crowd, PEOPLE)
    with crowd.store.reading() as conn:
        assert len(conn.execute(sa.select(schema.notice.c.id)).all()) == 1


def test_all_pages_of_a_notice_wait_for_one_word_and_go_with_it(crowd: Stage) -> None:
    crowd.hear(town.signal("CheckoutSlow", lasts_ms=HOUR_MS))
    assert crowd.plan_page()
    with crowd.store.reading() as conn:
        [held] = holding.waiting(conn)
    assert (held.people, held.needs) == (PEOPLE, 1)
    plan_the_rest(crowd)
    look(crowd, 61_000)
    assert crowd.deliver(500) == []
    release = partial(holding.release, notice=held.notice, human=Human("Eve"), count=PEOPLE)
    crowd.store.written(partial(release, now_ms=crowd.now_ms))
    look(crowd, 120_000)
    crowd.deliver(500)
    assert once_each(crowd, PEOPLE)


def test_what_is_called_back_between_two_pages_goes_no_further(crowd: Stage) -> None:
    crowd.hear(town.signal("CheckoutSlow", lasts_ms=HOUR_MS))
    with crowd.store.reading() as conn:
        [held] = holding.waiting(conn)
    crowd.store.written(partial(holding.cancel, notice=held.notice, by="Bob", now_ms=crowd.now_ms))
    plan_the_rest(crowd)
    look(crowd, 600_000)
    assert crowd.deliver(500) == []
    assert meant(crowd) == PAGE_PEOPLE


def drain(store: Store, stage: Stage, worker: str, sent: list[str]) -> None:
    """Take and answer batch after batch, as a courier of a desk does, beside others."""
    pouch = Pouch(stage.stationery)
    answers: list[Answer] = []
    work = partial(dispatch.take, worker=worker, pouch=pouch, now_ms=stage.now_ms, batch_max=100)
    while True:
        found = store.carried(partial(work, answers=answers))
        if isinstance(found, Idle):
            return
        sent += [task.errand.to for task in found]
        answers = [Answer(task.of, "accepted", "250 OK", stage.now_ms) for task in found]


@pytest.mark.needs("pg_ctlcluster")
def test_two_desks_drain_one_notice_without_a_double(server: Cluster) -> None:
    name = server.schema()
    with stage_on(server.backing(name), CATALOGUE) as stage:
        other = Store(server.backing(name))
        sent: dict[str, list[str]] = {"a": [], "b": []}
        stage.hear(town.signal(lasts_ms=HOUR_MS))
        plan_the_rest(stage)
        desks = [
            threading.Thread(target=drain, args=(store, stage, worker, sent[worker]))
            for store, worker in ((stage.store, "a"), (other, "b"))
        ]
        for one in desks:
            one.start()
        for one in desks:
            one.join(50)
        other.close()
        copies = Counter(sent["a"] + sent["b"])
        assert len(copies) == PEOPLE
        assert copies.total() == PEOPLE
        log = schema.delivery_log
        with stage.store.reading() as conn:
            accepted = sa.select(sa.func.count()).where(log.c.state == "accepted")
            assert conn.execute(accepted).scalar() == PEOPLE


@pytest.mark.needs("pg_ctlcluster")
def test_a_desk_that_writes_alone_waits_for_couriers_and_no_courier_passes_it(server: Cluster) -> None:
    name = server.schema()
    with stage_on(server.backing(name), CATALOGUE) as stage:
        begun, let_go = threading.Event(), threading.Event()

        def linger(_: sa.Connection) -> None:
            begun.set()
            assert let_go.wait(30)

        courier = threading.Thread(target=stage.store.carried, args=(linger,))
        courier.start()
        assert begun.wait(30)
        alone = stage.store.write(lambda _: "alone")
        assert not alone.done(), "the end of an incident never overlaps with a batch that is being taken"
        let_go.set()
        assert alone.result(30) == "alone"
        courier.join(30)
