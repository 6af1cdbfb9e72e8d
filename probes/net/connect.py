"""The way to a target over the network: resolve, connect, TLS, bytes in and out, as parts of a conversation.

Everything that a target does wrong is raised as ``Unhealthy``. What is wrong on this side (no file
descriptors left, an unreadable file of authorities) propagates: then the target is unknown, not down.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from model.conversation import RECEIVE, Address, Aside, Connect, Conversation, Send
from model.labels import NAME, Labels
from model.plugin import Deadline, DeadlinePassed, Remark
from model.sample import Metric, Sample, Samples
from probes.net.address import Endpoint, is_literal
from probes.net.trust import Agreed, Problem, Secured, TlsConfig, agreed_by, client_context, problem_of
from probes.net.way import ANY_WAY, Way

MARGIN_S: Final = 0.25
_PER_S: Final = 1e6
_ADDRESSES_MAX: Final = 4096
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
_FNV32_OFFSET: Final = 2166136261
_FNV32_PRIME: Final = 16777619

SUCCESS = Metric("probe_success", "1 if the target did all that was asked of it, else 0.")
DURATION = Metric("probe_duration_seconds", "How long the whole probe took.")
DNS_LOOKUP = Metric("probe_dns_lookup_time_seconds", "How long it took to resolve the target's first name.")
IP_PROTOCOL = Metric("probe_ip_protocol", "4 or 6, the IP version spoken; 0 if no address was found.")
IP_ADDR_HASH = Metric("probe_ip_addr_hash", "FNV-1a 32 of the address spoken to; it changes when that does.")
FAILED_DUE_TO_REGEX = Metric("probe_failed_due_to_regex", "1 if a regular expression made the probe fail.")
CERT_EXPIRY = Metric("probe_ssl_earliest_cert_expiry", "First end of a certificate, in seconds since 1970.")
CHAIN_EXPIRY = Metric(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "First end in the chain as verified, in seconds since 1970; long before without one.",
)
CHAIN_INFO = Metric(
    "probe_ssl_last_chain_info",
    "The target's own certificate; always 1.",
    labels=("fingerprint_sha256", "subject", "issuer", "subjectalternative", "serialnumber"),
)
TLS_VERSION = Metric("probe_tls_version_info", "The TLS version agreed on; always 1.", labels=("version",))
TLS_CIPHER = Metric("probe_tls_cipher_info", "The cipher suite agreed on; always 1.", labels=("cipher",))

COMMON: Final = (SUCCESS, DURATION, DNS_LOOKUP, IP_PROTOCOL, IP_ADDR_HASH)
COMMON_LABELS: Final = tuple(metric(0).labels for metric in COMMON)
_OF_SUCCESS: Final = Labels.of({NAME: SUCCESS.name})
TLS: Final = (CERT_EXPIRY, CHAIN_EXPIRY, CHAIN_INFO, TLS_VERSION, TLS_CIPHER)


class Unhealthy(Exception):
    """The target did not do what a healthy one does; the sentence says what it did.

    ``problem`` says what was wrong with its certificate, where it was that.
    """

    def __init__(self, sentence: str, problem: Problem = "") -> None:
        super().__init__(sentence)
        self.problem = problem


@lru_cache(maxsize=_ADDRESSES_MAX)
def fingerprint(address: Address) -> int:
    """Return FNV-1a 32 over the address bytes, as blackbox_exporter does."""
    value = _FNV32_OFFSET
    for byte in socket.inet_pton(address.family, address.host.partition("%")[0]):
        value = ((value ^ byte) * _FNV32_PRIME) & 0xFFFFFFFF
    return value


def told_s(seconds: float) -> float:
    """Return a time as it is told, to a microsecond: what is finer is chance, and would have to be stored."""
    return int(seconds * _PER_S + 0.5) / _PER_S


class Stopwatch:
    """Adds up the seconds that each phase took, also of a phase that failed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.seconds: dict[str, float] = {}
        self.monotonic = monotonic

    def phase(self, name: str) -> Phase:
        """Count what happens inside towards this phase."""
        return Phase(self, name)


class Phase:
    """One phase while it lasts."""

    __slots__ = ("_name", "_start_s", "_stopwatch")

    def __init__(self, stopwatch: Stopwatch, name: str) -> None:
        self._stopwatch = stopwatch
        self._name = name

    def __enter__(self) -> None:
        self._start_s = self._stopwatch.monotonic()

    def __exit__(self, *_: object) -> None:
        took_s = self._stopwatch.monotonic() - self._start_s
        seconds = self._stopwatch.seconds
        seconds[self._name] = seconds.get(self._name, 0.0) + took_s


