"""What is said to a server in the clear before TLS begins, for each protocol that begins so.

Lines are those of RFC 3207 (SMTP), 3501 (IMAP), 2595 (POP3), 4217 (FTP), 4642 (NNTP), 5804 (sieve) and 6120
(XMPP); the messages those of LDAP (RFC 4511, 4.14) and of PostgreSQL's and MySQL's own protocols.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from model.conversation import Conversation
from probes.net.connect import Connection, Unhealthy

StartTls = Literal[
    "none", "smtp", "lmtp", "imap", "pop3", "ftp", "nntp", "sieve", "xmpp", "ldap", "postgres", "mysql"
]

ANSWER_BYTES_MAX: Final = 65536
_POSTGRES_ASK: Final = bytes.fromhex("00000008 04d2162f")
_LDAP_ASK: Final = bytes.fromhex("301d 020101 7718 8016") + b"1.3.6.1.4.1.1466.20037"
_LDAP_DONE: Final = re.compile(rb"\x0a\x01(.)", re.DOTALL)
_MYSQL_TLS: Final = 0x0800
_MYSQL_ASK: Final = bytes.fromhex("20000001 008a0000 00000001 2d") + bytes(23)
_MYSQL_VERSION: Final = 10

# What is awaited and what is then sent, in turn; each pattern ends where its answer does.
_LINES: Final[dict[str, tuple[tuple[bytes, bytes], ...]]] = {
    "smtp": ((rb"220 .*\n", b"EHLO beforehand\r\n"), (rb"250 .*\n", b"STARTTLS\r\n"), (rb"220 .*\n", b"")),
    "lmtp": ((rb"220 .*\n", b"LHLO beforehand\r\n"), (rb"250 .*\n", b"STARTTLS\r\n"), (rb"220 .*\n", b"")),
    "imap": ((rb"\* OK.*\n", b"a STARTTLS\r\n"), (rb"a OK.*\n", b"")),
    "pop3": ((rb"\+OK.*\n", b"STLS\r\n"), (rb"\+OK.*\n", b"")),
    "ftp": ((rb"220 .*\n", b"AUTH TLS\r\n"), (rb"234 .*\n", b"")),
    "nntp": ((rb"20[01] .*\n", b"STARTTLS\r\n"), (rb"382 .*\n", b"")),
    "sieve": ((rb"OK.*\n", b"STARTTLS\r\n"), (rb"OK.*\n", b"")),
}
# What a server says instead of an answer that was awaited.
_REFUSED: Final = re.compile(rb"(?m)^(?:[45]\d\d[ -]|-ERR|a (?:NO|BAD)|NO|BYE).*\n")


def start(protocol: StartTls, host: str, connection: Connection) -> Conversation[None]:
    """Bring the connection to where TLS begins, or raise ``Unhealthy``."""
    if protocol in _LINES:
        yield from _by_lines(protocol, connection)
    elif protocol == "xmpp":
        yield from _xmpp(host, connection)
    elif protocol == "ldap":
        yield from _ldap(connection)
    elif protocol == "postgres":
        yield from connection.send(_POSTGRES_ASK)
        if (yield from connection.take_exactly(1)) != b"S":
            raise Unhealthy("the server does not offer TLS")
    elif protocol == "mysql":
        yield from _mysql(connection)


def _by_lines(protocol: str, connection: Connection) -> Conversation[None]:
    for awaited, sent in _LINES[protocol]:
        end = re.compile(rb"(?m)^(?:" + awaited + rb")|" + _REFUSED.pattern.removeprefix(b"(?m)"))
        said = yield from connection.take_until(end, ANSWER_BYTES_MAX)
        if said is None or not re.search(rb"(?m)^" + awaited + rb"\Z", said):
            last = (said or connection.rest()).rstrip().rpartition(b"\n")[2]
            raise Unhealthy(f"the server does not offer TLS: {last[:80]!a}")
        if sent:
            yield from connection.send(sent)


def _xmpp(host: str, connection: Connection) -> Conversation[None]:
    stream = (
        f"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{host}'"
        " version='1.0'>"
    )
    yield from connection.send(stream.encode())
    offered = yield from connection.take_until(re.compile(rb"</stream:features>"), ANSWER_BYTES_MAX)
    if offered is None or b"urn:ietf:params:xml:ns:xmpp-tls" not in offered:
        raise Unhealthy("the server does not offer TLS")
    yield from connection.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    if (yield from connection.take_until(re.compile(rb"<proceed[^>]*>"), ANSWER_BYTES_MAX)) is None:
        raise Unhealthy("the server does not offer TLS")


def _ldap(connection: Connection) -> Conversation[None]:
    yield from connection.send(_LDAP_ASK)
    head = yield from connection.take_exactly(2)
    if len(head) < 2 or head[0] != 0x30:
        raise Unhealthy("the server does not answer as LDAP")
    size = head[1]
    if size & 0x80:
        octets = yield from connection.take_exactly(min(size & 0x7F, 4))
        size = min(int.from_bytes(octets, "big"), ANSWER_BYTES_MAX)
    result = _LDAP_DONE.search((yield from connection.take_exactly(size)))
    if result is None or result[1] != b"\0":
        raise Unhealthy("the server does not offer TLS")


def _mysql(connection: Connection) -> Conversation[None]:
    head = yield from connection.take_exactly(4)
    greeting = yield from connection.take_exactly(int.from_bytes(head[:3], "little"))
    version, _, rest = greeting.partition(b"\0")
    # After the version's text: thread (4), salt (8), a zero, and the lower half of what the server can do.
    able = int.from_bytes(rest[13:15], "little")
    if version[:1] != bytes((_MYSQL_VERSION,)) or not able & _MYSQL_TLS:
        raise Unhealthy("the server does not offer TLS")
    yield from connection.send(_MYSQL_ASK)
