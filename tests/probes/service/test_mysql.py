from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net.connect import Unhealthy
from probes.net.trust import TlsConfig
from probes.service import myproof, mysql, mywire
from probes.service.mysql import Options
from probes.service.wire import Refused, Server
from tests.probes.service.servers import (
    at_path,
    cut,
    endless,
    garbage,
    program,
    remarks,
    running,
    saying,
    takes,
    until,
)
from tests.probes.targets import (
    Behaviour,
    Certificate,
    Connection,
    drip,
    hang,
    listening,
    unused_port,
    values,
    within,
)

SQL = """
CREATE USER seer@'%' IDENTIFIED BY 'secret';
GRANT SLAVE MONITOR ON *.* TO seer@'%';
CREATE USER blind@'%' IDENTIFIED BY 'secret';
CREATE USER curve@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret');
CREATE USER other@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret') OR unix_socket;
CREATE USER secure@'%' IDENTIFIED BY 'secret' REQUIRE SSL;
GRANT SLAVE MONITOR ON *.* TO secure@'%';
"""


@dataclass(frozen=True)
class Database:
    """A MariaDB of the test's own."""

    folder: Path
    port: int

    @property
    def socket(self) -> Server:
        return Server.parse(str(self.folder / "s"))

    def options(self, user: str = "seer") -> Options:
        server = Server.parse(f"127.0.0.1:{self.port}")
        return Options(server, user=user, password_file=str(self.folder / "password"))

    def sql(self, text: str) -> None:
        argv = [program("mariadb"), "--no-defaults", "-S", str(self.folder / "s"), "-u", me()]
        subprocess.run(argv, input=text.encode(), check=True, capture_output=True, timeout=30)


