"""gRPC checks: ask a server for its health (grpc.health.v1), told in blackbox_exporter's names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from model.conversation import Conversation
from model.decode import Raw
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed, Probe, Remark
from model.sample import Metric, Sample
from probes.net.address import Endpoint
from probes.net.blocking import hold
from probes.net.connect import COMMON, TLS, Trace, Unhealthy, connect, judged, sooner
from probes.net.credentials import NO_TEXT, Secret, one_line
from probes.net.grpc_health import (
    DEADLINE_EXCEEDED,
    OK,
    SERVING,
    STATUSES,
    UNAVAILABLE,
    Broken,
    HealthCheck,
)
from probes.net.host import Server
from probes.net.networks import Network
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.net.way import IpProtocol, Way

RECEIVED_BYTES_MAX: Final = 1 << 20
PORT: Final = 80
TLS_PORT: Final = 443

SSL = Metric("probe_grpc_ssl", "1 if the answer came over TLS.")
STATUS_CODE = Metric("probe_grpc_status_code", "The gRPC status code; 14 where the server was not reached.")
HEALTH = Metric(
    "probe_grpc_healthcheck_response", "1 for the health that was told.", labels=("serving_status",)
)
PHASE = Metric("probe_grpc_duration_seconds", "Time by phase.", labels=("phase",))

_PHASES: Final = ("resolve", "check")
_NAME: Final = re.compile(r"[0-9a-z_.-]+")
_OURS: Final = frozenset(
    {
        "connection",
        "te",
        "host",
        "content-type",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_SCHEMES: Final = re.compile(r"https?://")


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """A host with or without a port; a scheme in front of it, and what follows it, are not needed."""

    server: Server

    @classmethod
    def parse(cls, text: str) -> GrpcServer:
        """Read ``host``, ``host:port`` or the same as a URL."""
        return cls(Server.parse(_SCHEMES.sub("", text, count=1).partition("/")[0]))

    def __str__(self) -> str:
        return str(self.server)


@dataclass(frozen=True, slots=True)
class Options:
    """Which server to ask, with blackbox_exporter's keys.

    ``service`` is asked for by name, the server as a whole without one; ``metadata`` goes along. ``tls``
    turns to TLS, judged by ``tls_config``. The port is 80, or 443 with TLS, where the target names none.
    ``preferred_ip_protocol``, ``ip_protocol_fallback`` and ``refuse`` are those of the tcp probe.
    """

    target: GrpcServer
    service: Raw = NO_TEXT
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST
    metadata: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict)
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    refuse: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        for name, values in self.metadata.items():
            if not _NAME.fullmatch(name.lower()) or name.lower() in _OURS or name.lower().startswith("grpc-"):
                cure = "write a name like x-key that gRPC does not use itself"
                raise Misfit(f"{name!r} cannot be metadata", cure, key="metadata")
            for value in values:
                one_line(value.text)

    @property
    def way(self) -> Way:
        """How the server is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, None, self.refuse)

    @property
    def endpoint(self) -> Endpoint:
        """Where the server listens."""
        return self.target.server.endpoint(TLS_PORT if self.tls else PORT)


@dataclass(slots=True)
class Seen:
    """What one run saw; ``code`` is UNAVAILABLE until the server answered."""

    trace: Trace
    code: int = UNAVAILABLE
    serving: str = ""


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield the health that the server tells."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Ask; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterator[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    seen = yield from _looking(options, deadline)
    return samples(seen)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    with judged(seen.trace):
        try:
            check = yield from _asked(options, seen.trace)
        except DeadlinePassed:
            seen.code = DEADLINE_EXCEEDED
            raise
        seen.code, seen.serving = check.code, check.serving
        if check.code != OK:
            raise Unhealthy(f"the gRPC status is {check.code}: {check.reason}")
        if check.serving != SERVING:
            raise Unhealthy(f"the server's health is {check.serving}")
    return seen


def _asked(options: Options, trace: Trace) -> Conversation[HealthCheck]:
    """Make the call and return it when it is done."""
    connection = yield from connect(options.endpoint, options.way, trace, RECEIVED_BYTES_MAX)
    with trace.stopwatch.phase("check"):
        if options.tls:
            host, config = options.endpoint.host, options.tls_config
            trace.agreed = yield from connection.start_tls(host, config, ("h2",))
        named = {name.lower(): [value.text for value in each] for name, each in options.metadata.items()}
        check = HealthCheck(str(options.endpoint), options.service, named, tls=options.tls)
        yield from connection.send(check.begin())
        while not check.done:
            if not (yield from connection.receive()):
                raise Unhealthy("the connection ended before the answer did")
            try:
                answer = check.feed(connection.rest())
            except Broken as wrong:
                raise Unhealthy(str(wrong)) from None
            if answer and not check.done:
                yield from connection.send(answer)
    return check


def samples(seen: Seen) -> Iterator[Sample | Remark]:
    """Yield one look in blackbox_exporter's names, with its zeros for what was not reached."""
    yield from seen.trace.samples()
    yield SSL(seen.trace.agreed is not None)
    yield STATUS_CODE(seen.code)
    for status in STATUSES:
        yield HEALTH(status == seen.serving, serving_status=status)
    seconds = seen.trace.stopwatch.seconds
    # Go's client connects within the call, so that is part of its phase.
    spent = {
        "resolve": seconds.get("resolve", 0),
        "check": seconds.get("connect", 0) + seconds.get("check", 0),
    }
    for phase in _PHASES:
        yield PHASE(spent[phase], phase=phase)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe(
    "grpc", Options, run, (*COMMON, *TLS, SSL, STATUS_CODE, HEALTH, PHASE),
    job="blackbox", target=_target, converse=converse,
)  # fmt: skip  # the head on two lines
