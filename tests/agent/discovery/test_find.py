from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.discovery import standing
from agent.discovery.find import find
from agent.discovery.finding import Job, LogFile, Mount, Unseen
from agent.discovery.listening import Row, Scene, reached, rows, speaks_otherwise, unix_rows
from agent.discovery.programs import Processes
from agent.discovery.trees import Trees
from probes.host.roots import PROCFS, Tree
from probes.service.proc import parse_stat
from tests.agent.discovery.scene import HEAD, seen
from tests.probes.targets import certificate

LISTENS = """
import os, socket, sys
end = socket.socket(socket.AF_UNIX if sys.argv[1].startswith("/") else socket.AF_INET)
end.bind(sys.argv[1] if sys.argv[1].startswith("/") else ("127.0.0.1", int(sys.argv[1])))
end.listen()
print(flush=True)
sys.stdin.read()
"""
LOW_PORT = range(20_000, 32_000)


@contextmanager
def listener(where: str, *more: str, cwd: Path | None = None) -> Iterator[int]:
    """Run a program that listens there; yields its process id."""
    argv = [sys.executable, "-c", LISTENS, where, *more]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.stdin.close()


def low_port() -> int:
    """Return a free port below those that the kernel gives away."""
    for port in LOW_PORT:
        with socket.socket() as end:
            if end.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("all ports are taken")


def put(root: Path, path: str, text: str = "", mode: int = 0o644) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def rooted(root: Path) -> Trees:
    return Trees(PROCFS, Tree(root))


def test_a_listening_port_is_told_with_the_program_behind_it(tmp_path: Path) -> None:
    port = low_port()
    with listener(str(port)) as pid:
        (one,) = find(seen(tmp_path, (pid,)), time.monotonic).listening
    assert (one.address, one.port, one.host, one.speech) == ("127.0.0.1", port, "127.0.0.1", "other")
    assert one.program is not None
    assert one.program.name.startswith("python")
    assert one.reason.endswith(f"listens on 127.0.0.1:{port}")


def test_a_port_whose_holder_is_hidden_is_told_as_such(tmp_path: Path) -> None:
    port = low_port()
    with listener(str(port)):
        found = find(seen(tmp_path, (), (port,)), time.monotonic)
    (one,) = found.listening
    assert one.program is None
    assert one.reason == f"something listens on 127.0.0.1:{port}; this user may not see what"


def test_a_usual_port_whose_holder_is_hidden_is_that_of_the_service_that_runs(tmp_path: Path) -> None:
    with listener(str(low_port())) as pid:
        (tmp_path / "net").mkdir()
        (tmp_path / str(pid)).symlink_to(f"/proc/{pid}")
        row = "   0: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1 1\n"
        (tmp_path / "net" / "tcp").write_text(HEAD + row)
        trees = Trees(Tree(tmp_path), Tree(tmp_path))
        one = replace(parse_stat(Path(f"/proc/{pid}/stat").read_bytes()), name=b"redis-server")
        (bound,), _ = Scene(trees, Processes(trees, {pid: one})).listening()
        assert bound.program is not None
        assert (bound.port, bound.program.name, speaks_otherwise(bound.program)) == (
            6379,
            "redis-server",
            True,
        )
        (bound,), _ = Scene(trees, Processes(trees, {pid: replace(one, name=b"cat")})).listening()
        assert bound.program is None


def test_what_tools_open_for_a_while_and_what_is_ours_is_passed_over(tmp_path: Path) -> None:
    with listener("0") as passing, listener(str(low_port()), "agent.cli") as other:
        found = find(seen(tmp_path, (passing, other)), time.monotonic)
        assert [one.program for one in found.listening if one.program] == [
            Processes.read(seen(tmp_path, (other,))).program(other)
        ]
    folder = tmp_path / "beforehand"
    folder.symlink_to(sys.executable)
    with subprocess.Popen([str(folder), "-c", "input()"], stdin=subprocess.PIPE) as ours:
        assert ours.stdin
        assert Processes.read(seen(tmp_path, (ours.pid,))).ours(ours.pid)
        ours.stdin.close()


