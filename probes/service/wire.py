"""The way to a server that has a protocol of its own: TCP or a unix socket, bytes in and out by one deadline.

What the server does wrong is raised as ``Unhealthy``. That it refuses us is ``Refused``: then it answers
those who may ask, but for us it is unknown.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from model.conversation import Address, Sockaddr
from model.labels import EMPTY
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed, Remark
from model.sample import LABEL_BYTES_MAX, Metric, Sample
from probes.net.address import Endpoint
from probes.net.connect import Unhealthy, resolve, sooner
from probes.net.trust import TlsConfig, client_context

SECRET_BYTES_MAX: Final = 4096
SAID_CHARS_MAX: Final = 200
SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of unix(7), without the zero byte
LINE_BYTES_MAX: Final = 65536

_RECEIVE_BYTES: Final = 65536
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class Refused(Exception):
    """The server answers, but not to us; the sentence says what to grant or to mend."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens: a host with a port, or the path of a unix socket."""

    endpoint: Endpoint | None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Server:
        """Read ``host:port``, ``[IPv6 address]:port`` or an absolute path."""
        if not text.startswith("/"):
            return cls(Endpoint.parse(text))
        if "\0" in text or len(os.fsencode(text)) > SOCKET_PATH_BYTES_MAX:
            cure = f"keep it within {SOCKET_PATH_BYTES_MAX} bytes"
            raise Misfit(f"{text[:80]!r} cannot be the path of a socket", cure)
        return cls(None, text)

    @property
    def host(self) -> str:
        """The name or address that a certificate must be for."""
        return self.endpoint.host if self.endpoint else "localhost"

    def __str__(self) -> str:
        return str(self.endpoint) if self.endpoint else self.path


def read_secret(path: str) -> bytes:
    """Return the first line of a file, like a password; nothing where no file is named, else an OSError."""
    if not path:
        return b""
    with open(path, "rb") as file:  # noqa: PTH123  # a Path costs more than the read, in every run
        return file.read(SECRET_BYTES_MAX).split(b"\n", 1)[0].rstrip(b"\r")


def printable(said: bytes | str) -> str:
    """Return what a server said as a short text for a log or a remark."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return _UNPRINTABLE.sub(" ", text)[:SAID_CHARS_MAX]


def label(said: bytes | str) -> str:
    """Return what a server said as the value of a label, bounded."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return text[:LABEL_BYTES_MAX]


class Wire:
    """A connection to one server: it waits no longer than its deadline and takes at most ``bytes_max``."""

    def __init__(self, connected: socket.socket, deadline: Deadline, bytes_max: int) -> None:
        self._socket = connected
        self._deadline = deadline
        self._left = bytes_max
        self._buffer = bytearray()

    @property
    def secret(self) -> bool:
        """True where nobody between the ends can read what is sent: in TLS, or within this host."""
        return self._socket.family == socket.AF_UNIX or hasattr(self._socket, "cipher")

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def start_tls(self, host: str, config: TlsConfig) -> None:
        """Go on in TLS, which starts anew: what was read ahead in the clear is dropped."""
        self._buffer.clear()
        # Outside of the facts: an unreadable file of authorities is not the server's fault.
        context = client_context(config)
        with self._facts("the TLS handshake failed"):
            self._socket = context.wrap_socket(self._socket, server_hostname=config.server_name or host)

    def send(self, data: bytes) -> None:
        """Send everything; if the server hung up, what it said before is there to be read."""
        view = memoryview(data)
        while view:
            with self._facts("the connection broke"):
                try:
                    view = view[self._socket.send(view) :]
                except (BrokenPipeError, ConnectionResetError):
                    return

    def receive(self) -> bool:
        """Wait for more bytes; False when the server has no more."""
        with self._facts("the connection broke"):
            data = self._socket.recv(_RECEIVE_BYTES)
        self._left -= len(data)
        if self._left < 0:
            raise Unhealthy("the server sends without end")
        self._buffer += data
        return bool(data)

    def exactly(self, size: int) -> bytes:
        """Return the next bytes, so many."""
        if size > self._left + len(self._buffer):
            raise Unhealthy(f"the server announces {size} bytes, which is too much")
        while len(self._buffer) < size:
            if not self.receive():
                raise Unhealthy("the connection ended in the middle of an answer")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def until(self, end: bytes, size_max: int = LINE_BYTES_MAX) -> bytes:
        """Return the bytes before the next ``end``, which is taken as well."""
        searched = 0
        while (found := self._buffer.find(end, searched)) < 0:
            if len(self._buffer) > size_max:
                raise Unhealthy(f"the server sent {size_max} bytes where an end was due")
            searched = max(0, len(self._buffer) - len(end) + 1)
            if not self.receive():
                raise Unhealthy("the connection ended in the middle of an answer")
        data = bytes(self._buffer[:found])
        del self._buffer[: found + len(end)]
        return data

    def piece(self) -> bytes:
        """Return the bytes that came; none when the server has no more."""
        if not self._buffer:
            self.receive()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    @contextmanager
    def _facts(self, what: str) -> Iterator[None]:
        self._socket.settimeout(self._deadline.left_s())
        with facts(what):
            yield


@contextmanager
def facts(what: str) -> Iterator[None]:
    """Turn an error that the server caused into a fact about it; trouble of this side passes through."""
    try:
        yield
    except TimeoutError:
        raise DeadlinePassed from None
    except OSError as wrong:
        if isinstance(wrong, PermissionError) or wrong.errno in _OURS:
            raise
        raise Unhealthy(f"{what}: {wrong.strerror or wrong}") from None
    except ValueError as wrong:  # a name that no certificate can be for
        raise Unhealthy(f"{what}: {wrong}") from None


@contextmanager
def connected(server: Server, deadline: Deadline, bytes_max: int) -> Iterator[Wire]:
    """Connect, and end the connection afterwards; a name may block on its resolver."""
    found = resolve(server.endpoint) if server.endpoint else Address(socket.AF_UNIX, server.path)
    address = found.sockaddr
    raw = socket.socket(found.family, socket.SOCK_STREAM)
    wire = Wire(raw, deadline, bytes_max)
    try:
        raw.settimeout(deadline.left_s())
        with facts("the connection failed"):
            _connect(raw, server, address)
            # Where nobody listens, the kernel may pick that very port for this end and connect it to itself.
            if server.endpoint is not None and raw.getsockname() == address:
                raise Unhealthy("the connection failed: nobody listens")
        yield wire
    finally:
        wire.close()


def _connect(raw: socket.socket, server: Server, address: Sockaddr) -> None:
    try:
        raw.connect(address)
    except PermissionError:
        if server.endpoint is not None:
            raise
        raise Refused(f"this user may not open {server}; add it to the group that may") from None


def told(
    up: Metric, ask: Callable[[Deadline], Iterable[Sample]], deadline: Deadline
) -> Iterator[Sample | Remark]:
    """Yield that the server is up and all that it said; or that it is down, with the reason as a remark.

    Half an answer is none: what is missing in it would look like a trouble that is over.
    """
    try:
        samples = tuple(ask(sooner(deadline)))
    except Unhealthy as fact:
        yield from _down(up, str(fact))
    except DeadlinePassed:
        yield from _down(up, "the server did not answer in time")
    else:
        yield up(1)
        yield from samples


def _down(up: Metric, reason: str) -> Iterator[Sample | Remark]:
    yield up(0)
    yield Remark(EMPTY, printable(reason))
