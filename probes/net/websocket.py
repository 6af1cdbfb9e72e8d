"""WebSocket checks: upgrade, and if asked, talk message by message; told in blackbox_exporter's names."""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from model.conversation import Aside, Conversation
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.regex import Match
from model.sample import Metric, Sample
from probes.net.address import Url
from probes.net.blocking import hold
from probes.net.connect import COMMON, TLS, Connection, Trace, Unhealthy, connect, judged, sooner
from probes.net.credentials import Authorization, BasicAuth, HeaderValues, check_names
from probes.net.frames import CLOSE, PING, PONG, TEXT, BrokenFrame, Frames, accepted, masked
from probes.net.networks import Network
from probes.net.response import HEAD_BYTES_MAX, Head, parse_head
from probes.net.talk import Exchange, check_length
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.net.way import IpProtocol, Way

RECEIVED_BYTES_MAX: Final = 1 << 20
MESSAGE_BYTES_MAX: Final = 65536
FRAMES_MAX: Final = 1000
HANDSHAKE_OWN: Final = frozenset(
    {
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
    }
)

STATUS_CODE = Metric("probe_websocket_status_code", "The status code of the answer; 0 without one.")
UPGRADED = Metric("probe_websocket_connection_upgraded", "1 if the server agreed to speak WebSocket.")
FAILED_DUE_TO_REGEX = Metric(
    "probe_websocket_failed_due_to_regex", "1 if a message that came was not as expected."
)
PHASE = Metric("probe_websocket_duration_seconds", "Time by phase.", labels=("phase",))

_PHASES: Final = ("resolve", "connect", "processing", "transfer")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_SCHEME: Final = re.compile(r"(?i)ws(s?)://")


@dataclass(frozen=True, slots=True)
class WebSocketUrl:
    """A ws or wss URL; an http or https one means the same."""

    text: str
    url: Url

    @classmethod
    def parse(cls, text: str) -> WebSocketUrl:
        """Read the URL."""
        return cls(text, Url.parse(_SCHEME.sub(r"http\1://", text, count=1)))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Who asks for the upgrade, and how the server's certificate is judged."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TlsConfig = SYSTEM_TRUST


PLAIN: Final = HttpConfig()


