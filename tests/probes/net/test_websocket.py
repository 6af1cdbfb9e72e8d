from __future__ import annotations

import time
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import websocket
from probes.net.websocket import Options, Seen
from tests.probes.net.servers import message, said, upgrade
from tests.probes.targets import (
    Certificate,
    Connection,
    answering,
    hang,
    listening,
    page,
    unused_port,
    values,
    within,
)


def options(port: int, more: str = "", scheme: str = "ws") -> Options:
    return decode(f"{{target: '{scheme}://127.0.0.1:{port}/chat'{more}}}".encode(), "f", Options)


def look(port: int, more: str = "", scheme: str = "ws", limit_s: float = 5) -> Seen:
    return websocket.look(options(port, more, scheme), within(limit_s))


def test_a_server_that_upgrades_is_told_in_blackbox_exporters_names() -> None:
    asked: list[bytes] = []

    def serve(connection: Connection) -> None:
        asked.append(upgrade(connection))
        asked.append(said(connection))

    with listening(serve) as port:
        told = values(websocket.run(options(port), within(5)))
    assert told["probe_success"] == told["probe_websocket_connection_upgraded"] == 1
    assert (told["probe_websocket_status_code"], told["probe_websocket_failed_due_to_regex"]) == (101, 0)
    assert told['probe_websocket_duration_seconds{phase="processing"}'] > 0
    assert asked[0].startswith(b"GET /chat HTTP/1.1\r\nhost: 127.0.0.1:")
    assert asked[1] == b"\x03\xe8"


def test_a_talk_goes_message_by_message() -> None:
    heard: list[bytes] = []

    def serve(connection: Connection) -> None:
        upgrade(connection)
        connection.socket.sendall(message(b"are you there", kind=9) + message(b"Hello, prober"))
        heard.append(said(connection))
        heard.append(said(connection))
        connection.socket.sendall(message(b"Welcome"))
        said(connection)

    talk = ", query_response: [{expect: 'Hello, (.+)', send: 'I am ${1}'}, {expect: ^Welcome}]"
    with listening(serve) as port:
        assert look(port, talk).trace.failure == ""
    assert heard == [b"are you there", b"I am prober"]


def test_a_message_that_is_not_as_expected_fails_by_its_words() -> None:
    def serve(connection: Connection) -> None:
        upgrade(connection)
        connection.socket.sendall(message(b"Go away"))
        said(connection)

    with listening(serve) as port:
        seen = look(port, ", query_response: [{expect: Hello}]")
    assert (seen.failed_due_to_regex, seen.trace.failure) == (True, "the message does not match Hello")


def test_headers_and_credentials_go_with_the_question(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    asked: list[bytes] = []

    def serve(connection: Connection) -> None:
        asked.append(upgrade(connection))
        said(connection)

    more = (
        ", headers: {X-Some: plain, X-Key: {secrets: [s], files: ["
        + str(tmp_path / "key")
        + "]}, Host: shop.example.com}, http_config: {authorization: {credentials: t0ken}}"
    )
    with listening(serve) as port:
        assert look(port, more).trace.failure == ""
    for line in (b"authorization: Bearer t0ken", b"x-some: plain", b"x-key: s", b"x-key: from a file"):
        assert b"\r\n" + line + b"\r\n" in asked[0]
    assert asked[0].count(b"host: ") == 1


UPGRADE = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (page(), 200, "the server does not upgrade, its status is 200"),
        (f"{UPGRADE}Sec-WebSocket-Accept: x\r\n\r\n".encode(), 101, "the server upgrades, but not to this"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            101,
            "the server upgrades, but not",
        ),
        (b"SSH-2.0\r\n\r\n", 0, "the answer does not begin as HTTP/1.x"),
        (b"HTTP/1.1 101", 0, "the connection ended before the headers did"),
    ],
)
def test_a_server_that_does_not_agree_is_a_fact(answer: bytes, status: int, sentence: str) -> None:
    with answering(answer) as target:
        seen = look(target.port)
    assert (seen.status, seen.upgraded) == (status, False)
    assert seen.trace.failure.startswith(sentence)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"\x81\x80", "the server does not speak WebSocket: a frame is masked"),
        (b"\x88\x00", "the server ended the talk"),
        (b"", "the connection ended before a message came"),
        (b"\x82\x7f" + b"\x7f" * 8, "the server does not speak WebSocket: a frame is longer"),
        (message(b"", kind=10) * 1100, "the server sends without end"),
    ],
)
def test_what_is_no_message_is_a_fact(sent: bytes, sentence: str) -> None:
    def serve(connection: Connection) -> None:
        upgrade(connection)
        connection.socket.sendall(sent)

    with listening(serve) as port:
        assert look(port, ", query_response: [{expect: x}]").trace.failure.startswith(sentence)


def test_a_server_that_is_not_there_or_hangs_is_down() -> None:
    assert look(unused_port()).trace.failure.startswith("the connection failed: Connection refused")
    with listening(hang) as port:
        began = time.monotonic()
        assert look(port, limit_s=0.4).trace.failure == "the target did not finish in time"
        assert time.monotonic() - began < 4


@pytest.mark.needs("openssl")
def test_tls_is_spoken_and_judged(good: Certificate) -> None:
    def serve(connection: Connection) -> None:
        upgrade(connection)

    with listening(serve, good.server()) as port:
        trusted = look(port, f", http_config: {{tls_config: {{ca_file: {good.path}}}}}", scheme="wss")
        untrusted = look(port, scheme="wss")
    assert trusted.upgraded
    assert "certificate verify failed" in untrusted.trace.failure


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{target: 'ftp://x/'}", "is not an http or https URL"),
        (b"{target: 'ws://x/', headers: {Upgrade: h2c}}", "is the handshake's own"),
        (b"{target: 'ws://x/', headers: {'a b': c}}", "is not the name of a header"),
        (b"{target: 'ws://x/', query_response: [{starttls: true}]}", "a message has no starttls"),
    ],
)
def test_wrong_options_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)
