"""The store writes on one thread, in groups, and says done only when it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from desk import schema
from desk.store.backing import in_file
from desk.store.bulk import straight
from desk.store.store import Closed, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(in_file(tmp_path / "desk.sqlite"))
    yield opened
    opened.close()


def put(key: str) -> sa.Insert:
    return schema.meta.insert().values(key=key, value="x")


def write(conn: Connection, key: str) -> int:
    return conn.execute(put(key)).rowcount


def keys(store: Store) -> set[str]:
    with store.reading() as conn:
        return {row.key for row in conn.execute(sa.select(schema.meta.c.key))} - {"version"}


def test_what_was_promised_is_there(store: Store) -> None:
    futures = [store.write(partial(write, key=f"k{n}")) for n in range(500)]
    assert {future.result(10) for future in futures} == {1}
    assert len(keys(store)) == 500


def test_a_mistake_is_its_callers_and_not_its_neighbours(store: Store) -> None:
    gate = threading.Event()

    def wait(_: Connection) -> None:
        gate.wait(5)

    def wrong(conn: Connection) -> None:
        conn.execute(put("wrong"))
        raise ValueError("oops")

    store.write(wait)
    before, bad, after = (
        store.write(lambda c: c.execute(put("a"))),
        store.write(wrong),
        store.write(lambda c: c.execute(put("b"))),
    )
    gate.set()
    before.result(5)
    after.result(5)
    with pytest.raises(ValueError, match="oops"):
        bad.result(5)
    assert keys(store) == {"a", "b"}


def test_a_mistake_that_is_alone_leaves_nothing_behind(store: Store) -> None:
    def wrong(conn: Connection) -> None:
        conn.execute(put("wrong"))
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        store.written(wrong)
    store.written(lambda conn: conn.execute(put("right")))
    assert keys(store) == {"right"}


def test_after_a_commit_that_failed_the_next_is_durable_and_nothing_of_the_first_is(store: Store) -> None:
    def wreck(conn: Connection) -> None:
        """Leave behind what the database refuses only when all is to become durable."""
        conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        conn.execute(put("wrecked"))
        conn.execute(schema.doubt.insert().values(alert="nobody's", service="checkout"))

    for round_ in range(3):
        with pytest.raises(IntegrityError):
            store.written(wreck)
        store.written(partial(write, key=f"right{round_}"))
    assert keys(store) == {"right0", "right1", "right2"}


def test_what_is_written_straight_is_rolled_back_and_refused_as_anything_else(store: Store) -> None:
    def twice(conn: Connection) -> None:
        for _ in range(2):
            straight(conn, "INSERT INTO meta (key, value) VALUES (?, ?)", ("wrong", "x"))

    with pytest.raises(IntegrityError, match="UNIQUE"):
        store.written(twice)
    store.written(partial(write, key="right"))
    assert keys(store) == {"right"}


def test_what_comes_then_is_called_where_it_was_written_before_the_next_is(store: Store) -> None:
    heard: list[tuple[str, int]] = []

    def note(name: str) -> None:
        heard.append((name, threading.get_ident()))

    first = store.write(lambda _: note("first"), lambda _: note("then"))
    store.written(lambda _: note("next"))
    first.result(5)
    names, threads = zip(*heard, strict=True)
    # In one group both are written, and then it is told.
    assert names in (("first", "then", "next"), ("first", "next", "then"))
    assert len(set(threads)) == 1


def test_a_request_that_was_given_up_is_not_begun(store: Store) -> None:
    gate = threading.Event()
    store.write(lambda _: gate.wait(5))
    given_up = store.write(lambda conn: conn.execute(put("never")))
    assert given_up.cancel()
    gate.set()
    store.written(lambda conn: conn.execute(put("later")))
    assert keys(store) == {"later"}


def test_readers_cannot_write(store: Store) -> None:
    with store.reading() as conn, pytest.raises(OperationalError):
        conn.execute(put("x"))


def test_the_file_is_written_ahead_and_synced(tmp_path: Path, store: Store) -> None:
    assert store.written(lambda conn: conn.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal"
    assert store.written(lambda conn: conn.exec_driver_sql("PRAGMA synchronous").scalar()) == 2
    assert store.written(lambda conn: conn.exec_driver_sql("PRAGMA foreign_keys").scalar()) == 1


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = Store(in_file(tmp_path / "desk.sqlite"))
    store.close()
    with pytest.raises(Closed):
        store.written(lambda conn: None)


def test_two_open_incidents_of_one_service_cannot_be(store: Store) -> None:
    def opened(conn: Connection) -> None:
        for ref in ("a", "b"):
            conn.execute(schema.incident.insert().values(ref=ref, service="checkout"))

    with pytest.raises(sa.exc.IntegrityError):
        store.written(opened)
