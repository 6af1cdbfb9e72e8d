"""The desk's store: one thread writes, in groups that share a commit; readers never write.

Several functions that wait together become one transaction: each has a savepoint of its
own, and none is told of success before the commit that makes it durable.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from desk import migrations, schema
from desk.store.backing import Backing, Unready

GROUP_MAX: Final = 256
QUEUE_MAX: Final = 10_000
WAIT_S: Final = 30.0
_COURIERS: Final = 0x626669  # any number that is not the writers'

Result = TypeVar("Result")


class TooNew(Exception):
    """The store was written by a later version and is not touched."""


class Closed(Exception):
    """The store takes no more writes."""


@dataclass(frozen=True, slots=True)
class _Job(Generic[Result]):
    """A function that waits for its turn, and the promise of its result."""

    write: Callable[[Connection], Result]
    promise: Future[Result]


class _Caught:
    """Keeps what a function raised: its mistake is its caller's, and not its neighbours' in the group."""

    def __init__(self) -> None:
        self.wrong: BaseException | None = None

    def __enter__(self) -> _Caught:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.wrong = wrong
        return wrong is not None


class Store:
    """The tables of the desk; ``write`` is the only way to change them."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue(QUEUE_MAX)
        self._closing = threading.Event()
        self._held: Connection | None = None  # of the writing thread
        try:
            with backing.writer.connect() as conn:
                _prepare(conn, backing.alone)
        except OperationalError as wrong:
            backing.close()
            raise Unready(f"the database cannot be used: {_first_line(wrong)}") from None
        self._thread = threading.Thread(target=self._work, name="desk-writer", daemon=True)
        self._thread.start()

    def write(
        self, write: Callable[[Connection], Result], *then: Callable[[Future[Result]], None]
    ) -> Future[Result]:
        """Run a function in the next group; the future holds its result once that is durable.

        What comes ``then`` is called with it on the writing thread, before anything else is written.
        """
        promise: Future[Result] = Future()
        for each in then:
            promise.add_done_callback(each)
        if self._closing.is_set():
            promise.set_exception(Closed("the store is closed"))
        else:
            self._jobs.put(_Job(write, promise), timeout=WAIT_S)
        return promise

    def written(self, write: Callable[[Connection], Result]) -> Result:
        """Run a function and wait until its result is durable."""
        return self.write(write).result(timeout=WAIT_S)

    def carried(self, write: Callable[[Connection], Result]) -> Result:
        """Run a function of a courier and return its result once that is durable, however long it takes.

        Where the database allows it, couriers write beside each other and never beside ``write``: each row
        that they change is one that no other courier has, or one that they lock first.
        """
        couriers = self._backing.couriers
        if couriers is None:
            # Who stopped waiting here would leave a batch that nobody sends.
            return self.write(write).result()
        if self._closing.is_set():
            raise Closed("the store is closed")
        with couriers.connect() as conn, conn.begin():
            self._backing.together(conn)
            return write(conn)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one moment of the store and cannot write."""
        with self._backing.readers.connect() as conn, conn.begin():
            yield conn

    @property
    def shared(self) -> bool:
        """Whether other desks may write to the same tables."""
        return self._backing.shared

    def close(self) -> None:
        """Finish what waits, then close every connection."""
        self._closing.set()
        self._jobs.put(None)
        self._thread.join()
        self._backing.close()

    def _work(self) -> None:
        while group := self._next_group():
            self._run(group)
        if self._held is not None:
            self._held.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Give a connection in a transaction in which nobody else writes."""
        # One that nobody else can end is held as long as all goes well: to fetch it takes a while.
        conn = self._held or self._backing.writer.connect()
        self._held = None
        try:
            with conn.begin():
                self._backing.alone(conn)
                yield conn
            if not self._backing.shared:
                self._held = conn
        finally:
            # Given back, it is rolled back whatever went wrong, and one that a server ended is replaced.
            if self._held is None:
                conn.close()

    def _next_group(self) -> list[_Job[Any]]:
        """Wait for one job and take whatever waits behind it; nothing means that the store closes."""
        group: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) == GROUP_MAX:
                return group
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._jobs.put(None)
        return group

    def _run(self, group: list[_Job[Any]]) -> None:
        """Run a group in one transaction, then keep its promises."""
        if len(group) == 1:
            self._run_alone(group[0])
            return
        begun: list[_Job[Any]] = []
        kept: list[Callable[[], None]] = []
        try:
            with self._transaction() as conn:
                # A request that was given up before its turn is not begun.
                begun = [job for job in group if job.promise.set_running_or_notify_cancel()]
                kept = [_outcome(conn, job) for job in begun]
        except SQLAlchemyError as wrong:
            # Nothing of the group is durable, whatever its members believe.
            begun = begun or [job for job in group if job.promise.set_running_or_notify_cancel()]
            kept = [partial(job.promise.set_exception, wrong) for job in begun]
        for keep in kept:
            keep()

    def _run_alone(self, job: _Job[Any]) -> None:
        """Run one function in a transaction of its own, which needs no savepoint."""
        if not job.promise.set_running_or_notify_cancel():
            return
        caught = _Caught()
        result = None
        with caught, self._transaction() as conn:
            result = job.write(conn)
        _kept(job, result, caught.wrong)()


