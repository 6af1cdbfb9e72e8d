"""ICMP checks: one echo request, and its reply; told in blackbox_exporter's names.

An unprivileged ping socket is tried first (icmp(7), net.ipv4.ping_group_range), a raw one next, which needs
CAP_NET_RAW. Where neither may be had, the target is unknown.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.conversation import Address, Aside, Conversation
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed, Probe, Remark
from model.sample import Metric, Sample
from probes.net.blocking import hold
from probes.net.connect import COMMON, Stopwatch, Trace, Unhealthy, judged, located, network_fact, sooner
from probes.net.host import Host
from probes.net.networks import Network
from probes.net.way import IpProtocol, OwnAddress, Way

PAYLOAD_BYTES_MAX: Final = 65507
REPLY_HOP_LIMIT = Metric("probe_icmp_reply_hop_limit", "The hop limit (TTL) that the reply came with.")
PHASE = Metric("probe_icmp_duration_seconds", "Time by phase.", labels=("phase",))

_PHASES: Final = ("resolve", "setup", "rtt")
_TEXT: Final = b"Beforehand looks whether you are there"
_FOREIGN_MAX: Final = 10_000
_RECEIVE_BYTES: Final = 65536
_TOLD_BYTES: Final = 256
_IP_RECVTTL: Final = 12  # linux/in.h; Python does not name it
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_DO: Final = 2


@dataclass(frozen=True, slots=True)
class _Version:
    """What differs between ICMP for IPv4 and for IPv6 (RFC 792, RFC 4443)."""

    protocol: int
    request: int
    reply: int
    level: int
    ttl: int
    receive_ttl: int
    told_ttl: int


_VERSIONS: Final = {
    socket.AF_INET: _Version(
        socket.IPPROTO_ICMP, 8, 0, socket.IPPROTO_IP, socket.IP_TTL, _IP_RECVTTL, socket.IP_TTL
    ),
    socket.AF_INET6: _Version(
        socket.IPPROTO_ICMPV6, 128, 129, socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS,
        socket.IPV6_RECVHOPLIMIT, socket.IPV6_HOPLIMIT,
    ),
}  # fmt: skip  # one version in one place


@dataclass(frozen=True, slots=True)
class Options:
    """Whom to send an echo request, with blackbox_exporter's keys.

    ``payload_size`` is in bytes, 0 for a short text; ``dont_fragment`` (IPv4) makes a packet that is too
    large for the way fail; ``ttl`` is how many hops it may take. ``preferred_ip_protocol``,
    ``ip_protocol_fallback``, ``source_ip_address`` and ``refuse`` are those of the tcp probe.
    """

    target: Host
    payload_size: int = 0
    dont_fragment: bool = False
    ttl: int = 64
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    source_ip_address: OwnAddress | None = None
    refuse: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.payload_size <= PAYLOAD_BYTES_MAX:
            cure = f"write 0 to {PAYLOAD_BYTES_MAX}"
            raise Misfit(f"no packet carries {self.payload_size} bytes", cure, key="payload_size")
        if not 0 <= self.ttl <= 255:
            raise Misfit(f"{self.ttl} hops cannot be asked for", "write 1 to 255", key="ttl")

    @property
    def way(self) -> Way:
        """How the target is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, self.source_ip_address, self.refuse)


@dataclass(slots=True)
class Seen:
    """What one run saw."""

    trace: Trace
    hop_limit: int | None = None


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield whether the target replied."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Send and wait; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    with judged(seen.trace):
        address = yield from located(options.target.at(0), options.way, seen.trace)
        hop_limit = yield Aside(partial(_ping, options, address, deadline, seen.trace.stopwatch))
        assert hop_limit is None or isinstance(hop_limit, int), "that is what was asked for"
        seen.hop_limit = hop_limit
    return seen


