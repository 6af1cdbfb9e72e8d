from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed
from model.sample import Metric, Sample
from probes.net.connect import Unhealthy
from probes.net.trust import TlsConfig
from probes.service.wire import Refused, Server, connected, printable, read_secret, told
from tests.probes.service.servers import at_path, by_name, cut, endless, remarks, saying
from tests.probes.targets import (
    Behaviour,
    Certificate,
    Connection,
    drip,
    hang,
    listening,
    unused_port,
    within,
)

UP = Metric("x_up", "1 if it is.")


def at(port: int) -> Server:
    return Server.parse(f"127.0.0.1:{port}")


@pytest.mark.parametrize("text", ["/run/x.sock", "127.0.0.1:6379", "[::1]:6379", "db.example.com:1"])
def test_a_server_is_shown_as_it_was_written(text: str) -> None:
    assert str(Server.parse(text)) == text


@pytest.mark.parametrize("text", ["", "localhost", "run/x.sock", "/" + "x" * 107, "/a\0b", "::1:5"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Server.parse(text)


def test_a_secret_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b" se cret \r\nsecond\n")
    assert read_secret(str(tmp_path / "password")) == b" se cret "
    assert read_secret("") == b""
    with pytest.raises(FileNotFoundError):
        read_secret(str(tmp_path / "none"))


def test_words_of_a_server_are_made_fit_for_a_log() -> None:
    assert printable(b"no\r\n\x1b[2Jway\xff") == "no [2Jway\ufffd"
    assert len(printable("x" * 9999)) == 200


def test_lines_and_blocks_are_read_however_they_arrive(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with (
        at_path(path, saying(b"one\r\ntw", b"o\r\nthr", b"ee")),
        connected(Server.parse(str(path)), within(10), 1000) as wire,
    ):
        wire.send(b"?")
        assert wire.secret
        assert wire.until(b"\r\n") == b"one"
        wire.send(b"?")
        assert wire.until(b"\r\n") == b"two"
        wire.send(b"?")
        assert wire.exactly(5) == b"three"
        wire.send(b"?")
        with pytest.raises(Unhealthy, match="middle of an answer"):
            wire.exactly(1)


def test_an_answer_without_end_is_cut_off() -> None:
    with listening(endless) as port, connected(at(port), within(10), 1 << 20) as wire:
        assert not wire.secret
        with pytest.raises(Unhealthy, match="an end was due"):
            wire.until(b"\n", 4096)
        with pytest.raises(Unhealthy, match="too much"):
            wire.exactly(1 << 21)
        wire.exactly(1 << 19)
        with pytest.raises(Unhealthy, match="without end"):
            wire.until(b"\n", 1 << 20)


@pytest.mark.parametrize("behaviour", [hang, drip])
def test_waiting_ends_with_the_deadline(behaviour: Behaviour) -> None:
    with (
        listening(behaviour) as port,
        connected(at(port), within(0.3), 1000) as wire,
        pytest.raises(DeadlinePassed),
    ):
        wire.until(b"\n")


def test_a_server_that_is_not_there_is_a_fact(tmp_path: Path) -> None:
    for server in (at(unused_port()), Server.parse(str(tmp_path / "none"))):
        with pytest.raises(Unhealthy, match="the connection failed"), connected(server, within(5), 1000):
            pass


def test_tls_judges_the_certificate(good: Certificate, expired: Certificate) -> None:
    def greet(connection: Connection) -> None:
        connection.socket.sendall(b"hello\n")
        connection.socket.recv(1)

    with listening(greet, good.server()) as port, connected(at(port), within(10), 1000) as wire:
        wire.start_tls("127.0.0.1", TlsConfig(ca_file=str(good.path)))
        assert wire.secret
        assert wire.until(b"\n") == b"hello"
    with (
        listening(greet, expired.server()) as port,
        connected(at(port), within(10), 1000) as wire,
        pytest.raises(Unhealthy, match="expired"),
    ):
        wire.start_tls("127.0.0.1", TlsConfig(ca_file=str(expired.path)))
    with listening(cut) as port, connected(at(port), within(10), 1000) as wire:
        with pytest.raises(FileNotFoundError):
            wire.start_tls("127.0.0.1", TlsConfig(ca_file="/none"))
        with pytest.raises(Unhealthy, match="the TLS handshake failed"):
            wire.start_tls("127.0.0.1", TlsConfig(ca_file=str(good.path)))


def half(error: Exception) -> Iterator[Sample]:
    yield Metric("x_half", "A value.")(1)
    raise error


def test_half_an_answer_is_none_and_the_reason_is_told() -> None:
    down = list(told(UP, lambda _: half(Unhealthy("it\nbroke")), within(5)))
    assert (by_name(down), remarks(down)) == ({"x_up": 0}, ["it broke"])
    late = list(told(UP, lambda _: half(DeadlinePassed()), within(5)))
    assert (by_name(late), remarks(late)) == ({"x_up": 0}, ["the server did not answer in time"])


def test_who_refuses_us_is_unknown_and_not_down() -> None:
    with pytest.raises(Refused):
        list(told(UP, lambda _: half(Refused("no")), within(5)))


def test_a_server_is_asked_until_a_little_before_the_deadline() -> None:
    given: list[Deadline] = []

    def ask(deadline: Deadline) -> tuple[Sample, ...]:
        given.append(deadline)
        return ()

    deadline = within(5)
    assert by_name(told(UP, ask, deadline)) == {"x_up": 1}
    assert given[0].at_s < deadline.at_s
