"""Sessions that forgot their transaction are ended, the young and the busy are not, nor too many at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from model.duration import seconds
from model.misfit import Rejected
from model.step import Host, Result
from remediations.actions.names import Word
from remediations.actions.postgres_terminate_idle import ACTION, Options, ServerHost
from remediations.hand import Hand
from tests.account import account
from tests.remediations.actions.planning import planned, read
from tests.remediations.deeds.done import until
from tests.remediations.stage import wall_ms

pytestmark = pytest.mark.needs("pg_ctlcluster", "psql")
PORT = 5499


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A PostgreSQL that listens at a socket in a folder alone; it refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    bin_folder = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        run([str(bin_folder / "initdb"), "-D", str(folder / "data"), "-U", "boss", "-N", "-A", "trust"])
        argv = [str(bin_folder / "postgres"), "-D", str(folder / "data"), "-p", str(PORT), "-k", str(folder)]
        argv += ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=8MB"]
        database = subprocess.Popen(argv, stderr=subprocess.DEVNULL, **account())
        try:
            until(lambda: takes(folder / f".s.PGSQL.{PORT}"))
            until(lambda: asked(folder, "select 1").returncode == 0)
            yield folder
        finally:
            database.terminate()
            database.wait(20)
    finally:
        shutil.rmtree(folder)


def run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, capture_output=True, cwd="/", timeout=50, **account())


def takes(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as end:
        return end.connect_ex(str(path)) == 0


def asked(folder: Path, sql: str) -> subprocess.CompletedProcess[str]:
    argv = ["psql", "-XAtq", "-h", str(folder), "-p", str(PORT), "-U", "boss", "-d", "postgres", "-c", sql]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)


@contextmanager
def sessions(folder: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many sessions that began a transaction and forgot it."""
    argv = ["psql", "-Xq", "-h", str(folder), "-p", str(PORT), "-U", "boss", "-d", "postgres"]
    open_ = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(count)
    ]
    try:
        for one in open_:
            assert one.stdin is not None
            one.stdin.write("begin;\n")
            one.stdin.flush()
        until(lambda: idle(folder) == count)
        yield open_
    finally:
        for one in open_:
            one.kill()
            one.communicate()
        until(lambda: idle(folder) == 0)


def idle(folder: Path) -> int:
    return int(
        asked(folder, "select count(*) from pg_stat_activity where state = 'idle in transaction'").stdout
    )


def options(folder: Path) -> Options:
    return Options(database=Word("postgres"), user=Word("boss"), host=ServerHost(str(folder)), port=PORT)


def done(options: Options, folder: Path) -> list[Result]:
    results = []
    with closing(Hand(time.monotonic, wall_ms, folder)) as hand:
        for step in ACTION.plan(options, Host(has_systemd=False)):
            results.append(hand.carry_out(step, lambda: ""))
            if not results[-1].ok:
                break
    return results


@pytest.mark.parametrize("host", ["/run/postgresql", "db.example"])
def test_a_server_is_named_by_its_folder_or_its_host(host: str) -> None:
    words = str(planned("postgres_terminate_idle", f"{{host: {host}, port: 5433}}")[0])
    assert f"-p 5433 -h {host} -c" in words


@pytest.mark.parametrize("host", ["../run", "host=a password=b", "/run/../etc"])
def test_a_host_that_would_be_more_than_a_place_is_refused(host: str) -> None:
    with pytest.raises(Rejected, match="is not"):
        read("postgres_terminate_idle", f"{{host: {host!r}}}")


def test_old_idle_transactions_are_ended_and_young_ones_are_not(server: Path, tmp_path: Path) -> None:
    # The shortest age that a playbook may name is too long for a test.
    old = options(server)
    object.__setattr__(old, "min_age", seconds(0))
    with sessions(server, 2):
        young = done(options(server), tmp_path)
        assert [result.ok for result in young] == [True, True], young
        assert idle(server) == 2
        ended = done(old, tmp_path)
        assert [result.ok for result in ended] == [True, True], ended
        assert ended[0].output.count("boss") == 2
        assert ended[1].output.count("|t") == 2
        until(lambda: idle(server) == 0)


def test_too_many_are_left_to_a_human(server: Path, tmp_path: Path) -> None:
    old = replace(options(server), sessions_max=1)
    object.__setattr__(old, "min_age", seconds(0))
    with sessions(server, 2):
        refused = done(old, tmp_path)
        assert [result.ok for result in refused] == [True, False]
        assert "2 sessions are too many" in refused[1].output
        assert idle(server) == 2


def test_a_server_that_does_not_run_is_a_failure(tmp_path: Path) -> None:
    [failed] = done(options(tmp_path), tmp_path)
    assert failed.reason == "it ended with exit code 2"