@dataclass(slots=True)
class Trace:
    """What was seen on the way to a target; it grows while a probe runs and keeps what was reached."""

    stopwatch: Stopwatch
    started_s: float
    address: Address | None = None
    lookup_s: float = 0.0
    took_s: float = 0.0
    agreed: Agreed | None = None
    failure: str = ""  # the sentence that says why; empty for success

    @classmethod
    def start(cls, monotonic: Callable[[], float]) -> Trace:
        """Return an empty trace that begins now."""
        return cls(Stopwatch(monotonic), monotonic())

    def values(self) -> tuple[float, ...]:
        """Return the values of ``COMMON``, with blackbox_exporter's zeros for what was not reached."""
        address = self.address
        return (
            0.0 if self.failure else 1.0,
            told_s(self.took_s),
            told_s(self.lookup_s),
            float(address.protocol) if address else 0.0,
            float(fingerprint(address)) if address else 0.0,
        )

    def more(self) -> Iterator[Sample | Remark]:
        """Yield what there is to tell besides: of TLS, and why it failed."""
        if self.agreed:
            yield from tls_samples(self.agreed)
        if self.failure:
            yield Remark(_OF_SUCCESS, self.failure)

    def samples(self) -> Iterator[Sample | Remark]:
        """Yield what every network probe tells."""
        yield from Samples(COMMON_LABELS, self.values())
        yield from self.more()


def tls_samples(agreed: Agreed) -> Iterator[Sample]:
    """Yield what a handshake agreed on."""
    yield CERT_EXPIRY(agreed.not_after_s)
    yield CHAIN_EXPIRY(agreed.chain_end_s)
    yield CHAIN_INFO(
        1,
        fingerprint_sha256=agreed.sha256,
        subject=agreed.own.subject,
        issuer=agreed.own.issuer,
        subjectalternative=",".join(agreed.own.names),
        serialnumber=agreed.own.serial,
    )
    yield TLS_VERSION(1, version=agreed.version)
    yield TLS_CIPHER(1, cipher=agreed.cipher)