def _outcome(conn: Connection, job: _Job[Any]) -> Callable[[], None]:
    """Run one function of a group and return how its promise is to be kept after the commit."""
    caught = _Caught()
    result = None
    with caught, conn.begin_nested():
        result = job.write(conn)
    return _kept(job, result, caught.wrong)


def _kept(job: _Job[Any], result: object, wrong: BaseException | None) -> Callable[[], None]:
    """Return how a promise is kept: with a result, or with the mistake that there is none."""
    if wrong is not None:
        return partial(job.promise.set_exception, wrong)
    return partial(job.promise.set_result, result)


def _first_line(wrong: OperationalError) -> str:
    return (str(wrong.orig).strip().splitlines() or ["it says nothing"])[0][:300]


def _prepare(conn: Connection, alone: Callable[[Connection], None]) -> None:
    """Create the tables, or raise ``TooNew`` where a later version made them."""
    with conn.begin():
        alone(conn)
        if sa.inspect(conn).has_table("meta"):
            found = conn.execute(
                sa.select(schema.meta.c.value).where(schema.meta.c.key == "version")
            ).scalar()
            if int(found or 0) > schema.VERSION:
                raise TooNew(f"the store has version {found}, this desk knows {schema.VERSION}")
            if int(found or 0) < schema.VERSION:
                _upgrade(conn, int(found or 0))
            return
        schema.metadata.create_all(conn)
        migrations.stamp(conn, schema.VERSION)
        conn.execute(schema.meta.insert().values(key="version", value=str(schema.VERSION)))


def _upgrade(conn: Connection, found: int) -> None:
    """Bring the store of an earlier version to this one."""
    migrations.upgrade(conn, found)
    version = schema.meta.c.key == "version"
    conn.execute(schema.meta.update().where(version).values(value=str(schema.VERSION)))


def apart(conn: Connection, errand: int) -> bool:
    """Tell whether this transaction alone is at an errand of couriers; until it ends nobody else will be.

    A file has one writer, who is alone anyhow.
    """
    if conn.dialect.name != "postgresql":
        return True
    return bool(conn.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_COURIERS, errand))).scalar())


def upsert(conn: Connection, table: sa.Table) -> sqlite.Insert:
    """Return an insert that can say what to do on a conflict, in the engine's own words.

    Both engines know the same clauses, so the type of one stands for both.
    """
    if conn.dialect.name == "postgresql":
        return cast("sqlite.Insert", postgresql.insert(table))
    return sqlite.insert(table)
