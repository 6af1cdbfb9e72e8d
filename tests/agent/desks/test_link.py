from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.desks.link import Link, Lost

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def serving(*answers: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """Answer one request after another; None hangs up instead, so that the next comes on a new connection."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def serve() -> None:
        connection: socket.socket | None = None
        for answer in answers:
            if connection is None:
                connection, _ = listener.accept()
                connection.settimeout(5)
            if answer is None:
                connection.close()
                connection = None
                continue
            request = connection.recv(65536)
            while request and not request.endswith(b"[]"):  # the body may come by itself
                request += connection.recv(65536)
            asked.append(request)
            connection.sendall(answer)
        if connection is not None:
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/base", asked
    thread.join(5)
    listener.close()


def test_posts_share_one_connection() -> None:
    with serving(ANSWER, ANSWER) as (base, asked):
        link = Link(base, 2)
        assert [link.post("/x", b"[]"), link.post("/x", b"[]")] == [(200, "ok")] * 2
        link.close()
    assert len(asked) == 2
    assert asked[0].startswith(b"POST /base/x HTTP/1.1\r\n")


def test_what_is_asked_for_has_no_body() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(ANSWER)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    link = Link(f"http://127.0.0.1:{listener.getsockname()[1]}/base", 5)
    assert link.get("/x?host=a%20b") == (200, "ok")
    link.close()
    thread.join(5)
    listener.close()
    assert asked[0].startswith(b"GET /base/x?host=a%20b HTTP/1.1\r\n")
    assert b"Content-" not in asked[0]


def test_a_connection_that_was_lost_while_idle_is_opened_again() -> None:
    with serving(ANSWER, None, ANSWER) as (base, asked):
        link = Link(base, 2)
        assert link.post("/x", b"[]") == (200, "ok")
        assert link.post("/x", b"[]") == (200, "ok")
        link.close()
    assert len(asked) == 2


def test_nobody_there_is_said_at_once() -> None:
    link = Link("http://127.0.0.1:9", 2)
    with pytest.raises(Lost):
        link.post("/x", b"[]")


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    moved = b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with serving(moved) as (base, _):
        link = Link(base, 2)
        assert link.post("/x", b"[]")[0] == 301
        link.close()


def test_an_endless_answer_is_cut_and_the_connection_given_up() -> None:
    flood = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 200_000
    with serving(flood, None, ANSWER) as (base, asked):
        link = Link(base, 2)
        status, text = link.post("/x", b"[]")
        assert (status, len(text)) == (200, 65536)
        assert link.post("/x", b"[]") == (200, "ok")
        link.close()
    assert len(asked) == 2
