"""The protocol of MySQL and MariaDB, as much of it as reading takes: log in, ask, rows as texts.

https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html. PyMySQL would cost 9 MB and 50 ms to
load. A password goes out only as a proof, or in TLS, or within the host.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NoReturn

from model.plugin import Deadline
from probes.net.connect import Unhealthy
from probes.net.trust import TlsConfig
from probes.service.wire import Refused, Server, Wire, connected, printable

SESSION_BYTES_MAX: Final = 4 << 20
ROWS_MAX: Final = 5000
COLUMNS_MAX: Final = 200
_PACKET_BYTES_MAX: Final = 1 << 20
_STEPS_MAX: Final = 8

_LONG_PASSWORD, _TLS, _PROTOCOL_41, _SECURE, _PLUGIN_AUTH = 1, 1 << 11, 1 << 9, 1 << 15, 1 << 19
_WANTED: Final = _LONG_PASSWORD | _PROTOCOL_41 | _SECURE | _PLUGIN_AUTH
_UTF8: Final = 33
_OK, _MORE, _SWITCH, _ERROR = b"\x00", b"\x01", b"\xfe", b"\xff"
_FAST_DONE, _FAST_FAILED = b"\x03", b"\x04"
_NULL: Final = 0xFB
_SIZES: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_BROKEN: Final = frozenset({1040, 1053, 1129, 1037, 1038, 1041, 1203, 1317, 1969, 3024})
"""Numbers of errors of a server that fails everybody: full, stopping, blocked, out of memory, too slow."""

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks."""

    user: str
    password: bytes = b""
    tls: TlsConfig | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the server says first: who it is, what it can, and its challenge."""

    version: str
    abilities: int
    challenge: bytes
    plugin: bytes


def parse_greeting(packet: bytes) -> Greeting:
    """Return the greeting of protocol 10, or raise ``Unhealthy``."""
    version, zero, rest = packet[1:].partition(b"\0")
    if packet[:1] != b"\x0a" or not zero or len(rest) < 31:
        raise Unhealthy(f"the server does not speak MySQL's protocol: {packet[:40]!a}")
    low, _, _, high, size = struct.unpack("<HBHHB", rest[13:21])
    tail = rest[31:]
    more = max(13, size - 8)
    challenge = (rest[4:12] + tail[:more])[:20]
    if len(challenge) < 20:
        raise Unhealthy("the server's challenge is too short")
    return Greeting(
        version.decode("utf-8", "replace"), low | high << 16, challenge, tail[more:].partition(b"\0")[0]
    )


class Session:
    """An open session."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._number = 0
        self.version = ""

    def log_in(self, server: Server, login: Login) -> None:
        """Begin the session."""
        packet = self._receive()
        if packet[:1] == _ERROR:
            _complain(packet)
        greeting = parse_greeting(packet)
        self.version = greeting.version
        abilities = _WANTED
        if login.tls is not None:
            if not greeting.abilities & _TLS:
                raise Refused("the server does not offer TLS; configure it there, or leave out tls:")
            abilities |= _TLS
            self._send(_head(abilities))
            self._wire.start_tls(server.host, login.tls)
        plugin = greeting.plugin or b"mysql_native_password"
        proof = self._proof(plugin, login.password, greeting.challenge, first=True)
        user = login.user.encode() + b"\0"
        self._send(_head(abilities) + user + bytes([len(proof)]) + proof + plugin + b"\0")
        self._prove(plugin, login.password)

    def rows(self, query: str) -> tuple[tuple[str, ...], list[Row]]:
        """Return the names of the columns and the rows that a query yields."""
        self._number = 0
        self._send(b"\x03" + query.encode())
        first = self._receive()
        if first[:1] == _ERROR:
            _complain(first)
        count, _ = _integer(first, 0)
        if not 0 < count <= COLUMNS_MAX:
            raise Unhealthy(f"the server answers with {count} columns")
        names = tuple(_column(self._receive()) for _ in range(count))
        if not _is_end(self._receive()):
            raise Unhealthy("the server names more columns than it announced")
        rows: list[Row] = []
        while not _is_end(packet := self._receive()):
            if packet[:1] == _ERROR:
                _complain(packet)
            rows.append(_row(packet, count))
            if len(rows) > ROWS_MAX:
                raise OverflowError(f"the server answers with more than {ROWS_MAX} rows")
        return names, rows

    def _prove(self, plugin: bytes, password: bytes) -> None:
        """Answer what the server asks until it says that it knows us."""
        for _ in range(_STEPS_MAX):
            packet = self._receive()
            kind, rest = packet[:1], packet[1:]
            if kind == _OK:
                return
            if kind == _ERROR:
                _complain(packet)
            elif kind == _SWITCH:
                plugin, _, challenge = rest.partition(b"\0")
                self._send(self._proof(plugin, password, challenge.rstrip(b"\0")[:20], first=False))
            elif kind == _MORE and rest[:1] == _FAST_FAILED:
                self._send(self._clear(password))
            elif kind != _MORE or rest[:1] != _FAST_DONE:
                raise Unhealthy("the server's question for the password is malformed")
        raise Unhealthy("the server asks for the password without end")

    def _proof(self, plugin: bytes, password: bytes, challenge: bytes, *, first: bool) -> bytes:
        if not password or plugin in (b"auth_socket", b"unix_socket"):
            return b""
        from probes.service import myproof  # noqa: PLC0415  # only who must prove something loads hashlib

        if plugin == b"mysql_native_password":
            return myproof.native(password, challenge)
        if plugin == b"caching_sha2_password":
            return myproof.caching_sha2(password, challenge)
        if first:  # The server may prefer one that our user does not have; it will name that.
            return b""
        if plugin == b"mysql_clear_password":
            return self._clear(password)
        raise Refused(f"the server wants {printable(plugin)}, a proof that this probe cannot give")

    def _clear(self, password: bytes) -> bytes:
        if not self._wire.secret:
            raise Refused("the server wants the password in the clear; use tls: or its unix socket")
        return password + b"\0"

    def _send(self, body: bytes) -> None:
        self._wire.send(len(body).to_bytes(3, "little") + bytes([self._number]) + body)
        self._number = (self._number + 1) & 0xFF

    def _receive(self) -> bytes:
        head = self._wire.exactly(4)
        size = int.from_bytes(head[:3], "little")
        if not 0 < size <= _PACKET_BYTES_MAX:
            raise Unhealthy("the server does not speak MySQL's protocol")
        self._number = (head[3] + 1) & 0xFF
        return self._wire.exactly(size)

    def end(self) -> None:
        """Say that nothing more will be asked."""
        self._number = 0
        self._send(b"\x01")


