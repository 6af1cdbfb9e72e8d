"""TCP checks: connect, and if asked, talk line by line; told in blackbox_exporter's names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit
from model.plugin import Deadline, Probe
from model.regex import Match
from model.sample import Sample
from probes.net.address import Endpoint
from probes.net.connect import COMMON, Connection, IpProtocol, Trace, Unhealthy, connect, judged, sooner
from probes.net.tls import SYSTEM_TRUST, TlsConfig
from probes.pattern import Pattern

RECEIVED_BYTES_MAX: Final = 1 << 20
LINE_BYTES_MAX: Final = 65536
EXCHANGES_MAX: Final = 32
_LINE_END: Final = re.compile(rb"\n")
_REFERENCE: Final = re.compile(r"\$\{([0-9])\}")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One step of a talk: lines are read until one matches ``expect``, then ``send`` is sent with a line end.

    ``${1}`` in ``send`` is what the first group of ``expect`` matched; ``starttls`` then turns to TLS.
    """

    expect: Pattern | None = None
    send: str = ""
    starttls: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """Where to connect and what to say, with blackbox_exporter's keys; connecting alone can be enough."""

    target: Endpoint
    query_response: tuple[Exchange, ...] = ()
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST
    preferred_ip_protocol: IpProtocol = "ip4"

    def __post_init__(self) -> None:
        if len(self.query_response) > EXCHANGES_MAX:
            cure = f"keep it within {EXCHANGES_MAX} steps"
            raise Misfit(f"the talk has {len(self.query_response)} steps", cure, key="query_response")


def run(options: Options, deadline: Deadline) -> Iterator[Sample]:
    """Yield whether the target took the connection and said what was expected."""
    return look(options, sooner(deadline)).samples()


def look(options: Options, deadline: Deadline) -> Trace:
    """Connect and talk; ``failure`` says why it failed."""
    trace = Trace.start(deadline.monotonic)
    with judged(trace):
        preferred = options.preferred_ip_protocol
        connection = connect(options.target, preferred, trace, deadline, RECEIVED_BYTES_MAX)
        with closing(connection):
            _talk(options, connection, trace)
    return trace


def _talk(options: Options, connection: Connection, trace: Trace) -> None:
    if options.tls:
        trace.agreed = connection.start_tls(options.target.host, options.tls_config)
    for exchange in options.query_response:
        _say(exchange, connection, trace)
        if exchange.starttls:
            trace.agreed = connection.start_tls(options.target.host, options.tls_config)


def _say(exchange: Exchange, connection: Connection, trace: Trace) -> None:
    answer = _awaited(exchange.expect, connection, trace) if exchange.expect else None
    if exchange.send:
        connection.send(expanded(exchange.send, answer).encode() + b"\n")


def _awaited(expect: Pattern, connection: Connection, trace: Trace) -> Match:
    """Return the match in the first line that has one."""
    while (said := connection.take_until(_LINE_END, LINE_BYTES_MAX)) is not None:
        match = expect.search(said.rstrip(b"\r\n"))
        if match:
            return match
    trace.failed_due_to_regex = True
    raise Unhealthy(f"nothing that the target said matches {expect}")


def expanded(send: str, answer: Match | None) -> str:
    """Return the text to send with its references filled in; a group that there is not stands for nothing."""

    def group(reference: re.Match[str]) -> str:
        return answer[int(reference[1])] if answer else ""

    return _REFERENCE.sub(group, send)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe("tcp", Options, run, COMMON, job="blackbox", target=_target)
