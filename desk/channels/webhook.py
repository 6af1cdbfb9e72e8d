"""Webhooks in the form of Standard Webhooks: signed, without redirects, never into a network of our own.

A customer names the address, so the desk would be a way into its own network if it believed names: the
address is resolved once, looked at, and then that very address is connected to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

import urllib3

from desk.catalogue.person import printable
from model.duration import Duration, seconds
from model.plugin import Channel, Deadline, DeadlinePassed, Event, Line, Message, Undelivered

BODY_BYTES_MAX: Final = 20_000
REPLY_BYTES_MAX: Final = 1_024
REPLY_CHARACTERS_MAX: Final = 200
ADDRESSES_MAX: Final = 8

PLAIN: Final = Event("notice.sent", ())

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_PORTS: Final = {"https": 443, "http": 80}
# 4xx that may pass: asked too early, too often, too slowly, or at once with somebody else.
_PASSING: Final = frozenset({408, 409, 425, 429})
# Who is asked too much says for how long it wants peace (RFC 9110, 10.2.3; RFC 6585, 4).
_BUSY: Final = frozenset({429, 503})
_GONE: Final = 410
RETRY_AFTER_S_MAX: Final = 3_600


@dataclass(frozen=True, slots=True)
class Options:
    """What signs, what the time is, and where it may go although nobody outside can: ``HOST:PORT`` each."""

    secret: bytes = field(repr=False)
    now_s: Callable[[], float]
    inside: frozenset[str] = frozenset()
    timeout: Duration = seconds(15)


class Forbidden(Exception):
    """An address that nothing is sent to; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Way:
    """An address that was looked at: the URL, and where its host really is."""

    url: SplitResult
    host: str
    port: int
    address: str


def secret_of(secret: bytes, url: str) -> bytes:
    """Return what signs for one address, so that no customer can sign for another."""
    return hmac.new(secret, b"webhook " + url.encode(), hashlib.sha256).digest()


def shown(secret: bytes) -> str:
    """Return a secret in the form in which receivers are given it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret: bytes, key: str, at_s: int, body: bytes) -> str:
    """Return the header ``webhook-signature`` (Standard Webhooks, symmetric)."""
    signed = f"{key}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def key_of(message: Message) -> str:
    """Return the header ``webhook-id``: the same on every try, and without a dot."""
    return "msg_" + hashlib.sha256(message.id.encode()).hexdigest()[:32]


def body_of(message: Message) -> bytes:
    """Return what is posted; a text that is too long is cut."""
    at = datetime.fromtimestamp(message.written_ms / 1000, UTC).isoformat(timespec="milliseconds")
    event = message.event or PLAIN
    data = {"title": message.subject, "text": message.text, "language": message.language, **dict(event.facts)}
    told = {"type": event.type, "timestamp": at.replace("+00:00", "Z"), "data": data}
    body = json.dumps(told, ensure_ascii=False).encode()
    if len(body) <= BODY_BYTES_MAX:
        return body
    # A character may take six bytes where it is escaped.
    data["text"] = message.text[: BODY_BYTES_MAX // 8] + "…"
    return json.dumps(told, ensure_ascii=False).encode()


def way_to(text: str, inside: frozenset[str], resolve: Callable[[str, int], Iterable[str]]) -> Way:
    """Return where an address leads, or raise ``Forbidden``; each address of a name must be one outside."""
    try:
        url = urlsplit(text)
        port = url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        raise Forbidden("it is no address") from None
    host = url.hostname or ""
    known = f"{host}:{port}" in inside
    if url.username is not None or url.password is not None or not host or not port:
        raise Forbidden("it is no address for webhooks")
    if url.scheme != "https" and not known:
        raise Forbidden("only https is spoken to strangers")
    found = list(resolve(host, port))[:ADDRESSES_MAX]
    if not found:
        raise Undelivered(f"the host {printable(host)[:80]} has no address")
    if not known and not all(map(_is_outside, found)):
        raise Forbidden("its host is in a network that is not the world's")
    return Way(url, host, port, found[0])


def _is_outside(text: str) -> bool:
    """Tell whether an address is the world's; so must be the IPv4 address that one of IPv6 may stand for."""
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = address
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or address
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return all(one.is_global and not one.is_multicast for one in (address, inner))


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as this machine's resolver knows them."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(place[0]) for *_, place in found]