@dataclass(frozen=True, slots=True)
class Options:
    """Where to ask for the upgrade and what to say then, with blackbox_exporter's keys.

    ``headers`` (each with ``values``, ``secrets`` and ``files``) and ``http_config`` go with the question.
    ``query_response`` is the talk: each ``expect`` is searched in the next message, and ``send`` is one.
    ``preferred_ip_protocol``, ``ip_protocol_fallback`` and ``refuse`` are those of the tcp probe.
    """

    target: WebSocketUrl
    http_config: HttpConfig = PLAIN
    headers: Mapping[str, HeaderValues] = field(default_factory=dict)
    query_response: tuple[Exchange, ...] = ()
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    refuse: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        check_names(self.headers, "headers")
        check_length(self.query_response)
        taken = HANDSHAKE_OWN.intersection(map(str.lower, self.headers))
        if taken - {"host"}:
            cure = "leave it out"
            raise Misfit(f"the header {min(taken)} is the handshake's own", cure, key="headers")
        if any(one.starttls or one.expect_bytes or one.labels for one in self.query_response):
            cure = "keep expect and send"
            raise Misfit("a message has no starttls, expect_bytes and labels", cure, key="query_response")

    @property
    def way(self) -> Way:
        """How the server is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, None, self.refuse)

    def question(self, key: str) -> bytes:
        """Return the bytes that ask for the upgrade; an OSError if a file is not there."""
        url, shown = self.target.url, self.http_config.basic_auth or self.http_config.authorization
        fields = [("host", url.authority)] if "host" not in map(str.lower, self.headers) else []
        fields += [("user-agent", "Beforehand"), ("upgrade", "websocket"), ("connection", "Upgrade")]
        fields += [("sec-websocket-key", key), ("sec-websocket-version", "13")]
        fields += [("authorization", shown.header())] if shown else []
        fields += [(name.lower(), value) for name, values in self.headers.items() for value in values.each()]
        lines = (f"GET {url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", "")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class Seen:
    """What one run saw."""

    trace: Trace
    status: int = 0
    upgraded: bool = False
    failed_due_to_regex: bool = False


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield whether the server upgraded and said what was expected."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Upgrade and talk; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterator[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    seen = yield from _looking(options, deadline)
    return samples(seen)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    key = binascii.b2a_base64(os.urandom(16), newline=False).decode()
    question = yield Aside(partial(options.question, key))
    assert isinstance(question, bytes), "that is what was asked for"
    with judged(seen.trace):
        connection = yield from _upgraded(options, question, key, seen)
        with seen.trace.stopwatch.phase("transfer"):
            line = _Line(connection, os.urandom)
            for exchange in options.query_response:
                yield from _say(exchange, line, seen)
            yield from connection.send(masked(CLOSE, b"\x03\xe8", os.urandom(4)))
    return seen


def _upgraded(options: Options, question: bytes, key: str, seen: Seen) -> Conversation[Connection]:
    url, trace = options.target.url, seen.trace
    connection = yield from connect(url.endpoint, options.way, trace, RECEIVED_BYTES_MAX)
    with trace.stopwatch.phase("processing"):
        if url.tls:
            config = options.http_config.tls_config
            trace.agreed = yield from connection.start_tls(url.endpoint.host, config)
        yield from connection.send(question)
        data = yield from connection.take_until(_HEAD_END, HEAD_BYTES_MAX)
    if data is None:
        raise Unhealthy("the connection ended before the headers did")
    head = parse_head(data.rstrip(b"\r\n"))
    seen.status = head.status
    _check_agreement(head, key)
    seen.upgraded = True
    return connection


def _check_agreement(head: Head, key: str) -> None:
    """Raise ``Unhealthy`` where the server did not agree to speak WebSocket (RFC 6455, 4.1)."""
    if head.status != 101:
        raise Unhealthy(f"the server does not upgrade, its status is {head.status}")
    agreed = "upgrade" in head.get("connection").lower() and head.get("upgrade").lower() == "websocket"
    if not agreed or head.get("sec-websocket-accept") != accepted(key):
        raise Unhealthy("the server upgrades, but not to this WebSocket")
    if head.get("sec-websocket-extensions"):
        raise Unhealthy("the server uses an extension that was not offered")


class _Line:
    """Messages in and out over an upgraded connection; its methods are parts of a conversation."""

    def __init__(self, connection: Connection, urandom: Callable[[int], bytes]) -> None:
        self._connection = connection
        self._urandom = urandom
        self._frames = Frames(MESSAGE_BYTES_MAX)

    def send(self, text: str) -> Conversation[None]:
        """Send one message of text."""
        yield from self._connection.send(masked(TEXT, text.encode(), self._urandom(4)))

    def message(self) -> Conversation[bytes]:
        """Return the next message; pings are answered on the way."""
        try:
            for _ in range(FRAMES_MAX):
                frame = self._frames.next()
                if frame is None:
                    data = yield from self._connection.take(MESSAGE_BYTES_MAX)
                    if not data:
                        raise Unhealthy("the connection ended before a message came")
                    self._frames.feed(data)
                elif frame.kind == PING:
                    yield from self._connection.send(masked(PONG, frame.data, self._urandom(4)))
                elif frame.kind == CLOSE:
                    raise Unhealthy("the server ended the talk")
                elif frame.kind != PONG:
                    return frame.data
        except BrokenFrame as wrong:
            raise Unhealthy(f"the server does not speak WebSocket: {wrong}") from None
        raise Unhealthy("the server sends without end")


def _say(exchange: Exchange, line: _Line, seen: Seen) -> Conversation[None]:
    match: Match | None = None
    if exchange.expect:
        match = exchange.expect.search((yield from line.message()))
        if match is None:
            seen.failed_due_to_regex = True
            raise Unhealthy(f"the message does not match {exchange.expect}")
    if exchange.send:
        yield from line.send(exchange.said(match))


def samples(seen: Seen) -> Iterator[Sample | Remark]:
    """Yield one look in blackbox_exporter's names, with its zeros for what was not reached."""
    yield from seen.trace.samples()
    yield STATUS_CODE(seen.status)
    yield UPGRADED(seen.upgraded)
    yield FAILED_DUE_TO_REGEX(seen.failed_due_to_regex)
    for phase in _PHASES:
        yield PHASE(seen.trace.stopwatch.seconds.get(phase, 0), phase=phase)


def _target(options: Options) -> str:
    return options.target.text


PROBE = Probe(
    "websocket", Options, run, (*COMMON, *TLS, STATUS_CODE, UPGRADED, FAILED_DUE_TO_REGEX, PHASE),
    job="blackbox", target=_target, converse=converse,
)  # fmt: skip  # the head on two lines
