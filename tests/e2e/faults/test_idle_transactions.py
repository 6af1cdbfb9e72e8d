"""Sessions that forgot their transaction give their connections back, unless they are opened anew at once."""

from __future__ import annotations

import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.account import account
from tests.e2e.faults.scene import Scene, acting, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, at_once, left_to_people
from tests.e2e.installation import Tree
from tests.e2e.patience import until

pytestmark = pytest.mark.needs("pg_ctlcluster", "psql")

PORT: Final = 5498
CONNECTIONS: Final = 20
KEPT: Final = 3  # for superusers, as PostgreSQL has it
OLD_S: Final = 10  # nobody who has been idle for less is ever ended


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A PostgreSQL at a socket in a folder, with an application's role and one that may only look."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        create = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "boss", "-N", "-A", "trust"]
        subprocess.run(create, check=True, capture_output=True, cwd="/", timeout=50, **account())
        settings = {
            "listen_addresses": "", "fsync": "off", "shared_buffers": "8MB", "max_connections": CONNECTIONS,
            "superuser_reserved_connections": KEPT,
        }  # fmt: skip  # what is usual first
        serve = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(PORT), "-k", str(folder)]
        serve += [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        database = subprocess.Popen(serve, stderr=subprocess.DEVNULL, **account())
        try:
            until(lambda: asked(folder, "select 1").returncode == 0, 40, "PostgreSQL serves")
            roles = "create role shop login; create role watcher login in role pg_monitor"
            assert asked(folder, roles).returncode == 0
            yield folder
        finally:
            database.terminate()
            database.wait(20)
    finally:
        shutil.rmtree(folder)


def asked(folder: Path, sql: str) -> subprocess.CompletedProcess[str]:
    argv = ["psql", "-XAtq", "-h", str(folder), "-p", str(PORT), "-U", "boss", "-d", "postgres", "-c", sql]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)


def idle(folder: Path) -> int:
    sql = "select count(*) from pg_stat_activity where state = 'idle in transaction'"
    return int(asked(folder, sql).stdout)


def old(folder: Path) -> int:
    sql = f"state = 'idle in transaction' and state_change < now() - interval '{OLD_S} s'"
    return int(asked(folder, f"select count(*) from pg_stat_activity where {sql}").stdout)


def begun(folder: Path) -> socket.socket:
    """Open a session and begin a transaction in it."""
    session = socket.socket(socket.AF_UNIX)
    try:
        session.settimeout(10)
        session.connect(str(folder / f".s.PGSQL.{PORT}"))
        hello = struct.pack("!i", 196608) + b"user\0shop\0database\0postgres\0\0"
        begin = b"begin\0"
        session.sendall(struct.pack("!i", len(hello) + 4) + hello)
        ready(session)
        session.sendall(b"Q" + struct.pack("!i", len(begin) + 4) + begin)
        ready(session)
    except OSError:
        session.close()
        raise
    return session


def ready(session: socket.socket) -> None:
    """Read messages until the server waits for a question."""
    with session.makefile("rb", buffering=0) as said:
        while (head := said.read(5)) and head[:1] != b"Z":
            said.read(struct.unpack("!i", head[1:])[0] - 4)
        if not head:
            raise ConnectionResetError("the server hung up")
        said.read(1)


@contextmanager
def application(folder: Path, count: int, *, anew: bool) -> Iterator[None]:
    """Hold so many transactions open; with ``anew`` one that is ended is opened again at once.

    They are old when this begins.
    """
    sessions = [begun(folder) for _ in range(count)]
    until(lambda: old(folder) == count, OLD_S + 20, "the transactions are old", pause_s=0.5)
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            over, _, _ = select.select(sessions, [], [], 0.05)
            for session in over:
                sessions.remove(session)
                session.close()
                if anew:
                    with suppress(OSError):
                        sessions.append(begun(folder))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for session in sessions:
            with closing(session):
                session.shutdown(socket.SHUT_RDWR)
        until(lambda: idle(folder) == 0, 20, "the sessions are gone")


def scene(folder: Path, server: Path, user: str, alert: Tree, verify: Tree) -> Scene:
    how = {"min_age": "10s", "sessions_max": 100, "user": "boss", "host": str(server), "port": PORT}
    heal = shipped(
        "end-idle-transactions", steps=[{"postgres_terminate_idle": how}], guard=BY_ITSELF, verify=verify
    )
    target = {"target": f"{server}/.s.PGSQL.{PORT}", "user": user}
    probe: Tree = {"postgres": target, "every": "1s", "timeout": "1s"}
    return Scene(folder, probes=(probe,), rules=(alert,), playbooks=(heal,))


def test_connections_that_forgotten_transactions_have_taken_all_come_back(
    server: Path, tmp_path: Path
) -> None:
    down = at_once("postgres", "PostgresqlDown")
    with (
        application(server, CONNECTIONS - KEPT, anew=False),
        acting(scene(tmp_path, server, "watcher", down, {"within": "10s", "hold": "1s"})) as stage,
    ):
        stage.wait(lambda: stage.alert("PostgresqlDown"), "even the probe gets no connection")
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert idle(server) == 0
        stage.wait(lambda: not stage.alert("PostgresqlDown"), "the alert is over")


def test_an_application_that_forgets_anew_is_told_of_after_two_runs(server: Path, tmp_path: Path) -> None:
    full = at_once("postgres", "PostgresqlIdleTransactionsTakeConnections")
    with (
        application(server, CONNECTIONS - KEPT - 2, anew=True),
        acting(scene(tmp_path, server, "watcher", full, QUICKLY)) as stage,
    ):
        left_to_people(stage, "PostgresqlIdleTransactionsTakeConnections", "ineffective")
        ends = [step for step in stage.steps() if "pg_terminate_backend" in str(step["step"])]
        assert ends, stage.story()
        assert str(ends[0]["output"]).count("|t") == CONNECTIONS - KEPT - 2, stage.story()
