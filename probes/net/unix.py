"""Checks of sockets of this host: connect, and if asked, talk; told in blackbox_exporter's names."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.conversation import Address, Conversation
from model.labels import NAME, Labels
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.sample import Sample
from probes.net.blocking import hold
from probes.net.connect import DURATION, SUCCESS, TLS, Connection, Trace, judged, sooner, tls_samples
from probes.net.talk import TALK, Exchange, Seen, check_length, talk
from probes.net.trust import SYSTEM_TRUST, TlsConfig

RECEIVED_BYTES_MAX: Final = 1 << 20
PATH_BYTES_MAX: Final = 107


@dataclass(frozen=True, slots=True)
class SocketPath:
    """The absolute path of a socket in the file system (unix(7))."""

    text: str

    @classmethod
    def parse(cls, text: str) -> SocketPath:
        """Read a path."""
        if not text.startswith("/") or len(text.encode()) > PATH_BYTES_MAX or "\0" in text:
            cure = f"write an absolute path of at most {PATH_BYTES_MAX} bytes"
            raise Misfit(f"{text[:80]!r} is not the path of a socket", cure)
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Options:
    """Which socket to connect to and what to say, with blackbox_exporter's keys.

    ``query_response`` is the talk, step by step; ``tls`` begins in TLS, judged by ``tls_config``, which must
    name the server, for a path does not.
    """

    target: SocketPath
    query_response: tuple[Exchange, ...] = ()
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST

    def __post_init__(self) -> None:
        check_length(self.query_response)
        secure = self.tls or any(exchange.starttls for exchange in self.query_response)
        if secure and not self.tls_config.server_name and not self.tls_config.insecure_skip_verify:
            raise Misfit(
                "a path does not name a server", "add tls_config: {server_name: ...}", key="tls_config"
            )


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield whether the socket took the connection and said what was expected."""
    seen = look(options, sooner(deadline))
    yield SUCCESS(not seen.trace.failure)
    yield DURATION(seen.trace.took_s)
    if seen.trace.agreed:
        yield from tls_samples(seen.trace.agreed)
    yield from seen.samples()
    if seen.trace.failure:
        yield Remark(Labels.of({NAME: SUCCESS.name}), seen.trace.failure)


def look(options: Options, deadline: Deadline) -> Seen:
    """Connect and talk; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    with judged(seen.trace):
        connection, config = Connection(RECEIVED_BYTES_MAX), options.tls_config
        yield from connection.open(Address(socket.AF_UNIX, options.target.text))
        if options.tls:
            seen.trace.agreed = yield from connection.start_tls("", config)
        yield from talk(options.query_response, connection, seen, "", config)
    return seen


def _target(options: Options) -> str:
    return options.target.text


PROBE = Probe("unix", Options, run, (SUCCESS, DURATION, *TLS, *TALK), job="blackbox", target=_target)
