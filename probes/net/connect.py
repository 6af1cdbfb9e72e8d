"""The way to a target over the network: resolve, connect, TLS, bytes in and out, all by one deadline.

Everything that a target does wrong is raised as ``Unhealthy``. What is wrong on this side (no file
descriptors left, an unreadable file of authorities) propagates: then the target is unknown, not down.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from model.plugin import Deadline, DeadlinePassed
from model.sample import Metric, Sample
from probes.net.address import Endpoint, is_literal
from probes.net.tls import Agreed, TlsConfig, client_context, handshake

IpProtocol = Literal["ip4", "ip6"]

MARGIN_S: Final = 0.25
_RECEIVE_BYTES: Final = 65536
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
TLS_VERSION = Metric("probe_tls_version_info", "The TLS version agreed on; always 1.", labels=("version",))

COMMON: Final = (
    SUCCESS, DURATION, DNS_LOOKUP, IP_PROTOCOL, IP_ADDR_HASH, FAILED_DUE_TO_REGEX, CERT_EXPIRY, TLS_VERSION,
)  # fmt: skip  # as in the exposition


class Unhealthy(Exception):
    """The target did not do what a healthy one does; the sentence says what it did."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a target, as the socket calls take it."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    @property
    def protocol(self) -> int:
        """The IP version."""
        return 6 if self.family == socket.AF_INET6 else 4

    def fingerprint(self) -> int:
        """Return FNV-1a 32 over the address bytes, as blackbox_exporter does."""
        value = _FNV32_OFFSET
        for byte in socket.inet_pton(self.family, self.sockaddr[0].partition("%")[0]):
            value = ((value ^ byte) * _FNV32_PRIME) & 0xFFFFFFFF
        return value


class Stopwatch:
    """Adds up the seconds that each phase took, also of a phase that failed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.seconds: dict[str, float] = {}
        self.monotonic = monotonic

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens inside towards this phase."""
        start = self.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self.monotonic() - start


@dataclass(slots=True)
class Trace:
    """What was seen on the way to a target; it grows while a probe runs and keeps what was reached."""

    stopwatch: Stopwatch
    started_s: float
    address: Address | None = None
    lookup_s: float = 0.0
    took_s: float = 0.0
    agreed: Agreed | None = None
    failed_due_to_regex: bool = False
    failure: str = ""  # the sentence that says why; empty for success

    @classmethod
    def start(cls, monotonic: Callable[[], float]) -> Trace:
        """Return an empty trace that begins now."""
        return cls(Stopwatch(monotonic), monotonic())

    def samples(self) -> Iterator[Sample]:
        """Yield what every network probe tells, with blackbox_exporter's zeros for what was not reached."""
        yield SUCCESS(not self.failure)
        yield DURATION(self.took_s)
        yield DNS_LOOKUP(self.lookup_s)
        yield IP_PROTOCOL(self.address.protocol if self.address else 0)
        yield IP_ADDR_HASH(self.address.fingerprint() if self.address else 0)
        yield FAILED_DUE_TO_REGEX(self.failed_due_to_regex)
        if self.agreed:
            yield CERT_EXPIRY(self.agreed.not_after_s)
            yield TLS_VERSION(1, version=self.agreed.version)


@contextmanager
def judged(trace: Trace) -> Iterator[None]:
    """Note in the trace how long it took and why the target failed; trouble of this side passes through."""
    try:
        yield
    except Unhealthy as fact:
        trace.failure = str(fact)
    except DeadlinePassed:
        trace.failure = "the target did not finish in time"
    trace.took_s = trace.stopwatch.monotonic() - trace.started_s


def sooner(deadline: Deadline) -> Deadline:
    """Return a slightly earlier deadline, so that a slow target is told in time and not an abandoned run."""
    return Deadline(deadline.at_s - min(MARGIN_S, deadline.left_s() / 5), deadline.monotonic)


def choose(found: Iterable[Address], preferred: IpProtocol) -> Address | None:
    """Return the first address of the preferred IP version, else the first of all."""
    addresses = tuple(found)
    wanted = 6 if preferred == "ip6" else 4
    return next((address for address in addresses if address.protocol == wanted), next(iter(addresses), None))