def test_a_pid_file_in_run_or_beside_its_process_finds_it_again(tmp_path: Path) -> None:
    room = tmp_path / "data"
    room.mkdir()
    with listener(str(low_port()), cwd=room) as pid:
        trees = seen(tmp_path, (pid,))
        assert Processes.read(trees).program(pid).pidfile == ""
        put(room, "server.pid", f"{pid}\n")
        assert Processes.read(trees).program(pid).pidfile == f"{room}/server.pid"
        put(trees.rootfs.path, "/run/server/main.pid", f"{pid}\nmore")
        put(trees.rootfs.path, "/run/other.pid", "99999999")
        os.mkfifo(trees.rootfs.path / "run" / "pipe.pid")
        assert Processes.read(trees).program(pid).pidfile == "/run/server/main.pid"
        assert [one.pidfile for one in find(trees, time.monotonic).programs] == ["/run/server/main.pid"]


def test_a_socket_of_a_known_service_is_found_and_tried() -> None:
    with tempfile.TemporaryDirectory(prefix="s") as short:  # the path of a socket has few bytes
        folder = Path(short)
        path = folder / "docker.sock"
        with listener(str(path)) as pid:
            (one,) = find(seen(folder, (pid,)), time.monotonic).sockets
            assert (one.path, one.takes) == (str(path), True)
            path.unlink()
            assert find(seen(folder, (pid,)), time.monotonic).sockets == ()


def test_hidden_processes_are_told_and_the_rest_is_found(tmp_path: Path) -> None:
    trees = seen(tmp_path, ())
    (trees.procfs.path / "1").unlink()
    found = find(trees, time.monotonic)
    assert any(one.what == "the processes" for one in found.unseen)
    assert found.programs == ()


def test_the_tables_of_the_kernel_are_read_in_its_own_byte_order() -> None:
    word = "0100007F" if sys.byteorder == "little" else "7F000001"
    line = f"   0: {word}:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 {{}} 1\n"
    table = HEAD + line.format(77) + line.replace(" 0A ", " 01 ").format(78) + "torn\n"
    assert list(rows(table)) == [Row("127.0.0.1", 8080, 77)]
    mark = "FFFF0000" if sys.byteorder == "little" else "0000FFFF"
    mapped = line.replace(f" {word}", f" {16 * '0'}{mark}{word}").format(5)
    assert [row.address for row in rows(HEAD + mapped)] == ["127.0.0.1"]
    assert [reached(address) for address in ("0.0.0.0", "::", "::1", "127.0.0.53", "192.0.2.1")] == [
        "127.0.0.1", "127.0.0.1", "::1", "127.0.0.53", "",
    ]  # fmt: skip  # in the order asked


def test_a_socket_with_any_name_leaves_the_table_readable() -> None:
    kind = "0000000000000000: 00000002 00000000 00010000 0001 01    "
    names = ("/run/a b.sock", "/run/\u2028\x85c", "/run/forged\n0: 2 0 zz 0001 01 x /etc", "@abstract", "")
    idle = "0000000000000000: 00000002 00000000 00000000 0001 03     7 /run/idle\n"
    table = "Num\n" + "".join(f"{kind} {number} {name}\n" for number, name in enumerate(names, 9)) + idle
    assert unix_rows(table) == {"/run/a b.sock": 9, "/run/\u2028\x85c": 10, "/run/forged": 11}


