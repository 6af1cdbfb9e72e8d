"""What only a server can do: several desks on it, its own death, and its absence."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from desk import schema
from desk.main import EX_UNAVAILABLE
from desk.store.backing import Unready, on_server
from desk.store.database import Database
from desk.store.store import Store
from tests.desk import serving, town
from tests.desk.cluster import Cluster, cluster
from tests.desk.post import Post, post_office
from tests.desk.serving import Serving, alert, until
from tests.desk.stage import stage_on
from tests.desk.town import ACTING

pytestmark = pytest.mark.needs("pg_ctlcluster")


@pytest.fixture
def stores(server: Cluster) -> Iterator[tuple[Store, Store]]:
    """Two desks' stores on one database."""
    name = server.schema()
    pair = Store(server.backing(name)), Store(server.backing(name))
    yield pair
    for one in pair:
        one.close()


@pytest.fixture
def own_server() -> Iterator[Cluster]:
    """A server that a test may kill."""
    with cluster() as found:
        yield found


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as found:
        yield found


def add(conn: Connection, key: str) -> None:
    conn.execute(schema.meta.insert().values(key=key, value="x"))


def keys(store: Store) -> set[str]:
    with store.reading() as conn:
        return {row.key for row in conn.execute(sa.select(schema.meta.c.key))} - {"version", "secret"}


def raised(conn: Connection) -> int:
    """Count up as somebody would who reads before he writes."""
    table = schema.meta
    row = conn.execute(sa.select(table.c.value).where(table.c.key == "count")).first()
    if row is None:
        conn.execute(table.insert().values(key="count", value="1"))
        return 1
    conn.execute(sa.update(table).where(table.c.key == "count").values(value=str(int(row.value) + 1)))
    return int(row.value) + 1


def test_two_desks_that_write_at_once_never_overlook_each_other(stores: tuple[Store, Store]) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: stores[n % 2].written(raised), range(200)))
    assert sorted(found) == list(range(1, 201))


def test_whoever_reads_cannot_write(stores: tuple[Store, Store]) -> None:
    with stores[0].reading() as conn, pytest.raises(SQLAlchemyError, match="read-only"):
        add(conn, "never")


def test_what_was_promised_outlives_the_death_of_the_server(own_server: Cluster) -> None:
    name = own_server.schema()
    store = Store(own_server.backing(name))
    for number in range(200):
        store.written(partial(add, key=f"k{number}"))
    own_server.crash()
    with pytest.raises(SQLAlchemyError):
        store.written(partial(add, key="lost"))
    own_server.start()
    store.written(partial(add, key="again"))
    assert keys(store) == {"again", *(f"k{number}" for number in range(200))}
    store.close()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(Unready, match="cannot be used") as caught:
        Store(on_server(Database.parse("postgresql://d@127.0.0.1:9/d"), "secret"))
    assert "secret" not in str(caught.value)


def test_a_desk_without_its_database_says_so_and_ends(tmp_path: Path) -> None:
    more = "database: postgresql://d@127.0.0.1:9/d\n"
    process = serving.launch(town.write(tmp_path, more), tmp_path / "state")
    _, errors = process.communicate(timeout=40)
    assert process.returncode == EX_UNAVAILABLE
    assert "the database cannot be used" in errors
    assert "Traceback" not in errors


def test_one_incident_however_many_desks_hear_of_it(server: Cluster) -> None:
    name = server.schema()
    with ExitStack() as stack:
        stages = [stack.enter_context(stage_on(server.backing(name))) for _ in range(3)]
        for number, one in enumerate(stages):
            one.worker = f"desk-{number}"
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda one: one.hear(town.signal(remedy=ACTING)), stages))
            list(pool.map(lambda one: one.deliver(), stages))
        assert len(stages[0].incidents()) == 1
        told = sorted(message.to for one in stages for message in one.sent)
        assert told == sorted({town.ADA, town.BEN, town.CLEO})


def test_two_desks_share_the_work_and_one_goes_on_when_the_other_is_killed(
    server: Cluster, post: Post, tmp_path: Path
) -> None:
    smtp = f'smtp: {{host: 127.0.0.1, port: {post.port}, from: "Example Shop <status@shop.example>"}}\n'
    more = f"{smtp}database: {server.address(server.schema())}\n"
    first = Serving(town.write(tmp_path / "one", more), tmp_path / "one" / "state")
    second = Serving(town.write(tmp_path / "two", more), tmp_path / "two" / "state")
    with first, second:
        assert [desk.post([alert()]).status for desk in (first, second)] == [200, 200]
        post.wait(lambda: len(post.mails) == 3)
        assert {one["id"] for one in first.incidents()} == {one["id"] for one in second.incidents()}
        first.kill()
        assert second.post([alert(over=True, remedy="fixed")]).status == 200
        post.wait(lambda: len(post.mails) >= 6)
        until(lambda: second.incidents()[0]["state"] == "resolved", "the end is told")
        assert len({mail.id for mail in post.mails}) == 6
        assert second.ask("/", public=True).status == 200
