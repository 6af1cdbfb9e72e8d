"""TLS checks of any port, with STARTTLS where its protocol needs that: trust, dates, version and cipher.

A certificate that is not trusted is looked at once more without judging it, so that its dates are told too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, get_args

from model.conversation import Conversation
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.net.address import Endpoint
from probes.net.blocking import hold
from probes.net.connect import COMMON, TLS, Trace, Unhealthy, connect, judged, sooner
from probes.net.networks import Network
from probes.net.starttls import StartTls, start
from probes.net.trust import SYSTEM_TRUST, Agreed, Problem, TlsConfig
from probes.net.way import IpProtocol, OwnAddress, Way

RECEIVED_BYTES_MAX: Final = 1 << 20

PROBLEM = Metric(
    "beforehand_tls_problem", "1 for what is wrong with the certificate, 0 for all else.", labels=("problem",)
)
NOT_BEFORE = Metric(
    "beforehand_tls_not_before_timestamp_seconds", "Start of the target's own certificate, since 1970."
)
PHASE = Metric("beforehand_tls_duration_seconds", "Time by phase.", labels=("phase",))

_PROBLEMS: Final = tuple(problem for problem in get_args(Problem) if problem)
_PHASES: Final = ("resolve", "connect", "starttls", "tls")


@dataclass(frozen=True, slots=True)
class Options:
    """Which port to speak TLS with, and what to say before.

    ``starttls`` names the protocol of a port that begins in the clear. The other keys are those of the tcp
    probe: ``tls_config`` says how the certificate is judged, ``preferred_ip_protocol``,
    ``ip_protocol_fallback``, ``source_ip_address`` and ``refuse`` how the target is reached.
    """

    target: Endpoint
    starttls: StartTls = "none"
    tls_config: TlsConfig = SYSTEM_TRUST
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    source_ip_address: OwnAddress | None = None
    refuse: tuple[Network, ...] = ()

    @property
    def way(self) -> Way:
        """How the target is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, self.source_ip_address, self.refuse)


@dataclass(slots=True)
class Seen:
    """What one run saw."""

    trace: Trace
    problem: Problem = ""


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield whether the target's certificate is trusted, and what it says."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Shake hands; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterator[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    seen = yield from _looking(options, deadline)
    return samples(seen)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    with judged(seen.trace):
        try:
            seen.trace.agreed = yield from _shaken(options, options.tls_config, seen.trace)
        except Unhealthy as wrong:
            seen.problem = wrong.problem
            if not wrong.problem:
                raise
            unjudged = replace(options.tls_config, insecure_skip_verify=True)
            seen.trace.agreed = yield from _shaken(options, unjudged, seen.trace)
            raise
    return seen


def _shaken(options: Options, config: TlsConfig, trace: Trace) -> Conversation[Agreed]:
    """Connect, turn to TLS and return what was agreed on."""
    connection = yield from connect(options.target, options.way, trace, RECEIVED_BYTES_MAX)
    host = options.target.host
    if options.starttls != "none":
        with trace.stopwatch.phase("starttls"):
            yield from start(options.starttls, host, connection)
    with trace.stopwatch.phase("tls"):
        return (yield from connection.start_tls(host, config))


def samples(seen: Seen) -> Iterator[Sample | Remark]:
    """Yield one look."""
    yield from seen.trace.samples()
    for problem in _PROBLEMS:
        yield PROBLEM(problem == seen.problem, problem=problem)
    if seen.trace.agreed:
        yield NOT_BEFORE(seen.trace.agreed.own.not_before_s)
    for phase in _PHASES:
        yield PHASE(seen.trace.stopwatch.seconds.get(phase, 0), phase=phase)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe(
    "tls", Options, run, (*COMMON, *TLS, PROBLEM, NOT_BEFORE, PHASE),
    job="blackbox", target=_target, converse=converse,
)  # fmt: skip  # the head on two lines