@dataclass(frozen=True, slots=True)
class _Post:
    """A line to any number of addresses, a connection for each message."""

    options: Options

    def say(self, message: Message, deadline: Deadline) -> str:
        """Post one message and return the answer, or raise ``Undelivered``."""
        try:
            way = way_to(message.to, self.options.inside, resolved)
        except Forbidden as wrong:
            raise Undelivered(f"nothing is sent there: {wrong}", permanent=True) from None
        body, at_s = body_of(message), int(self.options.now_s())
        key, secret = key_of(message), secret_of(self.options.secret, message.to)
        headers = {
            "Host": way.url.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "User-Agent": "Beforehand",
            "webhook-id": key,
            "webhook-timestamp": str(at_s),
            "webhook-signature": signature(secret, key, at_s, body),
        }
        left_s = min(deadline.left_s(), self.options.timeout.s)
        path = (way.url.path or "/") + (f"?{way.url.query}" if way.url.query else "")
        with _pool(way, left_s) as pool:
            return _posted(pool, path, body, headers, at_s)

    def close(self) -> None:
        """Do nothing: no connection is kept."""


def _pool(way: Way, left_s: float) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(total=left_s)
    if way.url.scheme == "https":
        return urllib3.HTTPSConnectionPool(
            way.address, way.port, timeout=timeout, server_hostname=way.host, assert_hostname=way.host
        )
    return urllib3.HTTPConnectionPool(way.address, way.port, timeout=timeout)


def wait_s(header: str, now_s: float) -> float:
    """Return how long the header ``Retry-After`` asks to wait, an hour at most; 0 where it says nothing.

    It is a number of seconds or a date (RFC 9110, 10.2.3).
    """
    text = header.strip()
    if text.isascii() and text.isdecimal():
        # Whatever has more digits is beyond the limit anyway.
        return float(min(int(text[:12]), RETRY_AFTER_S_MAX))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    asked_s = at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now_s
    return min(max(asked_s, 0.0), RETRY_AFTER_S_MAX)


def _posted(
    pool: urllib3.HTTPConnectionPool, path: str, body: bytes, headers: dict[str, str], now_s: float
) -> str:
    try:
        answer = pool.urlopen(
            "POST", path, body, headers, retries=False, redirect=False, preload_content=False
        )
        words = answer.read(REPLY_BYTES_MAX, decode_content=False)
        answer.release_conn()
    except DeadlinePassed:
        raise
    except urllib3.exceptions.ReadTimeoutError:
        raise Undelivered("it took the message and did not answer in time", unknown=True) from None
    except (urllib3.exceptions.HTTPError, OSError) as wrong:
        sentence = printable(str(wrong))[:REPLY_CHARACTERS_MAX]
        raise Undelivered(f"it cannot be reached: {sentence}") from None
    said = printable(f"{answer.status} {words.decode('utf-8', 'replace')}")[:REPLY_CHARACTERS_MAX]
    if 200 <= answer.status < 300:
        return said
    if 300 <= answer.status < 400:
        raise Undelivered(f"it leads elsewhere, and nobody follows: {said}", permanent=True)
    raise Undelivered(
        f"it answered {said}",
        permanent=400 <= answer.status < 500 and answer.status not in _PASSING,
        gone=answer.status == _GONE,
        after_s=wait_s(answer.headers.get("Retry-After", ""), now_s) if answer.status in _BUSY else 0.0,
    )


def open_line(options: Options) -> Line:
    """Return a line that posts to whatever address a message is for."""
    return _Post(options)


CHANNEL = Channel("webhook", Options, open_line)
