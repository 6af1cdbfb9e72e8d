from __future__ import annotations

import time
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events
import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import grpc
from probes.net.grpc import Options, Seen
from probes.net.grpc_health import Broken, HealthCheck
from tests.probes.net import servers
from tests.probes.targets import Certificate, Connection, hang, listening, page, unused_port, values, within


def options(port: int, more: str = "") -> Options:
    return decode(f"{{target: '127.0.0.1:{port}'{more}}}".encode(), "f", Options)


def look(port: int, more: str = "", limit_s: float = 5) -> Seen:
    return grpc.look(options(port, more), within(limit_s))


def test_a_healthy_server_is_told_in_blackbox_exporters_names() -> None:
    with servers.grpc() as port:
        told = values(grpc.run(options(port), within(5)))
    assert (told["probe_success"], told["probe_grpc_status_code"], told["probe_grpc_ssl"]) == (1, 0, 0)
    serving = {state: told[f'probe_grpc_healthcheck_response{{serving_status="{state}"}}'] for state in (
        "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"
    )}  # fmt: skip  # the states on one line
    assert serving == {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 0, "SERVICE_UNKNOWN": 0}
    assert told['probe_grpc_duration_seconds{phase="check"}'] > 0


def test_each_service_has_its_own_health() -> None:
    with servers.grpc() as port:
        assert look(port, ", service: well").trace.failure == ""
        ill = look(port, ", service: ill")
        odd = look(port, ", service: odd")
        nobody = look(port, ", service: nobody")
    assert (ill.code, ill.trace.failure) == (0, "the server's health is NOT_SERVING")
    assert (odd.serving, odd.trace.failure) == ("UNKNOWN", "the server's health is UNKNOWN")
    assert (nobody.code, nobody.serving) == (5, "")
    assert nobody.trace.failure == "the gRPC status is 5: unknown service"


@pytest.mark.needs("openssl")
def test_tls_is_spoken_and_judged(good: Certificate) -> None:
    with servers.grpc(good) as port:
        trusted = look(port, f", tls: true, tls_config: {{ca_file: {good.path}}}")
        untrusted = look(port, ", tls: true")
    assert trusted.trace.failure == ""
    assert trusted.trace.agreed is not None
    assert trusted.trace.agreed.protocol == "h2"
    assert "certificate verify failed" in untrusted.trace.failure


def test_a_server_that_is_not_there_is_unavailable() -> None:
    seen = look(unused_port())
    assert (seen.code, seen.trace.failure[:21]) == (14, "the connection failed")


def test_a_server_that_hangs_costs_one_deadline() -> None:
    with listening(hang) as port:
        began = time.monotonic()
        seen = look(port, limit_s=0.4)
    assert (seen.code, seen.trace.failure) == (4, "the target did not finish in time")
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "said",
    [
        page(b"hello"),
        b"\0" * 100,
        b"SSH-2.0-x\r\n" * 10,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff" * 70000,
    ],
    ids=["http", "zeros", "ssh", "preface", "ones"],
)
def test_a_server_of_another_protocol_is_a_fact(said: bytes) -> None:
    def answer(connection: Connection) -> None:
        connection.socket.recv(1000)
        connection.socket.sendall(said)

    with listening(answer) as port:
        assert look(port).trace.failure.startswith(("the server does not speak HTTP/2", "the connection"))


Speak = Callable[[h2.connection.H2Connection, int], None]


def heard(speak: Speak, *, end: bool = True) -> HealthCheck:
    """Return a check whose server says this on its stream."""
    check = HealthCheck("a:1", "", {}, tls=False)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    server.receive_data(check.begin())
    speak(server, 1)
    if end:
        server.end_stream(1)
    check.feed(server.data_to_send())
    return check


def head(status: str = "200", **fields: str) -> list[tuple[str, str]]:
    return [(":status", status), *((name.replace("_", "-"), value) for name, value in fields.items())]