def resolve(endpoint: Endpoint, preferred: IpProtocol) -> Address:
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
    address = choose(addresses, preferred)
    if address is None:
        raise Unhealthy(f"{endpoint.host} has no IP address")
    return address


class Connection:
    """A connection to one target: bytes in and out until the deadline, and no more than ``bytes_max`` in."""

    def __init__(self, address: Address, deadline: Deadline, bytes_max: int) -> None:
        self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        self._address = address
        self._deadline = deadline
        self._left = bytes_max
        self._buffer = bytearray()

    def open(self) -> None:
        """Connect."""
        with self._patience(), _facts("the connection failed"):
            self._socket.connect(self._address.sockaddr)
            # Where nobody listens, the kernel may pick that very port for this end and connect it to itself.
            if self._socket.getsockname() == self._address.sockaddr:
                raise Unhealthy("the connection failed: nobody listens")

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def start_tls(self, host: str, config: TlsConfig) -> Agreed:
        """Go on in TLS, which starts anew: what was read ahead in the clear is dropped."""
        self._buffer.clear()
        # Outside of the facts: an unreadable file of authorities is not the target's fault.
        context = client_context(config)
        with self._patience(), _facts("the TLS handshake failed"):
            self._socket, agreed = handshake(self._socket, config.server_name or host, context)
        return agreed

    def send(self, data: bytes) -> None:
        """Send everything."""
        view = memoryview(data)
        while view:
            with self._patience(), _facts("the connection broke"):
                view = view[self._socket.send(view) :]

    def receive(self) -> bool:
        """Wait for more bytes; False when the target has no more."""
        with self._patience(), _facts("the connection broke"):
            data = self._socket.recv(_RECEIVE_BYTES)
        self._left -= len(data)
        if self._left < 0:
            raise Unhealthy("the target sends without end")
        self._buffer += data
        return bool(data)

    def take(self, size_max: int) -> bytes:
        """Return some bytes, at most so many; none when the target has no more."""
        if not self._buffer:
            self.receive()
        data = bytes(self._buffer[:size_max])
        del self._buffer[:size_max]
        return data

    def take_until(self, end: re.Pattern[bytes], size_max: int) -> bytes | None:
        """Return the bytes up to and with the first match of ``end``; None when the target has no more."""
        searched = 0
        while True:
            found = end.search(self._buffer, searched)
            if found or len(self._buffer) > size_max:
                break
            searched = max(0, len(self._buffer) - 3)  # an end of up to four bytes may have begun
            if not self.receive():
                return None
        if found is None or found.end() > size_max:
            raise Unhealthy(f"the target sent more than {size_max} bytes where an end was due")
        data = bytes(self._buffer[: found.end()])
        del self._buffer[: found.end()]
        return data

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Let the socket wait as long as the deadline allows, and no longer."""
        self._socket.settimeout(self._deadline.left_s())
        try:
            yield
        except TimeoutError:
            raise DeadlinePassed from None


def connect(
    endpoint: Endpoint, preferred: IpProtocol, trace: Trace, deadline: Deadline, bytes_max: int
) -> Connection:
    """Open a connection, and note in the trace how that went."""
    with trace.stopwatch.phase("resolve"):
        address = resolve(endpoint, preferred)
    if trace.address is None:
        trace.lookup_s = trace.stopwatch.seconds["resolve"]
    trace.address = address
    connection = Connection(address, deadline, bytes_max)
    with ExitStack() as undo:
        undo.callback(connection.close)
        with trace.stopwatch.phase("connect"):
            connection.open()
        undo.pop_all()
    return connection


@contextmanager
def _facts(what: str) -> Iterator[None]:
    """Turn an error that the target caused into a fact about it."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as wrong:
        if wrong.errno in _OURS:
            raise
        raise Unhealthy(f"{what}: {wrong.strerror or wrong}") from None
    except ValueError as wrong:
        raise Unhealthy(f"{what}: {wrong}") from None
