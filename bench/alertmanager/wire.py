"""The client of the measurements: one connection that stays open, and as little of its own as can be."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Final

from tests.e2e.ports import LOOPBACK

ANSWER_S: Final = 60.0


def request(port: int, path: str, body: bytes) -> bytes:
    """Return a post as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """Asks and waits for the answer; a context manager."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = socket.create_connection((LOOPBACK, port), timeout=ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask for a path; return the status and the body."""
        return self.send(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{self.port}\r\n\r\n".encode())

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Post JSON; return the status and the body."""
        return self.send(request(self.port, path, body))

    def send(self, wire: bytes) -> tuple[int, bytes]:
        """Send a whole request; return the status and the body of the answer."""
        self._socket.sendall(wire)
        status = int(self._file.readline().split()[1])
        length, chunked = 0, False
        for line in iter(self._file.readline, b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            chunked = chunked or (name.lower() == b"transfer-encoding" and b"chunked" in value)
        return status, self._chunks() if chunked else self._file.read(length)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            self._file.readline()
        self._file.readline()
        return body