def me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, good: Certificate) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("mysql")
    made = Database(folder, unused_port())
    (folder / "password").write_text("secret\n")
    small = [f"--datadir={folder / 'data'}", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M"]
    install = [program("mariadb-install-db"), "--no-defaults", f"--user={me()}", "--skip-test-db", *small]
    install += [f"--auth-root-socket-user={me()}", "--innodb-flush-method=nosync"]
    subprocess.run(install, check=True, capture_output=True, timeout=50)
    argv = [program("mariadbd"), "--no-defaults", f"--user={me()}", *small, f"--socket={folder / 's'}"]
    argv += [
        f"--port={made.port}",
        "--bind-address=127.0.0.1",
        "--max-connections=10",
        "--extra-max-connections=1",
    ]
    argv += [f"--ssl-cert={good.path}", f"--ssl-key={good.key}", "--plugin-load-add=auth_ed25519"]
    argv += ["--skip-name-resolve", "--innodb-flush-method=nosync"]
    with running(argv, folder):
        until(lambda: takes(folder / "s"), "mariadbd")
        made.sql(SQL)
        yield made


def look(options: Options) -> dict[str, float]:
    return values(mysql.run(options, within(20)))


needs_mariadb = pytest.mark.needs("mariadbd", "mariadb-install-db", "mariadb")


@needs_mariadb
def test_a_server_tells_of_itself(database: Database) -> None:
    told = look(database.options())
    assert told["mysql_up"] == 1
    assert told["mysql_global_variables_max_connections"] == 10
    assert told["mysql_global_variables_open_files_limit"] > 0
    assert told["mysql_global_variables_read_only"] == 0
    assert told["mysql_global_status_uptime"] >= 0
    assert told["mysql_global_status_threads_connected"] >= 1
    assert told["mysql_global_status_threads_running"] >= 1
    assert told["mysql_global_status_innodb_num_open_files"] > 0
    assert told["mysql_global_status_innodb_log_waits"] == 0
    assert told['mysql_global_status_commands_total{command="select"}'] >= 0
    assert told['mysql_global_status_connection_errors_total{error="max_connections"}'] >= 0
    assert told['mysql_global_status_buffer_pool_pages{state="free"}'] > 0
    assert any("mysql_version_info" in series and "MariaDB" in series for series in told)
    assert not any("mysql_slave_status" in series for series in told)


@needs_mariadb
def test_every_way_to_log_in_works(database: Database, good: Certificate) -> None:
    secure = TlsConfig(ca_file=str(good.path))
    assert look(replace(database.options("secure"), tls=True, tls_config=secure))["mysql_up"] == 1
    assert look(Options(database.socket, user=me()))["mysql_up"] == 1
    assert look(replace(database.options("other"), replication=False))["mysql_up"] == 1


@needs_mariadb
def test_a_certificate_that_cannot_be_trusted_is_down(database: Database) -> None:
    assert look(replace(database.options(), tls=True)) == {"mysql_up": 0}


@needs_mariadb
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"user": "nobody-here"}, "Access denied"),
        ({"password_file": ""}, "Access denied"),
        ({"user": "blind"}, "SLAVE MONITOR"),
        ({"user": "curve"}, "client_ed25519, a proof that this probe cannot give"),
        ({"user": "secure"}, "Access denied"),
    ],
)
def test_who_is_refused_knows_nothing(database: Database, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        look(replace(database.options(), **change))


@needs_mariadb
def test_a_wrong_password_leaves_the_server_unknown_and_stays_secret(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("terces")
    options = replace(database.options(), password_file=str(tmp_path / "password"))
    with pytest.raises(Refused, match="Access denied") as refused:
        look(options)
    assert "terces" not in str(refused.value)


@needs_mariadb
def test_a_replica_that_does_not_reach_its_source_says_so(database: Database) -> None:
    nobody = unused_port()
    database.sql(f"CHANGE MASTER 'shop' TO MASTER_HOST='127.0.0.1', MASTER_PORT={nobody}, MASTER_USER='x'")
    database.sql("START SLAVE 'shop'")
    labels = '{connection_name="shop", master_host="127.0.0.1"}'
    told = look(database.options())
    database.sql("STOP SLAVE 'shop'; RESET SLAVE 'shop' ALL")
    assert told[f"mysql_slave_status_slave_io_running{labels}"] == 0
    assert told[f"mysql_slave_status_slave_sql_running{labels}"] == 1
    assert f"mysql_slave_status_seconds_behind_master{labels}" not in told


@needs_mariadb
def test_a_server_without_a_free_connection_is_down(database: Database) -> None:
    sessions = [
        mywire.session(database.socket, mywire.Login("blind", b"secret"), within(30)) for _ in range(10)
    ]
    try:
        for one in sessions:
            one.__enter__()
        seen = list(mysql.run(database.options("blind"), within(20)))
        assert values(seen) == {"mysql_up": 0}
        assert remarks(seen) == ["the server says: Too many connections"]
    finally:
        for one in sessions:
            one.__exit__(None, None, None)
    until(lambda: look(database.options())["mysql_up"] == 1, "the end of the sessions")


def at(port: int) -> Options:
    return Options(Server.parse(f"127.0.0.1:{port}"))


def test_a_server_that_is_gone_is_down() -> None:
    assert values(mysql.run(at(unused_port()), within(5))) == {"mysql_up": 0}


def packet(body: bytes, number: int = 0) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def greeting(plugin: bytes = b"mysql_native_password", version: bytes = b"8.4.0") -> bytes:
    tail = b"\x15" + bytes(10) + b"challenge-12\0" + plugin + b"\0"
    return packet(b"\x0a" + version + b"\0\1\0\0\0challen-\0\xff\xf7\x21\2\0\xff\xc1" + tail)


OK = packet(b"\0\0\0\2\0\0\0", 2)


@pytest.mark.parametrize("first", [greeting()[:20], packet(b"\xff\x10\x04Too many connections")])
def test_a_server_that_greets_oddly_is_down(first: bytes) -> None:
    def greet(connection: Connection) -> None:
        connection.socket.sendall(first)
        connection.socket.recv(65536)

    with listening(greet) as port:
        assert values(mysql.run(at(port), within(0.5))) == {"mysql_up": 0}


@pytest.mark.parametrize("behaviour", [garbage, endless, cut, drip, hang])
def test_a_server_that_speaks_another_protocol_is_down(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        assert values(mysql.run(at(port), within(0.5))) == {"mysql_up": 0}


def after_greeting(*parts: bytes) -> Behaviour:
    def behave(connection: Connection) -> None:
        connection.socket.sendall(greeting())
        saying(*parts)(connection)

    return behave


@pytest.mark.parametrize(
    "parts",
    [
        (packet(b"\1\3") * 20,),
        (packet(b"\1\7"),),
        (packet(b"\x33"),),
        (OK, packet(b"\0")),
        (OK, packet(b"\xfd\1")),
        (OK, packet(b"\xfc\xff\xff")),
        (OK, packet(b"\2") + packet(b"\3def") * 2),
        (OK, packet(b"\1") + packet(b"\0\0\0\0\1x") * 2),
        (OK, packet(b"\1") + packet(b"\0\0\0\0\1x") + packet(b"\xfe\0\0\0\0") + packet(b"\x30abc")),
        (OK, packet(b"\xff\x1d\x04Server shutdown in progress")),
    ],
)
def test_a_server_that_answers_oddly_is_down(parts: tuple[bytes, ...]) -> None:
    with listening(after_greeting(*parts)) as port:
        assert values(mysql.run(at(port), within(0.5))) == {"mysql_up": 0}


def test_a_complaint_is_shown_without_tricks() -> None:
    tricks = packet(b"\xff\x15\x04#28000no\x1b[2J")
    with listening(after_greeting(tricks)) as port, pytest.raises(Refused, match=r"refuses: no \[2J$"):
        look(at(port))


class Sha2:
    """A server that wants caching_sha2_password, and may not know the password's hash by heart."""

    def __init__(self, knows: bool) -> None:
        self.knows = knows
        self.heard: list[bytes] = []

    def __call__(self, connection: Connection) -> None:
        raw = connection.socket
        raw.sendall(greeting(b"caching_sha2_password"))
        self.heard.append(raw.recv(65536))
        raw.sendall(packet(b"\1\3" if self.knows else b"\1\4", 2))
        if not self.knows:
            self.heard.append(raw.recv(65536))
        raw.sendall(OK)
        for _ in range(2):
            raw.recv(65536)
            column = packet(b"\0\0\0\0\1x")
            raw.sendall(packet(b"\2") + column * 2 + packet(b"\xfe\0\0\0\0") * 2)


def test_the_newer_proof_is_given_without_the_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    server = Sha2(knows=True)
    with listening(server) as port:
        options = replace(at(port), password_file=str(tmp_path / "password"), replication=False)
        assert look(options)["mysql_up"] == 1
    assert myproof.caching_sha2(b"secret", b"challen-challenge-12") in server.heard[0]
    assert b"secret" not in server.heard[0]


def test_the_password_itself_is_sent_within_the_host_only(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    server = Sha2(knows=False)
    options = Options(password_file=str(tmp_path / "password"), replication=False)
    with at_path(tmp_path / "s", server):
        assert look(replace(options, target=Server.parse(str(tmp_path / "s"))))["mysql_up"] == 1
    assert server.heard[1].endswith(b"secret\0")
    with listening(Sha2(knows=False)) as port, pytest.raises(Refused, match="in the clear"):
        look(replace(options, target=at(port).target))


def test_the_proofs_are_those_of_the_protocol() -> None:
    once = hashlib.sha1(b"secret").digest()
    answer = myproof.native(b"secret", b"c" * 20)
    stored = hashlib.sha1(once).digest()
    mask = hashlib.sha1(b"c" * 20 + stored).digest()
    assert hashlib.sha1(bytes(a ^ b for a, b in zip(answer, mask, strict=True))).digest() == stored


def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    plain = greeting().replace(b"\xff\xf7\x21", b"\xff\xf7\x21".replace(b"\xf7", b"\xf0"))

    def greet(connection: Connection) -> None:
        connection.socket.sendall(plain)
        connection.socket.recv(65536)

    with listening(greet) as port, pytest.raises(Refused, match="does not offer TLS"):
        look(replace(at(port), tls=True))


@pytest.mark.parametrize(
    ("version", "query"),
    [
        ("5.5.5-10.11.6-MariaDB-1", "SHOW ALL SLAVES STATUS"),
        ("11.4.2-MariaDB", "SHOW ALL SLAVES STATUS"),
        ("8.4.0", "SHOW REPLICA STATUS"),
        ("8.0.22-commercial", "SHOW REPLICA STATUS"),
        ("8.0.21", "SHOW SLAVE STATUS"),
        ("odd", "SHOW SLAVE STATUS"),
    ],
)
def test_each_kind_of_server_is_asked_in_its_words(version: str, query: str) -> None:
    assert mysql.replication_query(version) == query


def test_a_replica_of_a_newer_mysql_is_told_under_its_names() -> None:
    names = ("Source_Host", "Source_UUID", "Channel_Name", "Replica_IO_Running", "Replica_SQL_Running",
             "Seconds_Behind_Source")  # fmt: skip  # few lines
    told = values(mysql.of_replication(names, [("db", "u-1", "", "Connecting", "Yes", None)]))
    labels = '{master_host="db", master_uuid="u-1"}'
    assert told == {
        f"mysql_slave_status_replica_io_running{labels}": 0,
        f"mysql_slave_status_replica_sql_running{labels}": 1,
    }
    with pytest.raises(OverflowError):
        list(mysql.of_replication(("a",), [("1",)] * 65))


def test_a_node_of_a_cluster_says_whether_it_is_ready() -> None:
    told = values(mysql.of_status({"wsrep_ready": "OFF", "wsrep_cluster_status": "Primary", "uptime": "1e5"}))
    assert told == {"mysql_global_status_wsrep_ready": 0, "mysql_global_status_wsrep_cluster_status": 1}


@pytest.mark.parametrize("challenge", [b"", b"\x0a5.7\0", b"\x095.7\0" + bytes(40)])
def test_what_is_no_greeting_is_refused(challenge: bytes) -> None:
    with pytest.raises(Unhealthy, match="protocol"):
        mywire.parse_greeting(challenge)


def test_a_user_without_a_name_is_refused() -> None:
    with pytest.raises(Rejected, match="the user is empty"):
        decode(b"{user: ''}", "f", Options)