@dataclass(frozen=True, slots=True)
class _Awaited:
    """The reply that is waited for; a raw socket brings IPv4's head too, any other has its own number."""

    version: _Version
    mark: bytes
    payload: bytes
    raw: bool

    def is_this(self, data: bytes) -> bool:
        if self.raw and data and self.version.level == socket.IPPROTO_IP:
            data = data[(data[0] & 0x0F) * 4 :]
        own = 4 if self.raw else 6
        return data[:1] == bytes((self.version.reply,)) and data[own:] == self.mark[own - 4 :] + self.payload

    def hop_limit(self, told: list[tuple[int, int, bytes]]) -> int | None:
        wanted = (self.version.level, self.version.told_ttl)
        limits = [value for level, which, value in told if (level, which) == wanted]
        return int.from_bytes(limits[0][:4], sys.byteorder) if limits else None


def _ping(options: Options, address: Address, deadline: Deadline, stopwatch: Stopwatch) -> int | None:
    """Send one request and return the hop limit that its reply came with, where the kernel tells it."""
    version = _VERSIONS[socket.AddressFamily(address.family)]
    payload = _TEXT[: options.payload_size or None].ljust(options.payload_size, b"\0")
    # The identifier and the sequence number, by which a reply is known.
    mark = os.urandom(4)
    try:
        with stopwatch.phase("setup"):
            end, raw = _socket(version, address)
        with closing(end):
            with stopwatch.phase("setup"):
                _set_up(end, version, options, address)
            with stopwatch.phase("rtt"):
                end.send(_packet(version.request, mark, payload))
                return _reply(end, _Awaited(version, mark, payload, raw), deadline)
    except TimeoutError:
        raise DeadlinePassed from None
    except PermissionError:
        raise
    except OSError as wrong:
        raise network_fact("the target cannot be reached", wrong) from None


def _socket(version: _Version, address: Address) -> tuple[socket.socket, bool]:
    """Return a socket for ICMP, and whether it is a raw one."""
    try:
        return socket.socket(address.family, socket.SOCK_DGRAM, version.protocol), False
    except OSError:
        try:
            return socket.socket(address.family, socket.SOCK_RAW, version.protocol), True
        except PermissionError:
            cure = "widen net.ipv4.ping_group_range to the agent's group, or give it CAP_NET_RAW"
            raise PermissionError(f"echo requests may not be sent from here; {cure}") from None


def _set_up(end: socket.socket, version: _Version, options: Options, address: Address) -> None:
    if options.ttl:
        end.setsockopt(version.level, version.ttl, options.ttl)
    end.setsockopt(version.level, version.receive_ttl, 1)
    if options.dont_fragment and address.family == socket.AF_INET:
        end.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
    own = options.way.own(address)
    if own is not None:
        end.bind(own)
    # Connected, it is told what routers say of the packet, and only the target's replies come.
    end.connect(address.sockaddr)


def _packet(kind: int, mark: bytes, payload: bytes) -> bytes:
    """Return an echo request; for IPv6, and for a ping socket, the kernel fills in the checksum anew."""
    blank = bytes((kind, 0, 0, 0)) + mark + payload
    return blank[:2] + _checksum(blank) + blank[4:]


def _checksum(data: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071)."""
    words = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")


def _reply(end: socket.socket, awaited: _Awaited, deadline: Deadline) -> int | None:
    """Wait for the reply to our request, and return its hop limit; others are passed over."""
    for _ in range(_FOREIGN_MAX):
        end.settimeout(deadline.left_s())
        data, told, _, _ = end.recvmsg(_RECEIVE_BYTES, _TOLD_BYTES)
        if awaited.is_this(data):
            return awaited.hop_limit(told)
    raise Unhealthy("others are replied to without end")


def samples(seen: Seen) -> Iterator[Sample | Remark]:
    """Yield one look in blackbox_exporter's names, with its zeros for what was not reached."""
    yield from seen.trace.samples()
    if seen.hop_limit is not None:
        yield REPLY_HOP_LIMIT(seen.hop_limit)
    for phase in _PHASES:
        yield PHASE(seen.trace.stopwatch.seconds.get(phase, 0), phase=phase)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe("icmp", Options, run, (*COMMON, REPLY_HOP_LIMIT, PHASE), job="blackbox", target=_target)