@pytest.mark.parametrize(
    ("speak", "code"),
    [
        (lambda server, one: server.send_headers(one, head("404")), 12),
        (lambda server, one: server.send_headers(one, head("503")), 14),
        (lambda server, one: server.send_headers(one, head("302")), 2),
        (lambda server, one: server.send_headers(one, head()), 2),
        (lambda server, one: server.send_headers(one, head(grpc_status="x")), 2),
        (lambda server, one: server.send_headers(one, head(grpc_status="0")), 13),
        (lambda server, one: server.send_headers(one, head(grpc_status="16")), 16),
    ],
)
def test_what_is_no_answer_has_a_code_all_the_same(speak: Speak, code: int) -> None:
    check = heard(speak)
    assert (check.done, check.code, check.serving) == (True, code, "")


def test_a_stream_that_is_reset_and_a_connection_that_ends_are_done() -> None:
    assert heard(lambda server, one: server.reset_stream(one, 7), end=False).code == 14
    assert heard(lambda server, one: server.reset_stream(one, 2), end=False).code == 13
    assert heard(lambda server, _: server.close_connection(1), end=False).code == 14


@pytest.mark.parametrize(
    ("message", "serving"),
    [
        (b"\0\0\0\0\2\x08\1", "SERVING"),
        (b"\0\0\0\0\0", "UNKNOWN"),
        (b"\0\0\0\0\6\x12\2hi\x08\2", "NOT_SERVING"),
        (b"\0\0\0\0\3\x08\xac\2", "300"),
        (b"\1\0\0\0\2\x08\1", ""),
        (b"\0\0\0\0\3\x08\1", ""),
        (b"\0\0\0\0\2\x0b\1", ""),
        (b"\0\0\0\0\x0b" + b"\x08" + b"\xff" * 10, ""),
        (b"\0\0", ""),
    ],
)
def test_only_a_health_is_a_health(message: bytes, serving: str) -> None:
    def speak(server: h2.connection.H2Connection, one: int) -> None:
        server.send_headers(one, head())
        server.send_data(one, message)
        server.send_headers(one, [("grpc-status", "0")], end_stream=True)

    assert heard(speak, end=False).serving == serving


def test_an_answer_without_end_is_left() -> None:
    check = heard(lambda server, one: server.send_headers(one, head()), end=False)
    frame = (4000).to_bytes(3, "big") + b"\0\0" + (1).to_bytes(4, "big") + bytes(4000)
    for _ in range(16):
        check.feed(frame)
    with pytest.raises(Broken, match="longer than 65536"):
        check.feed(frame)


def test_metadata_goes_along() -> None:
    check = HealthCheck("a:1", "x", {"x-key": ["k"], "x-bin": ["\u00e4"]}, tls=True)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    asked = next(e for e in server.receive_data(check.begin()) if isinstance(e, h2.events.RequestReceived))
    fields = {str(name): str(value) for name, value in asked.headers}
    assert (fields["x-key"], fields["x-bin"], fields[":scheme"]) == ("k", "w6Q", "https")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{target: 'a:b'}", "is not host:port"),
        (b"{target: a, metadata: {te: [x]}}", "'te' cannot be metadata"),
        (b"{target: a, metadata: {grpc-x: [x]}}", "'grpc-x' cannot be metadata"),
        (b"{target: a, metadata: {'a b': [x]}}", "'a b' cannot be metadata"),
        (b'{target: a, metadata: {a: ["x\\ny"]}}', "not one line"),
    ],
)
def test_wrong_options_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)


def test_a_target_may_be_a_url_and_lack_a_port() -> None:
    plain = decode(b"{target: 'http://shop.example.com/x'}", "f", Options)
    secure = decode(b"{target: shop.example.com, tls: true}", "f", Options)
    assert (str(plain.endpoint), str(secure.endpoint)) == ("shop.example.com:80", "shop.example.com:443")
