"""Whoever is slow to say what they want, or says too much, is let go; others are served meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from desk.staff.doorway import HEAD_BYTES_MAX, Doorway
from tests.desk import town
from tests.desk.serving import Serving

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


class Hasty(Doorway):
    """The same door with less time."""

    head_s = 0.2


@contextmanager
def door() -> Iterator[int]:
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("served"))])
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        config = uvicorn.Config(app, http=Hasty, log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def said(port: int, *pieces: bytes) -> bytes:
    """Send these and read until the other side ends it; a reset is an end as well."""
    found = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            while more := connection.recv(1 << 16):
                found += more
        except ConnectionError:
            pass
    return found


@pytest.mark.parametrize(
    "pieces", [(), (b"GET",), (GET, b"X: "), (GET + b"\r\n", GET)], ids=["silent", "word", "half", "second"]
)
def test_a_head_that_does_not_come_ends_the_connection(pieces: tuple[bytes, ...]) -> None:
    with door() as port:
        assert said(port, *pieces).count(b"served") == (1 if GET + b"\r\n" in pieces else 0)


def test_many_that_say_nothing_keep_nobody_out() -> None:
    with door() as port, ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=20)))
        assert said(port, GET + b"Connection: close\r\n\r\n").endswith(b"served")


@pytest.mark.parametrize("over", [False, True], ids=["within", "beyond"])
def test_a_desk_takes_a_head_within_its_size_and_none_beyond(tmp_path: Path, over: bool) -> None:
    length = HEAD_BYTES_MAX if over else HEAD_BYTES_MAX - 200
    with Serving(town.write(tmp_path), tmp_path / "state") as desk:
        for port in (desk.public, desk.staff):
            whole = said(port, GET + b"Connection: close\r\nX: " + b"a" * length + b"\r\n\r\n")
            assert whole.startswith(b"HTTP/1.1 400 " if over else b"HTTP/1.1 200 "), whole[:80]
            address = b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert said(port, address).startswith(b"HTTP/1.1 400 " if over else b"HTTP/1.1 404 ")
        if over:
            assert len(said(desk.public, GET, *[b"X-%d: " % n + b"a" * 60_000 for n in range(40)])) < 500
        assert desk.ask("/", public=True).status == 200
