"""Real targets on loopback: servers that answer as told, and certificates made on the spot."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from model.plugin import Deadline
from model.sample import Sample

WAIT_S = 5.0


@dataclass
class Connection:
    """One connection that a target took."""

    socket: socket.socket
    stopped: threading.Event

    def request(self) -> bytes:
        """Read one HTTP request with its body."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536) or b"\r\n\r\n"
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += self.socket.recv(65536)
        return head + b"\r\n\r\n" + body

    def reset(self) -> None:
        """End it by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Behaviour = Callable[[Connection], object]


@dataclass
class Target:
    """A listening server."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def listening(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[int]:
    """Serve one connection after the other; yields the port."""
    stopped = threading.Event()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:

        def serve() -> None:
            while not stopped.is_set():
                try:
                    accepted, _ = server.accept()
                except OSError:
                    return
                accepted.settimeout(WAIT_S)
                with suppress(OSError):
                    end = tls.wrap_socket(accepted, server_side=True) if tls else accepted
                    with end:
                        behaviour(Connection(end, stopped))
                accepted.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopped.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def answering(*answers: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Target]:
    """Serve HTTP: each connection gets the next of these answers, the last one for ever."""
    heard: list[bytes] = []

    def answer(connection: Connection) -> None:
        heard.append(connection.request())
        connection.socket.sendall(answers[min(len(heard), len(answers)) - 1])

    with listening(answer, tls) as port:
        yield Target(port, heard)


def page(body: bytes = b"hello", *fields: str, status: str = "200 OK") -> bytes:
    """Return a whole response."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def drip(connection: Connection, data: bytes = b"x" * 1000) -> None:
    """Send one byte every now and then."""
    for at in range(len(data)):
        if connection.stopped.wait(0.05):
            return
        connection.socket.sendall(data[at : at + 1])


def hang(connection: Connection) -> None:
    """Never say anything."""
    connection.stopped.wait(WAIT_S)


def unused_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def within(limit_s: float) -> Deadline:
    """Return a deadline so far from now."""
    return Deadline(time.monotonic() + limit_s, time.monotonic)


def values(samples: Iterable[object]) -> dict[str, float]:
    """Return each sample's value under its series as text; wishes are left out."""
    return {str(sample.labels): sample.value for sample in samples if isinstance(sample, Sample)}


@dataclass(frozen=True)
class Certificate:
    """A certificate that is its own authority."""

    path: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context

    def end_s(self) -> float:
        """Return the end of its validity as openssl tells it."""
        told = openssl("x509", "-in", str(self.path), "-noout", "-enddate")
        return ssl.cert_time_to_seconds(told.strip().partition("=")[2])


def openssl(*argv: str) -> str:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True, timeout=20).stdout


def certificate(folder: Path, name: str, days: int) -> Certificate:
    """Make a certificate for this name (like IP:127.0.0.1), valid for so many days from now."""
    key, request, path, extension = (folder / part for part in ("key", "request", "certificate", "extension"))
    extension.write_text(f"subjectAltName={name}\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-new", *curve, "-keyout", str(key), "-subj", "/CN=target", "-out", str(request))
    own = ("-req", "-in", str(request), "-key", str(key), "-extfile", str(extension))
    openssl("x509", *own, "-days", str(days), "-out", str(path))
    return Certificate(path, key)
