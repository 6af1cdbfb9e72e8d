from __future__ import annotations

import time

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import tcp
from probes.net.connect import Trace
from probes.net.talk import Seen
from probes.net.tcp import Options
from probes.net.trust import TlsConfig
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


def seen(port: int, talk: str = "[]", limit_s: float = 5, more: str = "") -> Seen:
    text = f"{{target: '127.0.0.1:{port}', query_response: {talk}{more}}}"
    return tcp.look(decode(text.encode(), "f", Options), within(limit_s))


def look(port: int, talk: str = "[]", limit_s: float = 5, more: str = "") -> Trace:
    return seen(port, talk, limit_s, more).trace


def saying(*lines: bytes) -> Behaviour:
    def say(connection: Connection) -> None:
        connection.socket.sendall(b"".join(lines))
        while connection.socket.recv(1000):
            pass

    return say


def test_a_target_that_takes_the_connection_is_up() -> None:
    with listening(hang) as port:
        told = values(tcp.run(decode(b"target: '127.0.0.1:%d'" % port, "f", Options), within(5)))
    assert 0 < told.pop("probe_duration_seconds") < 5
    assert told.pop("probe_dns_lookup_time_seconds") >= 0
    assert told.pop("probe_ip_addr_hash") > 0
    assert told == {
        "probe_success": 1,
        "probe_ip_protocol": 4,
        "probe_failed_due_to_regex": 0,
        "probe_failed_due_to_bytes": 0,
    }


def test_a_target_that_refuses_is_down() -> None:
    assert look(unused_port()).failure.startswith("the connection failed: Connection refused")


def test_a_talk_goes_line_by_line() -> None:
    heard: list[bytes] = []

    def mail(connection: Connection) -> None:
        connection.socket.sendall(b"220-wait\r\n220 mx7 ESMTP\r\n")
        heard.append(connection.socket.recv(100))
        connection.socket.sendall(b"250 hello\r\n")
        heard.append(connection.socket.recv(100))

    with listening(mail) as port:
        trace = look(
            port, "[{expect: '^220 ([a-z0-9]+)', send: 'EHLO ${1}${2}'}, {expect: '^250', send: QUIT}]"
        )
    assert trace.failure == ""
    assert heard == [b"EHLO mx7\n", b"QUIT\n"]


def test_a_target_that_says_something_else_fails_by_its_words() -> None:
    with listening(lambda connection: connection.socket.sendall(b"-ERR\r\n")) as port:
        talk = seen(port, "[{expect: '^\\+OK'}]")
    assert talk.failed_due_to_regex
    assert talk.trace.failure == "nothing that the target said matches ^\\+OK"


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["hangs", "drips"])
def test_a_silent_target_is_down_when_the_deadline_comes(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        began = time.monotonic()
        talk = seen(port, "[{expect: never}]", limit_s=0.4)
    assert talk.trace.failure == "the target did not finish in time"
    assert not talk.failed_due_to_regex
    assert time.monotonic() - began < 3


def test_a_target_that_talks_without_end_is_left() -> None:
    for flood in (b"x" * 3_000_000, b"x\n" * 1_500_000):
        with listening(saying(flood)) as port:
            assert look(port, "[{expect: never}]").failure.startswith("the target sen")


def test_a_reset_is_a_fact() -> None:
    with listening(Connection.reset) as port:
        assert "reset" in look(port, "[{expect: x}]").failure.lower()


@pytest.mark.needs("openssl")
def test_tls_from_the_start_is_spoken(good: Certificate) -> None:
    with listening(saying(b"hello\n"), good.server()) as port:
        config = f", tls: true, tls_config: {{ca_file: {good.path}}}"
        trace = look(port, "[{expect: hello}]", more=config)
        untrusted = look(port, more=", tls: true")
    assert trace.failure == ""
    assert trace.agreed is not None
    assert trace.agreed.not_after_s == good.end_s()
    assert "certificate verify failed" in untrusted.failure


@pytest.mark.needs("openssl")
def test_a_talk_can_turn_to_tls_and_forgets_what_was_said_in_the_clear(good: Certificate) -> None:
    def mail(connection: Connection) -> None:
        connection.socket.sendall(b"220 ready\r\n")
        connection.socket.recv(len(b"STARTTLS\n"))
        with good.server().wrap_socket(connection.socket, server_side=True) as secure:
            secure.sendall(b"250 secure\r\n")
            secure.recv(100)

    talk = "[{expect: '^220', send: STARTTLS, starttls: true}, {expect: '^250 secure', send: QUIT}]"
    with listening(mail) as port:
        trace = look(port, talk, more=f", tls_config: {{ca_file: {good.path}}}")
    assert trace.failure == ""
    assert trace.agreed is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"target: db", "'db' is not host:port"),
        (b"{target: '::1:80'}", "an IPv6 address needs brackets"),
        (b"{target: 'a:1', query_response: [{expect: '('}]}", "is not a regular expression"),
        (b"{target: 'a:1', query_response: [" + b"{send: x}," * 33 + b"]}", "the talk has 33 steps"),
    ],
)
def test_wrong_options_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)


def test_the_target_is_the_instance() -> None:
    options = decode(b"{target: '[::1]:80', tls: true}", "f", Options)
    assert tcp.PROBE.target(options) == "[::1]:80"
    assert options.tls_config == TlsConfig()
