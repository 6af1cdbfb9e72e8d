"""TCP checks: connect, and if asked, talk line by line; told in blackbox_exporter's names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from model.conversation import Conversation
from model.plugin import Deadline, Probe, Remark
from model.sample import Sample, Samples
from probes.net.address import Endpoint
from probes.net.blocking import hold
from probes.net.connect import (
    COMMON,
    COMMON_LABELS,
    FAILED_DUE_TO_REGEX,
    TLS,
    Trace,
    connect,
    judged,
    sooner,
)
from probes.net.networks import Network
from probes.net.talk import FAILED_DUE_TO_BYTES, TALK, Exchange, Seen, check_length, talk
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.net.way import IpProtocol, OwnAddress, Way

RECEIVED_BYTES_MAX: Final = 1 << 20

_ALWAYS: Final = (
    *COMMON_LABELS,
    *(metric(0).labels for metric in (FAILED_DUE_TO_REGEX, FAILED_DUE_TO_BYTES)),
)


@dataclass(frozen=True, slots=True)
class Options:
    """Where to connect and what to say, with blackbox_exporter's keys; connecting alone can be enough.

    ``query_response`` is the talk, step by step; ``tls`` begins in TLS, judged by ``tls_config``. The address
    is one of ``preferred_ip_protocol``, or where ``ip_protocol_fallback`` allows it, of the other version; it
    is spoken to from ``source_ip_address``. Networks in ``refuse`` are never spoken to.
    """

    target: Endpoint
    query_response: tuple[Exchange, ...] = ()
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    source_ip_address: OwnAddress | None = None
    refuse: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        check_length(self.query_response)

    @property
    def way(self) -> Way:
        """How the target is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, self.source_ip_address, self.refuse)


def run(options: Options, deadline: Deadline) -> Iterable[Sample | Remark]:
    """Return whether the target took the connection and said what was expected."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Connect and talk; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterable[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    seen = yield from _looking(options, deadline)
    return samples(seen)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    with judged(seen.trace):
        connection = yield from connect(options.target, options.way, seen.trace, RECEIVED_BYTES_MAX)
        host, config = options.target.host, options.tls_config
        if options.tls:
            seen.trace.agreed = yield from connection.start_tls(host, config)
        yield from talk(options.query_response, connection, seen, host, config)
    return seen


def samples(seen: Seen) -> Iterable[Sample | Remark]:
    """Return one look in blackbox_exporter's names."""
    talked = (float(seen.failed_due_to_regex), float(seen.failed_due_to_bytes))
    always = Samples(_ALWAYS, (*seen.trace.values(), *talked))
    if not seen.infos and not seen.trace.agreed and not seen.trace.failure:
        return always
    return [*always, *seen.info_samples(), *seen.trace.more()]


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe("tcp", Options, run, (*COMMON, *TLS, *TALK), job="blackbox", target=_target, converse=converse)
