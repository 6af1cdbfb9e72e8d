"""Real servers of the system's packages, private to one test and ended with it; and odd servers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from model.plugin import Remark
from model.sample import Sample
from tests.probes.targets import Behaviour, Connection

START_S = 40.0
Seen = Iterable[object]


def program(name: str) -> str:
    """Return the path of a program that the test's mark says is needed."""
    found = shutil.which(name)
    assert found is not None
    return found


@contextmanager
def running(argv: list[str], folder: Path, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the foreground; its words go to a file in the folder."""
    with (folder / "said").open("ab") as said:
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder, **how)
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def until(happened: Callable[[], bool], what: str = "it") -> None:
    """Wait until it happened, for as long as a loaded machine may need."""
    end = time.monotonic() + START_S
    while not happened():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Tell whether somebody listens there."""
    with socket.socket() as end:
        end.settimeout(1)
        return end.connect_ex(("127.0.0.1", port)) == 0


def takes(path: Path) -> bool:
    """Tell whether somebody listens at this unix socket."""
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(1)
        return end.connect_ex(str(path)) == 0


@contextmanager
def at_path(path: Path, behaviour: Behaviour) -> Iterator[None]:
    """Serve one connection after the other at a unix socket."""
    stopped = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while not stopped.is_set():
                try:
                    accepted, _ = server.accept()
                except OSError:
                    return
                accepted.settimeout(5)
                with suppress(OSError), accepted:
                    behaviour(Connection(accepted, stopped))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def garbage(connection: Connection) -> None:
    """Speak another protocol."""
    connection.socket.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    connection.socket.recv(1)


def endless(connection: Connection) -> None:
    """Send noise for as long as the other end listens."""
    while not connection.stopped.is_set():
        connection.socket.sendall(b"\xff" * 65536)


def cut(connection: Connection) -> None:
    """Hang up at once."""
    connection.socket.recv(1)


def saying(*parts: bytes) -> Behaviour:
    """Send one part after each message, then hang up."""

    def say(connection: Connection) -> None:
        for part in parts:
            connection.socket.recv(65536)
            connection.socket.sendall(part)
        connection.socket.recv(65536)

    return say


def by_name(seen: Seen) -> dict[str, float]:
    """Return each sample's value under its series as text."""
    return {str(one.labels): one.value for one in seen if isinstance(one, Sample)}


def remarks(seen: Seen) -> list[str]:
    """Return the words of a run."""
    return [one.text for one in seen if isinstance(one, Remark)]
