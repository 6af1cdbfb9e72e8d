"""PostgreSQL's protocol 3.0, as much of it as reading takes: one session, simple queries, rows as texts.

https://www.postgresql.org/docs/current/protocol.html. A library would do: psycopg costs 26 MB and 0.3 s to
load, pg8000 18 MB and 0.2 s; a session that only asks is 200 lines.
"""

from __future__ import annotations

import binascii
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from model.plugin import Deadline
from probes.net.connect import Unhealthy
from probes.net.trust import TlsConfig
from probes.service.wire import Refused, Server, Wire, connected, printable

if TYPE_CHECKING:
    from probes.service.scram import Proof

SESSION_BYTES_MAX: Final = 8 << 20
MESSAGE_BYTES_MAX: Final = 1 << 20
ROWS_MAX: Final = 5000
_MESSAGES_MAX: Final = 200  # of one kind of talk that has no rows
_TLS_REQUEST: Final = 80877103
_VERSION: Final = 3 << 16
_BOUNDED: Final = (
    "SET default_transaction_read_only = on; SET statement_timeout = '10s'; SET lock_timeout = '1s'"
)

_OK, _CLEAR, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_MECHANISM: Final = b"SCRAM-SHA-256"
_BROKEN: Final = frozenset(
    {
        b"53000",
        b"53100",
        b"53200",
        b"53300",
        b"57014",
        b"57P01",
        b"57P02",
        b"57P03",
        b"58000",
        b"58030",
        b"XX000",
    }
)
"""SQL states of a server that fails everybody: full, too slow, starting, stopping, out of memory or disk."""

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks, in which database."""

    user: str
    database: str
    password: bytes = b""
    tls: TlsConfig | None = None


@dataclass(slots=True)
class Session:
    """An open session that only reads; ``version`` is the server's major version."""

    wire: Wire
    version: int = 0

    def rows(self, query: str) -> list[Row]:
        """Return the rows that a query yields; raises ``Refused`` where the server will not."""
        self.wire.send(_message(b"Q", query.encode() + b"\0"))
        rows: list[Row] = []
        for kind, body in self._messages():
            if kind == b"D":
                rows.append(_row(body))
                if len(rows) > ROWS_MAX:
                    raise OverflowError(f"the server answers with more than {ROWS_MAX} rows")
            elif kind == b"E":
                _complain(body)
            elif kind == b"Z":
                return rows
        raise Unhealthy("the server answers without end")

    def log_in(self, login: Login) -> None:
        """Begin the session."""
        words = {"user": login.user, "database": login.database, "application_name": "beforehand"}
        pairs = b"".join(part.encode() + b"\0" for pair in words.items() for part in pair)
        self.wire.send(_message(b"", struct.pack("!i", _VERSION) + pairs + b"\0"))
        questions = _Questions(login, self.wire.secret, binascii.b2a_base64(os.urandom(18), newline=False))
        for kind, body in self._messages():
            if kind == b"R":
                answer = questions.answer(int.from_bytes(body[:4], "big"), body[4:])
                if answer is not None:
                    self.wire.send(_message(b"p", answer))
            elif kind == b"E":
                _complain(body)
            elif kind == b"S" and body.startswith(b"server_version\0"):
                self.version = _major(body[15:])
            elif kind == b"Z":
                return
        raise Unhealthy("the server greets without end")

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        for _ in range(ROWS_MAX + _MESSAGES_MAX):
            kind, size = struct.unpack("!cI", self.wire.exactly(5))
            if not kind.isalpha() or not 4 <= size <= MESSAGE_BYTES_MAX:
                raise Unhealthy("the server does not speak PostgreSQL's protocol")
            yield kind, self.wire.exactly(size - 4)


@contextmanager
def session(server: Server, login: Login, deadline: Deadline) -> Iterator[Session]:
    """Open a session, and end it afterwards; no query in it writes, or runs for more than ten seconds."""
    with connected(server, deadline, SESSION_BYTES_MAX) as wire:
        if login.tls is not None:
            wire.send(struct.pack("!ii", 8, _TLS_REQUEST))
            if wire.exactly(1) != b"S":
                raise Refused("the server does not offer TLS; configure it there, or leave out tls:")
            wire.start_tls(server.host, login.tls)
        one = Session(wire)
        one.log_in(login)
        one.rows(_BOUNDED)
        yield one
        wire.send(_message(b"X", b""))


@dataclass(slots=True)
class _Questions:
    """Answers what the server asks to know who is there; a password leaves this host only in TLS."""

    login: Login
    secret: bool
    nonce: bytes
    proof: Proof | None = None

    def answer(self, kind: int, rest: bytes) -> bytes | None:
        """Return the answer to one question, None where none is due, or raise ``Refused``."""
        if kind == _OK:
            return None
        password = self.login.password
        if not password:
            raise Refused("the server wants a password; name a password_file")
        if kind == _CLEAR:
            if not self.secret:
                raise Refused("the server wants the password in the clear; use tls: or scram-sha-256")
            return password + b"\0"
        from probes.service import scram  # noqa: PLC0415  # only who must prove something loads hashlib

        if kind == _MD5:
            return scram.md5(self.login.user.encode(), password, rest) + b"\0"
        try:
            return self._scram(kind, rest)
        except scram.Unproved as wrong:
            raise Refused(str(wrong)) from None

    def _scram(self, kind: int, rest: bytes) -> bytes | None:
        from probes.service import scram  # noqa: PLC0415  # as above

        if kind == _SASL and _MECHANISM in rest.split(b"\0"):
            first = scram.first_message(self.nonce)
            return _MECHANISM + struct.pack("!xi", len(first)) + first
        if kind == _SASL_CONTINUE and self.proof is None:
            self.proof = scram.prove(self.login.password, self.nonce, rest)
            return self.proof.message
        if kind == _SASL_FINAL and self.proof is not None:
            scram.verify(self.proof, rest)
            return None
        raise Refused(f"the server wants a proof that this probe cannot give (number {kind})")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _row(body: bytes) -> Row:
    """Return the columns of a DataRow."""
    columns: list[str | None] = []
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        size = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if size > len(body) - at or at > len(body):
            raise Unhealthy("the server sends a row that is cut short")
        columns.append(None if size < 0 else body[at : at + size].decode("utf-8", "replace"))
        at += max(size, 0)
    return tuple(columns)


def _major(version: bytes) -> int:
    found = re.match(rb"[0-9]{1,3}", version)
    return int(found[0]) if found else 0


def _complain(body: bytes) -> NoReturn:
    """Raise what an ErrorResponse means: a server that fails everybody, or one that will not have us."""
    fields = {field[:1]: field[1:] for field in body.split(b"\0") if field}
    state, words = fields.get(b"C", b""), printable(fields.get(b"M", b"no reason given"))
    if state in _BROKEN:
        raise Unhealthy(f"the server says: {words}")
    raise Refused(f"the server refuses: {words}")
