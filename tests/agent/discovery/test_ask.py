from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.discovery.ask import Answer, ask
from tests.probes.targets import (
    Behaviour,
    Connection,
    answering,
    certificate,
    drip,
    hang,
    listening,
    page,
    unused_port,
)

REFUSED_CLEAR = page(b"The plain HTTP request was sent to HTTPS port", status="400 Bad Request")


def asked(port: int, host: str = "127.0.0.1") -> Answer:
    return ask(host, port, time.monotonic)


def test_a_web_server_is_known_by_one_get_of_its_first_page() -> None:
    with answering(page(status="204 No Content")) as target:
        assert asked(target.port) == Answer("http", 204)
    assert len(target.heard) == 1
    assert target.heard[0].startswith(b"GET / HTTP/1.1\r\nhost: 127.0.0.1:")


@pytest.mark.needs("openssl")
def test_a_port_that_speaks_tls_is_asked_once_more_inside_it(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "DNS:shop.example", 1).server()
    with answering(page(status="403 Forbidden"), tls=tls) as target:
        assert asked(target.port).speech in ("https", "other")  # this server ends at what is no TLS
    with answering(REFUSED_CLEAR) as target:
        assert asked(target.port) == Answer("other")  # it only says that it speaks TLS
        assert len(target.heard) <= 2


def banner(connection: Connection) -> None:
    connection.socket.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    connection.socket.recv(1)


def endless(connection: Connection) -> None:
    while not connection.stopped.is_set():
        connection.socket.sendall(b"HTTP/1.1 " * 8192)


@pytest.mark.parametrize("behaviour", [banner, drip, hang, endless, lambda connection: connection.reset()])
def test_whatever_else_answers_is_no_web_server_and_holds_nobody_up(behaviour: Behaviour) -> None:
    began_s = time.monotonic()
    with listening(behaviour) as port:
        assert asked(port) == Answer("other")
        assert time.monotonic() - began_s < 10


def test_a_port_that_takes_no_connection_says_nothing() -> None:
    assert asked(unused_port()) == Answer("nothing")


def test_nobody_but_loopback_is_ever_asked() -> None:
    with pytest.raises(AssertionError):
        asked(80, "192.0.2.1")
