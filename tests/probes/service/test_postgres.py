from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net.connect import Unhealthy
from probes.net.trust import TlsConfig
from probes.service import pgwire, postgres
from probes.service.pg_queries import LOCKS, QUERIES
from probes.service.postgres import Options
from probes.service.wire import Refused, Server
from tests.account import account
from tests.probes.service.servers import (
    answers,
    cut,
    endless,
    garbage,
    program,
    remarks,
    running,
    saying,
    until,
)
from tests.probes.targets import (
    Behaviour,
    Certificate,
    drip,
    hang,
    listening,
    unused_port,
    values,
    within,
)

pytestmark = pytest.mark.needs("pg_ctlcluster")

HBA = """
local all root,nobody trust
local all boss trust
local replication boss trust
hostssl all secure 127.0.0.1/32 scram-sha-256
hostnossl all secure 127.0.0.1/32 reject
host all clear 127.0.0.1/32 password
host all all 127.0.0.1/32 scram-sha-256
"""
SQL = """
CREATE ROLE seer LOGIN PASSWORD 'secret' IN ROLE pg_monitor;
CREATE ROLE blind LOGIN PASSWORD 'secret';
CREATE ROLE clear LOGIN PASSWORD 'secret' IN ROLE pg_monitor;
CREATE ROLE secure LOGIN PASSWORD 'secret' IN ROLE pg_monitor;
SET password_encryption = md5;
CREATE ROLE older LOGIN PASSWORD 'secret' IN ROLE pg_monitor;
CREATE DATABASE shop;
SELECT pg_create_physical_replication_slot('standby', true);
"""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL of the test's own."""

    folder: Path
    port: int
    bin: Path

    @property
    def socket(self) -> Server:
        return Server.parse(str(self.folder / f".s.PGSQL.{self.port}"))

    def options(self, user: str = "seer") -> Options:
        server = Server.parse(f"127.0.0.1:{self.port}")
        return Options(server, user=user, password_file=str(self.folder / "password"))

    def argv(self, data: str, port: int) -> list[str]:
        return [str(self.bin / "postgres"), "-D", str(self.folder / data), "-p", str(port)]

    def psql(self, sql: str, database: str = "postgres") -> str:
        argv = [
            program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port),
            "-U", "boss", "-d", database,
        ]  # fmt: skip  # as in a shell
        run = subprocess.run(argv, input=sql, check=True, capture_output=True, text=True, timeout=30)
        return run.stdout.strip()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, good: Certificate) -> Iterator[Cluster]:
    """A server that keeps everything in a folder of its own; it refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        folder.chmod(0o755)
        bin_folder = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        made = Cluster(folder, unused_port(), bin_folder)
        for name, text in (("hba", HBA), ("password", "secret\n")):
            (folder / name).write_text(text)
        for name, path in (("crt", good.path), ("key", good.key)):
            shutil.copy(path, folder / name)
            (folder / name).chmod(0o600)
        who = account()
        if who:
            shutil.chown(folder, "nobody", "nogroup")
            for path in folder.iterdir():
                shutil.chown(path, "nobody", "nogroup")
        data = folder / "data"
        init = [str(bin_folder / "initdb"), "-D", str(data), "-U", "boss", "-N", "-A", "trust", "-E", "UTF8"]
        subprocess.run(init, check=True, capture_output=True, cwd=folder, timeout=50, **who)
        settings = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": folder,
            "hba_file": folder / "hba", "max_connections": 9, "superuser_reserved_connections": 2,
            "fsync": "off", "ssl": "on", "ssl_cert_file": folder / "crt", "ssl_key_file": folder / "key",
            "shared_buffers": "8MB", "max_wal_senders": 2, "max_slot_wal_keep_size": "1GB",
        }  # fmt: skip  # few lines
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        with (data / "postgresql.conf").open("a") as config:
            config.write(lines)
        with running(made.argv("data", made.port), folder, **who):
            until(lambda: answers(made.port), "postgres")
            until(lambda: "starting up" not in _try(made), "postgres")
            for statement in SQL.strip().split("\n"):
                made.psql(statement)
            yield made
    finally:
        shutil.rmtree(folder)


def _try(cluster: Cluster) -> str:
    try:
        return cluster.psql("SELECT 1")
    except subprocess.CalledProcessError as failed:
        return f"starting up {failed.stderr}"


def look(options: Options) -> dict[str, float]:
    return values(postgres.run(options, within(20)))


def test_a_server_tells_of_itself(cluster: Cluster) -> None:
    told = look(cluster.options())
    assert told["pg_up"] == 1
    assert told["pg_settings_max_connections"] == 9
    assert told["pg_settings_superuser_reserved_connections"] == 2
    assert told["pg_postmaster_start_time_seconds"] > 1e9
    assert (told["pg_replication_is_replica"], told["pg_replication_lag_seconds"]) == (0, 0)
    assert told['pg_stat_activity_count{datname="postgres", state="active"}'] >= 1
    assert told['pg_stat_activity_max_tx_duration{datname="shop", state="idle in transaction"}'] == 0
    assert told['pg_locks_count{datname="postgres", mode="accesssharelock"}'] >= 1
    assert told['pg_database_size_bytes{datname="shop"}'] > 1 << 20
    assert told['pg_database_wraparound_age_datfrozenxid_seconds{datname="shop"}'] >= 0
    assert told["pg_stat_archiver_failed_count"] == 0
    assert told["pg_stat_bgwriter_checkpoints_timed_total"] >= 0
    slot = 'slot_name="standby", slot_type="physical"'
    assert told[f"pg_replication_slots_active{{{slot}}}"] == 0
    assert told[f'pg_replication_slots_wal_status{{{slot}, wal_status="reserved"}}'] == 1
    assert told[f"pg_replication_slots_safe_wal_size_bytes{{{slot}}}"] > 0
    for name in ("numbackends", "xact_commit", "xact_rollback", "deadlocks"):
        assert any(
            series.startswith(f"pg_stat_database_{name}{{") and 'datname="shop"' in series for series in told
        )


def behind(cluster: Cluster) -> list[str]:
    """Return what the primary tells of how far each replica is behind; nothing before its first answer."""
    told = look(cluster.options())
    return [series for series in told if series.startswith("pg_stat_replication_pg_wal_lsn_diff{")]


def test_a_replica_says_so_and_its_primary_sees_it(cluster: Cluster) -> None:
    copy = [str(cluster.bin / "pg_basebackup"), "-h", str(cluster.folder), "-p", str(cluster.port)]
    copy += ["-U", "boss"]
    copy += ["-D", str(cluster.folder / "standby"), "-R", "-c", "fast", "-S", "standby"]
    subprocess.run(copy, check=True, capture_output=True, cwd=cluster.folder, timeout=50, **account())
    port = unused_port()
    replica = replace(cluster.options(), target=Server.parse(f"127.0.0.1:{port}"))
    slot = 'slot_name="standby", slot_type="physical"'
    with running(cluster.argv("standby", port), cluster.folder, **account()):
        until(lambda: look(replica)["pg_up"] == 1, "the replica")
        until(lambda: look(cluster.options())[f"pg_replication_slots_active{{{slot}}}"] == 1, "its source")
        assert look(replica)["pg_replication_is_replica"] == 1
        until(lambda: look(replica)["pg_replication_lag_seconds"] == 0, "what it has still to take over")
        until(
            lambda: ['slot_name="standby"' in series for series in behind(cluster)] == [True],
            "its first answer",
        )
    until(lambda: look(cluster.options())[f"pg_replication_slots_active{{{slot}}}"] == 0, "the end")


def test_a_forgotten_transaction_shows(cluster: Cluster) -> None:
    login = pgwire.Login("boss", "shop")
    with pgwire.session(cluster.socket, login, within(20)) as other:
        other.rows("BEGIN")
        other.rows("SELECT txid_current()")
        told = look(cluster.options())
    assert told['pg_stat_activity_count{datname="shop", state="idle in transaction"}'] == 1
    assert told['pg_stat_activity_max_tx_duration{datname="shop", state="idle in transaction"}'] > 0


def test_tables_of_each_database_are_told(cluster: Cluster) -> None:
    cluster.psql("CREATE TABLE IF NOT EXISTS orders AS SELECT generate_series(1, 10) AS n", "shop")
    options = replace(cluster.options(), databases=("postgres", "shop"))
    labels = '{datname="shop", relname="orders", schemaname="public"}'
    assert look(options)[f"pg_stat_user_tables_last_autovacuum{labels}"] == 0
    until(lambda: look(options)[f"pg_stat_user_tables_n_live_tup{labels}"] == 10, "the statistics")
    assert not any("orders" in series for series in look(cluster.options()))


def test_every_way_to_log_in_works(cluster: Cluster, good: Certificate) -> None:
    secure = TlsConfig(ca_file=str(good.path))
    assert look(cluster.options("older"))["pg_up"] == 1
    assert look(Options(cluster.socket, user="boss"))["pg_up"] == 1
    assert look(replace(cluster.options("secure"), tls=True, tls_config=secure))["pg_up"] == 1
    assert look(replace(cluster.options("clear"), tls=True, tls_config=secure))["pg_up"] == 1


def test_a_certificate_that_cannot_be_trusted_is_down(cluster: Cluster) -> None:
    assert look(replace(cluster.options(), tls=True)) == {"pg_up": 0}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"user": "nobody-here"}, "password authentication failed"),
        ({"password_file": ""}, "wants a password; name a password_file"),
        ({"user": "blind"}, "GRANT pg_monitor TO blind"),
        ({"user": "clear"}, "wants the password in the clear"),
        ({"user": "secure"}, "pg_hba.conf rejects connection"),
        ({"databases": ("none",)}, 'database "none" does not exist'),
    ],
)
def test_who_is_refused_knows_nothing(cluster: Cluster, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        look(replace(cluster.options(), **change))


def test_a_wrong_password_leaves_the_server_unknown_and_stays_secret(
    cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("terces")
    options = replace(cluster.options(), password_file=str(tmp_path / "password"))
    with pytest.raises(Refused, match="password authentication failed") as refused:
        look(options)
    assert "terces" not in str(refused.value)
    with pytest.raises(FileNotFoundError):
        look(replace(options, password_file=str(tmp_path / "none")))


def test_a_server_without_a_free_connection_is_down(cluster: Cluster) -> None:
    sessions = [pgwire.session(cluster.socket, pgwire.Login("boss", "shop"), within(30)) for _ in range(8)]
    try:
        for one in sessions:
            one.__enter__()
        seen = list(postgres.run(cluster.options(), within(20)))
        assert values(seen) == {"pg_up": 0}
        assert "connection" in remarks(seen)[0]
    finally:
        for one in sessions:
            one.__exit__(None, None, None)
    until(lambda: look(cluster.options())["pg_up"] == 1, "the end of the sessions")


def test_no_query_of_the_probe_can_write(cluster: Cluster) -> None:
    with pgwire.session(cluster.socket, pgwire.Login("boss", "postgres"), within(20)) as session:
        assert session.rows("SHOW statement_timeout") == [("10s",)]
        assert session.rows("SELECT NULL, '', 'ü'") == [(None, "", "ü")]
        with pytest.raises(Refused, match="read-only transaction"):
            session.rows("CREATE TABLE mine (n int)")
    again = pgwire.session(cluster.socket, pgwire.Login("boss", "postgres"), within(20))
    with again as session, pytest.raises(OverflowError):
        session.rows("SELECT generate_series(1, 6000)")


def test_a_slow_query_is_a_slow_server(cluster: Cluster) -> None:
    with pgwire.session(cluster.socket, pgwire.Login("boss", "postgres"), within(20)) as session:
        session.rows("SET statement_timeout = 50")
        with pytest.raises(Unhealthy, match="statement timeout"):
            session.rows("SELECT pg_sleep(20)")


def at(port: int) -> Options:
    return Options(Server.parse(f"127.0.0.1:{port}"))


def test_a_server_that_is_gone_is_down(tmp_path: Path) -> None:
    seen = list(postgres.run(at(unused_port()), within(5)))
    assert values(seen) == {"pg_up": 0}
    assert remarks(seen)[0].startswith("the connection failed")


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


HELLO = message(b"R", bytes(4)) + message(b"S", b"server_version\x0016.1\0") + message(b"Z", b"I")
ALLOWED = message(b"D", b"\0\1\0\0\0\0011") + message(b"Z", b"I")


@pytest.mark.parametrize(
    "behaviour",
    [
        garbage,
        endless,
        cut,
        drip,
        hang,
        saying(b"E\0\0\0\3"),
        saying(b"E\x7f\xff\xff\xff"),
        saying(message(b"N", b"") * 9000),
        saying(message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")),
        saying(HELLO, message(b"D", b"\0\2\0\0\0\11x")),
        saying(HELLO, message(b"Z", b"I"), ALLOWED, message(b"D", b"\0\1\0\0\0\1x") + message(b"Z", b"I")),
    ],
)
def test_a_server_that_answers_oddly_is_down(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        assert values(postgres.run(at(port), within(0.5))) == {"pg_up": 0}


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        (message(b"R", b"\0\0\0\7"), "cannot give"),
        (message(b"R", b"\0\0\0\x0aOTHER\0\0"), "cannot give"),
        (message(b"R", b"\0\0\0\x0cv=x"), "cannot give"),
        (message(b"R", b"\0\0\0\x0br=x,s=AAAA,i=999999999"), "malformed"),
        (message(b"E", b"C28000\0Mno \x1b[31mentry\0\0"), "no  \\[31mentry"),
        (message(b"E", b""), "no reason given"),
    ],
)
def test_an_odd_question_is_refused(first: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    with listening(saying(first)) as port, pytest.raises(Refused, match=sentence):
        look(replace(at(port), password_file=str(tmp_path / "password")))


def test_a_server_that_does_not_know_the_password_either_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")

    def impostor(connection: object) -> None:
        raw = connection.socket  # type: ignore[attr-defined]  # a connection
        raw.recv(4096)
        raw.sendall(message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
        nonce = raw.recv(4096).partition(b"r=")[2]
        raw.sendall(message(b"R", b"\0\0\0\x0br=" + nonce + b"x,s=AAAA,i=4096"))
        raw.recv(4096)
        raw.sendall(message(b"R", b"\0\0\0\x0cv=AAAA") + HELLO)
        raw.recv(4096)

    with listening(impostor) as port, pytest.raises(Refused, match="does not know the password either"):
        look(replace(at(port), password_file=str(tmp_path / "password")))


def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    with listening(saying(b"N")) as port, pytest.raises(Refused, match="does not offer TLS"):
        look(replace(at(port), tls=True))


def test_answers_of_another_shape_than_asked_for_are_refused() -> None:
    with pytest.raises(Unhealthy, match="other columns"):
        list(LOCKS.samples([("a", "b")]))
    with pytest.raises(Unhealthy, match="a number was asked for"):
        list(LOCKS.samples([("a", "b", "nan")]))
    (sample,) = LOCKS.samples([("d" * 5000, None, "3")])
    assert len(sample.labels["datname"]) == 2048


def test_each_major_version_is_asked_what_it_knows() -> None:
    for version in (13, 14, 15, 16, 17, 18):
        asked = [query for query in QUERIES if query.first <= version <= query.last]
        names = [metric.name for query in asked for metric in query.metrics]
        assert len(names) == len(set(names))
        assert ("pg_stat_checkpointer_num_timed_total" in names) is (version >= 17)
        assert ("pg_stat_bgwriter_checkpoints_req_total" in names) is (version < 17)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{databases: []}", "these are 0 databases"),
        (b"{databases: [a, a]}", "these are 2 databases"),
        (b"{user: ''}", "a name is empty"),
        (b"{target: 'db'}", "is not host:port"),
    ],
)
def test_options_that_cannot_work_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)