def judged(trace: Trace) -> Judged:
    """Note in the trace how long it took and why the target failed; trouble of this side passes through."""
    return Judged(trace)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is done in here is judged."""

    trace: Trace

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, wrong: BaseException | None, __: object) -> bool:
        trace = self.trace
        if isinstance(wrong, Unhealthy):
            trace.failure = str(wrong)
        elif isinstance(wrong, DeadlinePassed):
            trace.failure = "the target did not finish in time"
        elif wrong is not None:
            return False
        trace.took_s = trace.stopwatch.monotonic() - trace.started_s
        return True


def sooner(deadline: Deadline) -> Deadline:
    """Return a slightly earlier deadline, so that a slow target is told in time and not an abandoned run."""
    return Deadline(deadline.at_s - min(MARGIN_S, deadline.left_s() / 5), deadline.monotonic)


def resolve(endpoint: Endpoint, way: Way = ANY_WAY) -> Address:
    """Return the address to speak to; an IP address asks no resolver, a name may block on one."""
    flags = socket.AI_NUMERICHOST if is_literal(endpoint.host) else 0
    try:
        # As bytes, because for a text Python loads its tables for international names.
        found = socket.getaddrinfo(
            endpoint.host.encode(), endpoint.port, type=socket.SOCK_STREAM, flags=flags
        )
    except socket.gaierror as wrong:
        if wrong.errno in (socket.EAI_MEMORY, socket.EAI_SYSTEM):
            raise
        raise Unhealthy(f"{endpoint.host} has no address: {wrong.strerror}") from None
    addresses = (
        Address(family, sockaddr)  # type: ignore[arg-type]  # the two IP families have no bytes in it
        for family, _, _, _, sockaddr in found
        if family in (socket.AF_INET, socket.AF_INET6)
    )
    address = way.choose(addresses)
    if address is None:
        raise Unhealthy(f"{endpoint.host} has no address of the IP version that was asked for")
    return address


class Connection:
    """A connection to one target: bytes in and out, and no more than ``bytes_max`` in.

    Its methods are parts of a conversation.
    """

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max
        self._buffer = bytearray()
        self._secure: Secured | None = None

    def open(self, address: Address, way: Way = ANY_WAY, *, datagrams: bool = False) -> Conversation[None]:
        """Connect."""
        try:
            own = yield Connect(address, way.own(address), datagrams)
        except OSError as wrong:
            raise network_fact("the connection failed", wrong) from None
        # Where nobody listens, the kernel may pick that very port for this end and connect it to itself.
        if own == address.sockaddr:
            raise Unhealthy("the connection failed: nobody listens")

    def start_tls(
        self, host: str, config: TlsConfig, protocols: tuple[str, ...] = ()
    ) -> Conversation[Agreed]:
        """Go on in TLS, which starts anew: what was read ahead in the clear is dropped."""
        self._buffer.clear()
        # Outside of the facts: an unreadable file of authorities is not the target's fault.
        context = yield Aside(partial(client_context, config, protocols))
        self._secure = Secured(context, config.server_name or host)
        try:
            yield from self._shake_hands(self._secure)
            return agreed_by(self._secure.end)
        except (OSError, ValueError) as wrong:
            raise network_fact("the TLS handshake failed", wrong) from None

    def send(self, data: bytes) -> Conversation[None]:
        """Send everything."""
        try:
            yield Send(self._secure.sealed(data) if self._secure else data)
        except (OSError, ValueError) as wrong:
            raise network_fact("the connection broke", wrong) from None

    def receive(self) -> Conversation[bool]:
        """Wait for more bytes; False when the target has no more."""
        try:
            data = yield from self._opened(self._secure) if self._secure else self._raw()
        except (OSError, ValueError) as wrong:
            raise network_fact("the connection broke", wrong) from None
        self._buffer += data
        return bool(data)

    def take(self, size_max: int) -> Conversation[bytes]:
        """Return some bytes, at most so many; none when the target has no more."""
        if not self._buffer:
            yield from self.receive()
        return self.rest(size_max)

    def take_exactly(self, size: int) -> Conversation[bytes]:
        """Return so many bytes, or as many as there are before the target has no more."""
        while len(self._buffer) < size and (yield from self.receive()):
            pass
        return self.rest(size)

    def rest(self, size_max: int | None = None) -> bytes:
        """Return what was received and not yet taken, without waiting."""
        if size_max is None or len(self._buffer) <= size_max:
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            data = bytes(self._buffer[:size_max])
            del self._buffer[:size_max]
        return data

    def take_until(self, end: re.Pattern[bytes], size_max: int) -> Conversation[bytes | None]:
        """Return the bytes up to and with the first match of ``end``; None when the target has no more."""
        searched = 0
        while True:
            found = end.search(self._buffer, searched)
            if found or len(self._buffer) > size_max:
                break
            searched = max(0, len(self._buffer) - 3)  # an end of up to four bytes may have begun
            if not (yield from self.receive()):
                return None
        if found is None or found.end() > size_max:
            raise Unhealthy(f"the target sent more than {size_max} bytes where an end was due")
        data = bytes(self._buffer[: found.end()])
        del self._buffer[: found.end()]
        return data

    def _raw(self) -> Conversation[bytes]:
        """Return what comes over the wire, with what TLS lays around it."""
        data = yield RECEIVE
        assert isinstance(data, bytes), "Receive is answered with bytes"
        self._left -= len(data)
        if self._left < 0:
            raise Unhealthy("the target sends without end")
        return data

    def _shake_hands(self, secure: Secured) -> Conversation[None]:
        while True:
            try:
                done = secure.shake_hands()
            except OSError:
                # The other end may want to know why, and that it does not listen any more is no news.
                yield from self._told(secure)
                raise
            if out := secure.out():
                yield Send(out)
            if done:
                return
            secure.take_in((yield from self._raw()))

    def _told(self, secure: Secured) -> Conversation[None]:
        if out := secure.out():
            try:
                yield Send(out)
            except OSError:
                return

    def _opened(self, secure: Secured) -> Conversation[bytes]:
        """Return what the other end said; many of them do not say that they end."""
        while (data := secure.opened()) is None:
            if out := secure.out():
                yield Send(out)
            raw = yield from self._raw()
            if not raw:
                return b""
            secure.take_in(raw)
        return data


def located(endpoint: Endpoint, way: Way, trace: Trace) -> Conversation[Address]:
    """Return the address to speak to, and note in the trace how it was found."""
    seconds = trace.stopwatch.seconds
    address: object = endpoint.address
    if endpoint.address is not None and way.accepts(endpoint.address):
        seconds["resolve"] = seconds.get("resolve", 0.0)  # Nobody is asked, which takes no time at all.
    else:
        with trace.stopwatch.phase("resolve"):
            address = yield Aside(partial(resolve, endpoint, way))
    assert isinstance(address, Address), "that is what was asked for"
    if trace.address is None:
        trace.lookup_s = seconds["resolve"]
    trace.address = address
    if way.refuses(address):
        raise Unhealthy(f"{address.host} is in a network that is not spoken to from here")
    return address


def connect(endpoint: Endpoint, way: Way, trace: Trace, bytes_max: int) -> Conversation[Connection]:
    """Open a connection, and note in the trace how that went."""
    address = yield from located(endpoint, way, trace)
    connection = Connection(bytes_max)
    with trace.stopwatch.phase("connect"):
        yield from connection.open(address, way)
    return connection


def network_fact(what: str, wrong: OSError | ValueError) -> Exception:
    """Return an error that the target caused as a fact about it; trouble of this side stays what it is."""
    if not isinstance(wrong, OSError):
        return Unhealthy(f"{what}: {wrong}")
    if wrong.errno in _OURS:
        return wrong
    return Unhealthy(f"{what}: {wrong.strerror or wrong}", problem_of(wrong))