@contextmanager
def session(server: Server, login: Login, deadline: Deadline) -> Iterator[Session]:
    """Open a session, and end it afterwards."""
    with connected(server, deadline, SESSION_BYTES_MAX) as wire:
        one = Session(wire)
        one.log_in(server, login)
        yield one
        one.end()


def _head(abilities: int) -> bytes:
    return struct.pack("<IIB23x", abilities, _PACKET_BYTES_MAX, _UTF8)


def _is_end(packet: bytes) -> bool:
    return packet[:1] == _SWITCH and len(packet) < 9


def _integer(packet: bytes, at: int) -> tuple[int, int]:
    """Return a length-encoded integer and where the next value stands; -1 is NULL."""
    first = packet[at] if at < len(packet) else 0xFF
    if first < _NULL:
        return first, at + 1
    if first == _NULL:
        return -1, at + 1
    size = _SIZES.get(first, 0)
    if not size or at + 1 + size > len(packet):
        raise Unhealthy("the server sends a value that is cut short")
    return int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size


def _text(packet: bytes, at: int) -> tuple[str | None, int]:
    size, at = _integer(packet, at)
    if size > len(packet) - at:
        raise Unhealthy("the server sends a value that is cut short")
    return (None if size < 0 else packet[at : at + size].decode("utf-8", "replace")), at + max(size, 0)


def _column(packet: bytes) -> str:
    """Return the name in a column's definition: it is the fifth text of it."""
    at, name = 0, None
    for _ in range(5):
        name, at = _text(packet, at)
    return name or ""


def _row(packet: bytes, count: int) -> Row:
    columns: list[str | None] = []
    at = 0
    for _ in range(count):
        text, at = _text(packet, at)
        columns.append(text)
    return tuple(columns)


def _complain(packet: bytes) -> NoReturn:
    """Raise what an error means: a server that fails everybody, or one that will not have us."""
    number = int.from_bytes(packet[1:3], "little")
    words = packet[3:]
    text = printable(words[6:] if words[:1] == b"#" else words) or "no reason given"
    if number in _BROKEN:
        raise Unhealthy(f"the server says: {text}")
    raise Refused(f"the server refuses: {text}")
