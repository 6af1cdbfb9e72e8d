"""A mail server that takes everything and keeps nothing, and how fast it can be at all."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tests.e2e.servers import program

BACKLOG = "100"
_ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"


@contextmanager
def sink() -> Iterator[int]:
    """Run Postfix's smtp-sink; yield its port."""
    path = program("smtp-sink")
    assert path, "smtp-sink is not installed; it comes with postfix"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    argv = [path, "-u", "nobody", f"127.0.0.1:{port}", BACKLOG]
    with subprocess.Popen(argv) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.kill()


def _wait(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError("smtp-sink does not listen")


def limit(port: int, connections: int, mails: int, data: bytes) -> float:
    """Return how many mails a second it takes of a client that only repeats one, pipelined."""
    each = mails // connections
    begun_s = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(partial(_repeat, mails=each, data=data), [port] * connections))
    return each * connections / (time.monotonic() - begun_s)


def _repeat(port: int, mails: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as raw, raw.makefile("rb") as answers:
        answers.readline()
        raw.sendall(b"EHLO bench\r\n")
        while answers.readline()[3:4] == b"-":
            pass
        for _ in range(mails):
            raw.sendall(_ENVELOPE)
            for _ in range(3):
                answers.readline()
            raw.sendall(data + b".\r\n")
            answers.readline()