@pytest.mark.needs("openssl")
def test_only_files_with_certificates_that_can_be_read_are_named(tmp_path: Path) -> None:
    good = certificate(tmp_path, "DNS:shop.example", 9).path.read_text()
    put(tmp_path, "/etc/letsencrypt/live/a/fullchain.pem", good)
    put(tmp_path, "/etc/letsencrypt/live/b/fullchain.pem", good)
    put(tmp_path, "/etc/nginx/ssl/good.pem", good)
    put(tmp_path, "/etc/nginx/ssl/key.pem", "a key")
    found, unseen = standing.certificates(rooted(tmp_path), [])
    assert [(one.path, one.files) for one in found] == [
        ("/etc/letsencrypt/live/*/fullchain.pem", 2), ("/etc/nginx/ssl/good.pem", 1),
    ]  # fmt: skip  # one line
    assert unseen == ()


def test_logs_are_named_where_their_service_runs_or_nobody_knows(tmp_path: Path) -> None:
    put(tmp_path, "/var/log/nginx/error.log")
    (tmp_path / "var/log/mysql").mkdir()
    (tmp_path / "var/log/mysql/error.log").symlink_to("/etc/passwd")
    found, unseen = standing.logs(rooted(tmp_path), None)
    assert (found, unseen) == ((LogFile("/var/log/nginx/error.log", "nginx"),), ())
    assert standing.logs(rooted(tmp_path), Processes(rooted(tmp_path), {})) == ((), ())


def test_jobs_are_read_from_the_crontabs_of_the_system(tmp_path: Path) -> None:
    put(
        tmp_path,
        "/etc/crontab",
        "SHELL=/bin/sh\n# no\n17 *\t* * *\troot\tcd / && run-parts /etc/cron.hourly\n",
    )
    put(
        tmp_path,
        "/etc/cron.d/Shop backup",
        "@daily shop /srv/backup --all\n61 * * * * root never\n0 3 31 2 * a b\n",
    )
    assert standing.jobs(rooted(tmp_path)) == (
        Job("cron-hourly", "17 * * * *", "/etc/crontab"),
        Job("shop-backup", "@daily", "/etc/cron.d/Shop backup"),
    )


def test_mounts_that_hold_data_are_told_with_their_names_unescaped(tmp_path: Path) -> None:
    lines = ["/dev/a / ext4 rw 0 0", "proc /proc proc rw 0 0", "/dev/b /my\\040disk xfs rw 0 0", "torn"]
    put(tmp_path, "/mounts", "\n".join(lines))
    assert standing.mounts(Trees(Tree(tmp_path), Tree(tmp_path))) == (
        Mount("/", "ext4"),
        Mount("/my disk", "xfs"),
    )


def test_the_gateway_is_that_of_the_default_route(tmp_path: Path) -> None:
    word = "010200C0" if sys.byteorder == "little" else "C0000201"
    row = f"eth0\t00000000\t{word}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    put(tmp_path, "/net/route", "Iface\n" + row.replace("\t0003", "\t0001") + row)
    assert standing.gateway(Trees(Tree(tmp_path), Tree(tmp_path))) == "192.0.2.1"
    assert standing.gateway(Trees(Tree(tmp_path / "none"), Tree(tmp_path))) == ""


def test_the_kernels_log_is_read_where_it_can_be(tmp_path: Path) -> None:
    kind, unseen = standing.kernel_log(rooted(tmp_path))
    assert (kind, len(unseen)) == ("", 1)
    put(tmp_path, "/usr/bin/journalctl", "", 0o755)
    put(tmp_path, "/var/log/journal/abc/system.journal")
    assert standing.kernel_log(rooted(tmp_path)) == ("journal", ())
    put(tmp_path, "/dev/kmsg")
    assert standing.kernel_log(rooted(tmp_path)) == ("kmsg", ())


def test_systemd_that_cannot_be_asked_is_told(tmp_path: Path) -> None:
    trees = seen(tmp_path, ())
    (trees.rootfs.path / "run/systemd/system").mkdir(parents=True)
    found = find(trees, time.monotonic)
    assert found.units is None
    assert Unseen("systemd's units", "there is no way to systemd for this user") in found.unseen
