"""What is known of the store spares it a look, and changes nothing of what a report means."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from desk import schema
from desk.incident.episode import receive, tick
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from desk.intake.merging import is_news, merge, outlasts, same_episode
from desk.intake.standing import Standing, Stood, form_of
from desk.store.backing import Backing, in_file
from model.labels import Labels
from tests.desk import town
from tests.desk.cluster import Cluster
from tests.desk.conftest import BACKINGS
from tests.desk.posting import Tree, Wicket, stamp
from tests.desk.stage import Stage, stage_on
from tests.desk.town import NOW_MS

STEPS = 40


def known(*signals: Signal, alerts_max: int = 10) -> Standing:
    standing = Standing(alerts_max)
    standing.settle(standing.expect(signals, NOW_MS))
    return standing


MOMENT_MS = st.integers(-400_000, 400_000)


@given(MOMENT_MS, MOMENT_MS, MOMENT_MS, st.integers(1, 400_000), st.booleans())
def test_what_goes_on_is_exactly_what_would_not_be_written(
    since_ms: int, begins_ms: int, ends_ms: int, left_ms: int, guessed: bool
) -> None:
    old = town.signal(at_ms=NOW_MS + min(0, since_ms), lasts_ms=0)
    old = replace(old, ends_ms=NOW_MS + left_ms, guessed=guessed)
    starts_ms = NOW_MS + min(0, begins_ms, ends_ms)
    over = ends_ms <= 0
    new = replace(old, starts_ms=starts_ms, ends_ms=NOW_MS + ends_ms, over=over, guessed=False)
    merged = merge(old, new, NOW_MS)
    news = not same_episode(old, new) or is_news(old, merged)
    written = news or outlasts(old.ends_ms, merged.ends_ms, NOW_MS)
    stood = Stood(b"", old.starts_ms, old.ends_ms, old.guessed)
    assert stood.goes_on(new.starts_ms, new.ends_ms, NOW_MS) == (not over and not written)


def test_what_has_ended_meanwhile_does_not_go_on() -> None:
    assert not Stood(b"", NOW_MS - 9_000, NOW_MS, guessed=False).goes_on(NOW_MS - 9_000, NOW_MS + 9, NOW_MS)


def test_only_what_is_durable_is_known() -> None:
    one = town.signal()
    standing = Standing(10)
    expected = standing.expect([one], NOW_MS)
    assert standing.find(one.key) is None
    standing.settle(expected)
    assert standing.find(one.key) == expected[one.key]


def test_what_is_written_over_in_the_same_transaction_is_not_known() -> None:
    one = town.signal()
    standing = Standing(10)
    expected = standing.expect([one], NOW_MS)
    standing.forget([one])
    standing.settle(expected)
    assert standing.find(one.key) is None


def test_of_a_transaction_that_failed_nothing_is_known() -> None:
    one = town.signal()
    standing = Standing(10)
    expected = standing.expect([one], NOW_MS)
    standing.give_up()
    standing.settle(expected)
    assert standing.find(one.key) is None


def test_an_end_and_an_agents_word_that_it_lives_are_never_known() -> None:
    ended, watchdog = town.ended(town.signal(), NOW_MS), town.signal("Watchdog")
    assert len(known(ended, watchdog)) == 0


def test_there_is_room_for_so_many_and_who_was_known_longest_gives_way() -> None:
    signals = [town.signal(instance=f"web{n}") for n in range(25)]
    standing = Standing(20)
    for one in signals:
        standing.settle(standing.expect([one], NOW_MS))
    assert len(standing) <= 20
    assert standing.find(signals[0].key) is None
    assert standing.find(signals[-1].key) is not None


def test_words_in_another_order_are_another_form_at_most_and_other_words_always() -> None:
    assert form_of({"a": "b"}, "c") == form_of({"a": "b"}, "c")
    assert form_of({"a": "b"}, "c") != form_of({"a": "b", "c": ""}, "")
    assert form_of({"a": "b"}, "c") != form_of({"a": "bc"}, "")


@pytest.fixture(params=BACKINGS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, Stage]]:
    """Two desks on databases of one kind; the second knows nothing by heart."""
    backings: list[Backing] = []
    if request.param == "sqlite":
        backings = [in_file(tmp_path / name) for name in ("a.sqlite", "b.sqlite")]
    else:
        server: Cluster = request.getfixturevalue("server")
        backings = [server.backing(server.schema()) for _ in range(2)]
    with ExitStack() as ends:
        one, other = (ends.enter_context(stage_on(backing)) for backing in backings)
        other.house = replace(other.house, standing=Standing(0))
        yield one, other


def alert(dice: random.Random, now_ms: int) -> Tree:
    """Return one of few alerts, with any of few words and times."""
    name = dice.choice(["CheckoutDown", "CheckoutDown", "CheckoutSlow", "Watchdog"])
    words: list[Tree] = [
        {"notice": "n", "b": "c"},
        {"b": "c", "notice": "n"},
        {"notice": "m"},
        {"notice": ""},
    ]
    found: Tree = {
        "labels": {"alertname": name, "service": "checkout", "instance": dice.choice(["web1", "web2"])},
        "annotations": dice.choice([*words[:1] * 8, *words]),
    }
    starts_ms = dice.choice([NOW_MS] * 8 + [NOW_MS - 60_000, now_ms - 1_000, now_ms + 5_000, 0])
    ends_ms = now_ms + dice.choice([240_000] * 8 + [15_000, 60_000, 600_000, -500, 0])
    if starts_ms:
        found["startsAt"] = stamp(starts_ms)
    if dice.random() < 0.9:
        found["endsAt"] = stamp(ends_ms)
    if dice.random() < 0.05:
        found["generatorURL"] = "http://prometheus.example/"
    return found


def rows(stage: Stage) -> list[tuple[object, ...]]:
    """Return everything that is told apart by reports: the alerts, and the incidents with their states."""
    table, incident = schema.alert, schema.incident
    with stage.store.reading() as conn:
        alerts = conn.execute(sa.select(table).order_by(table.c.key)).all()
        opened = sa.select(incident.c.service, incident.c.state, incident.c.opened_ms, incident.c.resolved_ms)
        return [tuple(one) for one in (*alerts, *conn.execute(opened.order_by(incident.c.id)).all())]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_posted_the_store_is_the_same_with_and_without_it(
    pair: tuple[Stage, Stage], seed: int
) -> None:
    dice = random.Random(seed)

    async def play() -> tuple[int, int]:
        wickets = [Wicket(stage) for stage in pair]
        for _ in range(STEPS):
            step_ms = dice.choice([0, 1_000, 15_000, 15_000, 60_000, 200_000])
            body = [alert(dice, pair[0].now_ms + step_ms) for _ in range(dice.choice([1, 1, 1, 3]))]
            for stage, wicket in zip(pair, wickets, strict=True):
                stage.now_ms += step_ms
                if step_ms == 200_000:
                    stage.store.written(partial(tick, house=stage.house, now_ms=stage.now_ms))
                await wicket.post(body)
            assert rows(pair[0]) == rows(pair[1])
        return len(wickets[0].outcomes), len(wickets[1].outcomes)

    spared, all_of_them = asyncio.run(play())
    assert spared < all_of_them


def test_what_time_alone_writes_is_forgotten_before(stage: Stage) -> None:
    one = town.signal(lasts_ms=600_000)

    async def play() -> None:
        wicket = Wicket(stage)
        post = {"labels": dict(one.labels.pairs), "annotations": dict(one.annotations)}
        times = {"startsAt": stamp(NOW_MS), "endsAt": stamp(NOW_MS + 600_000)}
        assert await wicket.post([{**post, **times}]) == 200
        assert stage.house.standing.find(one.key) is not None
        over = town.ended(one, NOW_MS + 5_000)
        stage.now_ms += 5_000
        stage.store.written(partial(receive, house=stage.house, signals=[over], now_ms=stage.now_ms))
        assert stage.house.standing.find(one.key) is None
        assert await wicket.post([{**post, **times}]) == 200

    asyncio.run(play())
    assert [row[-1] for row in rows(stage)[:1]] == [False]


def firing(name: str, now_ms: int = NOW_MS, **more: object) -> Tree:
    labels = {"alertname": name, "instance": "web1"}
    return {"labels": labels, "startsAt": stamp(now_ms), "endsAt": stamp(now_ms + 240_000), **more}


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Stage]:
    """A desk whose database takes no alert from one source."""
    with stage_on(in_file(tmp_path / "desk.sqlite")) as made:
        refusal = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        trigger = f"CREATE TRIGGER full BEFORE INSERT ON alert WHEN NEW.source = 'bad' {refusal}"
        made.store.written(lambda conn: conn.exec_driver_sql(trigger) and None)
        yield made


def test_who_cannot_be_taken_is_told_so_alone_and_is_not_known(fragile: Stage) -> None:
    async def play() -> list[int | BaseException]:
        wicket = Wicket(fragile)
        posts = [wicket.post([firing("A")]), wicket.post([firing("B", generatorURL="bad")])]
        return await asyncio.gather(*posts, wicket.post([firing("C")]), return_exceptions=True)

    first, wrong, last = asyncio.run(play())
    assert (first, last) == (200, 200)
    assert isinstance(wrong, DatabaseError)
    keys = {row[0] for row in rows(fragile)}
    assert len(keys) == 2
    bad = key_of(Labels.of(alertname="B", instance="web1"))
    assert bad not in keys
    assert fragile.house.standing.find(bad) is None


def test_when_nothing_becomes_durable_nobody_is_answered_and_nothing_is_known(fragile: Stage) -> None:
    gate = threading.Event()

    def wreck(conn: Connection) -> None:
        """Leave behind what the database refuses only when all is to become durable."""
        conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        conn.execute(schema.doubt.insert().values(alert="nobody's", service="checkout"))

    async def play() -> None:
        wicket = Wicket(fragile)
        fragile.store.write(lambda _: gate.wait(10))
        post = asyncio.create_task(wicket.post([firing("A")]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wrecked = fragile.store.write(wreck)
        gate.set()
        with pytest.raises(DatabaseError):
            await post
        with pytest.raises(DatabaseError):
            wrecked.result(10)
        assert len(fragile.house.standing) == 0
        assert rows(fragile) == []
        assert await wicket.post([firing("A")]) == 200
        assert len(fragile.house.standing) == 1

    asyncio.run(play())


def test_two_words_of_one_body_on_one_alert_count_together(stage: Stage) -> None:
    async def play() -> None:
        wicket = Wicket(stage)
        one = firing("A")
        over = {**one, "endsAt": stamp(NOW_MS + 1)}
        assert await wicket.post([one]) == 200
        stage.now_ms += 2
        assert await wicket.post([over, one]) == 200
        assert rows(stage)[0][-1] is False
        assert await wicket.post([one, over]) == 200
        assert rows(stage)[0][-1] is True

    asyncio.run(play())


def test_a_repetition_is_not_written(stage: Stage) -> None:
    async def play() -> int:
        wicket = Wicket(stage)
        for _ in range(10):
            assert await wicket.post([firing("A"), firing("B")]) == 200
        return len(wicket.outcomes)

    assert asyncio.run(play()) == 1
