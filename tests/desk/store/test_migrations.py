from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from desk import migrations, schema
from desk.migrations import revision
from desk.store.backing import Backing, in_file
from desk.store.store import Store, TooNew
from tests.desk.cluster import Cluster
from tests.desk.conftest import BACKINGS

STEPS = range(1, schema.VERSION + 1)


@pytest.fixture(params=BACKINGS)
def backing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backing]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        made = in_file(tmp_path / "desk.sqlite")
    else:
        found: Cluster = request.getfixturevalue("server")
        made = found.backing(found.schema())
    yield made
    made.close()


def stepped(conn: Connection, to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tables as a store of this version had them."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "VERSION", to)
        migrations.upgrade(conn, 0)
    conn.execute(schema.meta.insert().values(key="version", value=str(to)))


def is_made_on(conn: Connection) -> Callable[..., bool]:
    """Tell of what the tables declare whether this kind of database has it."""
    unchecked = {"delivery_log", "audience", "ledger"} if conn.dialect.name == "postgresql" else set()

    def wanted(one: object, _name: str, kind: str, *_: object) -> bool:
        if not isinstance(one, sa.ForeignKeyConstraint):
            return True
        found = sa.inspect(conn).get_foreign_keys(one.table.name)
        assert kind == "foreign_key_constraint"
        assert not (found and one.table.name in unchecked), "nobody asks for each row of a large table"
        return one.table.name not in unchecked

    return wanted


def test_each_version_has_its_step() -> None:
    found = sorted(path.stem for path in (migrations.SCRIPTS / "versions").glob("v*.py"))
    assert found == [f"v{revision(version)}" for version in STEPS]


def test_all_steps_together_make_the_tables_of_a_new_store(
    backing: Backing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backing.writer.connect() as conn, conn.begin():
        stepped(conn, schema.VERSION, monkeypatch)
        context = MigrationContext.configure(conn, opts={"include_object": is_made_on(conn)})
        assert compare_metadata(context, schema.metadata) == []


@pytest.mark.parametrize("version", STEPS)
def test_a_store_of_each_version_comes_to_this_one_and_keeps_its_rows(
    backing: Backing, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backing.writer.connect() as conn, conn.begin():
        stepped(conn, version, monkeypatch)
        conn.execute(schema.agent.insert().values(instance="web1", heard_ms=5))
    store = Store(backing)
    with store.reading() as conn:
        assert conn.execute(sa.select(schema.agent.c.heard_ms)).scalar() == 5
        assert conn.execute(sa.select(schema.alembic_version.c.version_num)).all() == [
            (revision(schema.VERSION),)
        ]
        for table in schema.metadata.sorted_tables:
            conn.execute(sa.select(table).limit(1))
    store.close()


def test_a_store_of_a_later_version_is_not_touched(backing: Backing) -> None:
    Store(backing).close()
    with backing.writer.connect() as conn, conn.begin():
        conn.execute(sa.update(schema.meta).where(schema.meta.c.key == "version").values(value="999"))
    with pytest.raises(TooNew, match="999"):
        Store(backing)
