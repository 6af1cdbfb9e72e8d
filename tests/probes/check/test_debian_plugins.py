"""Every plug-in of Debian's monitoring-plugins, run as it is, and where it can work for real."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from model.decode import decode
from model.plugin import Remark
from probes.check.nagios import PROBE, Options
from tests.probes.targets import (
    Certificate,
    Connection,
    answering,
    listening,
    page,
    unused_port,
    values,
    within,
)

PLUGINS: Final = Path("/usr/lib/nagios/plugins")
NTP_EPOCH_S: Final = 2_208_988_800
MISSING_LIBRARY: Final = 127
# Told nothing, the first asks the whole network, and the second rehearses an upgrade for many seconds.
LEFT_OUT: Final = {"check_dhcp", "check_apt"}

pytestmark = pytest.mark.needs(str(PLUGINS / "check_load"), str(PLUGINS / "check_file_age"))


def shipped() -> list[str]:
    """Return the plug-ins that the two packages brought; other packages bring their own."""
    lists = Path("/var/lib/dpkg/info").glob("monitoring-plugins-*.list")
    paths = [Path(line) for each in lists for line in each.read_text().splitlines()]
    return sorted({p.name for p in paths if p.parent == PLUGINS and p.suffix not in (".pm", ".sh")})


def told(plugin: str, *words: str, left_s: float = 20) -> tuple[dict[str, float], str]:
    """Return the samples and the words of one run."""
    argv = json.dumps([str(PLUGINS / plugin), *words])
    seen = list(PROBE.look(decode(f"{{check: c, argv: {argv}}}".encode(), "f", Options))(within(left_s)))
    (text,) = (one.text for one in seen if isinstance(one, Remark))
    return values(seen), text


def status(found: dict[str, float]) -> float:
    return found['nagios_check_status{check="c"}']


def performance(found: dict[str, float], label: str, unit: str = "") -> float:
    of = f', unit="{unit}"' if unit else ""
    return found[f'nagios_check_perf_value{{check="c", label="{label}"{of}}}']


@pytest.mark.parametrize("plugin", shipped())
def test_each_plugin_says_which_it_is(plugin: str) -> None:
    found, text = told(plugin, "-V")
    code = found['nagios_check_exit_code{check="c"}']
    if code == MISSING_LIBRARY or "Can't locate" in text:
        assert status(found) in (2, 3), "a plug-in that cannot start is no healthy one"
        assert "(no output)" in text
        return
    assert f"{plugin} v" in text
    assert code in (0, 3)
    assert status(found) == code
    assert found['nagios_check_perf_unreadable{check="c"}'] == 0


@pytest.mark.parametrize("plugin", sorted(set(shipped()) - LEFT_OUT))
def test_each_plugin_that_is_told_nothing_is_read(plugin: str) -> None:
    found, text = told(plugin)
    code = found['nagios_check_exit_code{check="c"}']
    assert status(found) == (code if code in (0, 1, 2) else 3)
    assert code in (0, 2, 3, MISSING_LIBRARY)
    assert text


def test_no_plugin_is_left_out() -> None:
    assert len(shipped()) > 60


def test_load() -> None:
    found, text = told("check_load", "-w", "1000,1000,1000", "-c", "2000,2000,2000")
    assert status(found) == 0
    assert performance(found, "load1") >= 0
    assert found['nagios_check_perf_warn{bound="upper", check="c", label="load15"}'] == 1000
    assert text.startswith("LOAD OK")
    assert status(told("check_load", "-w", "0,0,0", "-c", "0,0,0")[0]) in (0, 2)


def test_disk() -> None:
    found, text = told("check_disk", "-w", "1B", "-c", "1B", "-p", "/")
    assert (status(found), text[:7]) == (0, "DISK OK")
    assert performance(found, "/", "bytes") > 0
    assert status(told("check_disk", "-w", "100%", "-c", "100%", "-p", "/")[0]) == 2
    assert status(told("check_disk", "-w", "1%", "-c", "1%", "-p", "/nowhere")[0]) == 2


def test_processes() -> None:
    found, _ = told("check_procs", "-w", "1:", "-c", "1:")
    assert status(found) == 0
    assert performance(found, "procs") > 0
    assert status(told("check_procs", "-C", "no-such-program", "-c", "1:")[0]) == 2


def test_users_and_swap() -> None:
    found, _ = told("check_users", "-w", "100", "-c", "200")
    assert (status(found), performance(found, "users") >= 0) == (0, True)
    found, _ = told("check_swap", "-w", "1%", "-c", "0%", "-n", "ok")
    assert (status(found), performance(found, "swap", "bytes") >= 0) == (0, True)


def test_the_age_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("hello")
    found, _ = told("check_file_age", "-f", str(tmp_path / "a file"), "-w", "1000", "-c", "2000")
    assert (status(found), performance(found, "size", "bytes")) == (0, 5)
    assert status(told("check_file_age", "-f", str(tmp_path / "none"))[0]) == 2


@pytest.mark.parametrize("state", range(4))
def test_dummy_says_what_it_is_told(state: int) -> None:
    found, text = told("check_dummy", str(state), "as told")
    assert status(found) == state
    assert text.endswith(": as told")


def test_plugins_that_run_others() -> None:
    dummy = str(PLUGINS / "check_dummy")
    assert status(told("negate", "-c", "OK", dummy, "2", "x")[0]) == 0
    assert told("urlize", "http://u.example/", dummy, "1", "x")[1].startswith('<A href="http://u.example/">')
    assert status(told("check_cluster", "-s", "-d", "0,1,2", "-w", "0", "-c", "1")[0]) == 2


def test_a_log(tmp_path: Path) -> None:
    log, seek = tmp_path / "log", tmp_path / "seek"
    log.write_text("one\n")
    words = ("-F", str(log), "-O", str(seek), "-q", "panic")
    assert status(told("check_log", *words)[0]) == 0
    log.write_text("one\npanic now\n")
    found, text = told("check_log", *words)
    assert (status(found), "panic now" in text) == (2, True)


def test_http() -> None:
    with answering(page(b"welcome")) as target:
        to = ("-H", "127.0.0.1", "-p", str(target.port))
        found, text = told("check_http", *to, "-s", "welcome")
        assert (status(found), text[:7]) == (0, "HTTP OK")
        assert performance(found, "time", "seconds") > 0
        assert performance(found, "size", "bytes") > len(b"welcome")
        assert status(told("check_http", *to, "-s", "other")[0]) == 2
    with answering(page(status="503 Busy")) as target:
        assert status(told("check_http", "-H", "127.0.0.1", "-p", str(target.port))[0]) == 2
    assert status(told("check_http", "-H", "127.0.0.1", "-p", str(unused_port()))[0]) == 2


def test_http_over_tls_and_its_certificate(good: Certificate, expired: Certificate) -> None:
    for certificate, expected in ((good, 0), (expired, 2)):
        with answering(page(), tls=certificate.server()) as target:
            found, _ = told("check_http", "-H", "127.0.0.1", "-p", str(target.port), "-S", "-C", "5")
            assert status(found) == expected


def says(banner: bytes) -> Iterator[int]:
    def talk(connection: Connection) -> None:
        connection.socket.sendall(banner)
        while connection.socket.recv(1024):
            connection.socket.sendall(b"250 bye\r\n")

    with listening(talk) as port:
        yield port


greeting = contextmanager(says)


@pytest.mark.parametrize(
    ("plugin", "banner"),
    [
        ("check_tcp", b"anything\r\n"),
        ("check_ftp", b"220 ready\r\n"),
        ("check_imap", b"* OK ready\r\n"),
        ("check_pop", b"+OK ready\r\n"),
        ("check_nntp", b"200 ready\r\n"),
        ("check_clamd", b"PONG\n"),
        ("check_ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("check_smtp", b"220 mx.example ESMTP\r\n"),
    ],
)
def test_servers_that_greet(plugin: str, banner: bytes) -> None:
    with greeting(banner) as port:
        found, text = told(plugin, "-H", "127.0.0.1", "-p", str(port))
        assert status(found) == 0, text
        assert performance(found, "time", "seconds") > 0
    found, _ = told(plugin, "-H", "127.0.0.1", "-p", str(unused_port()))
    assert status(found) == 2


@contextmanager
def datagrams(answer: bytes) -> Iterator[int]:
    """Answer the first 48 bytes of each datagram's kind; yields the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, peer = server.recvfrom(512)
                if data == b"stop":
                    return
                server.sendto(ntp(data) if len(data) == 48 else answer, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.sendto(b"stop", server.getsockname())
            thread.join()


def ntp(asked: bytes) -> bytes:
    """Return what a good time server answers (RFC 5905)."""
    now = int((time.time() + NTP_EPOCH_S) * (1 << 32))
    head = struct.pack("!BBbbII4s", 0x24, 1, 6, -20, 0, 0, b"GPS\0")
    return head + struct.pack("!Q", now) + asked[40:48] + struct.pack("!QQ", now, now)


def test_time_servers() -> None:
    with datagrams(b"") as port:
        found, text = told("check_ntp_time", "-H", "127.0.0.1", "-p", str(port), "-w", "5", "-c", "9")
        assert status(found) == 0, text
        assert abs(performance(found, "offset", "seconds")) < 5
    found, _ = told("check_ntp_time", "-H", "127.0.0.1", "-p", str(unused_port()), "-t", "1")
    assert status(found) == 2


def test_a_real_mail_server() -> None:
    server = Controller(Sink(), hostname="127.0.0.1", port=unused_port())
    server.start()
    try:
        found, text = told("check_smtp", "-H", "127.0.0.1", "-p", str(server.port), "-C", "NOOP", "-R", "250")
    finally:
        server.stop()
    assert status(found) == 0, text
    assert performance(found, "time", "seconds") > 0


def test_udp() -> None:
    with datagrams(b"pong") as port:
        found, text = told("check_udp", "-H", "127.0.0.1", "-p", str(port), "-s", "ping", "-e", "pong")
        assert status(found) == 0, text


def test_ping() -> None:
    found, _ = told("check_ping", "-H", "127.0.0.1", "-w", "5000,90%", "-c", "9000,100%", "-p", "1")
    if status(found) == 3:
        pytest.skip("a container may not ping")
    assert (status(found), performance(found, "pl", "percent")) == (0, 0)
    assert performance(found, "rta", "seconds") < 5


def test_a_server_that_hangs_is_unknown_in_time() -> None:
    with listening(lambda connection: connection.stopped.wait(10)) as port:
        found, text = told("check_http", "-H", "127.0.0.1", "-p", str(port), "-t", "60", left_s=1.5)
        assert status(found) == 3
        assert "it was ended after" in text
