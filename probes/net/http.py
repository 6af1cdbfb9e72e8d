"""HTTP checks: ask one URL, judge the answer, tell it in blackbox_exporter's names.

One attempt, on a fresh connection, by one total deadline. Proxy variables of the environment are not heeded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from model.misfit import Misfit
from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.net.address import Url
from probes.net.connect import COMMON, IpProtocol, Trace, Unhealthy, connect, judged, sooner
from probes.net.response import HEAD_BYTES_MAX, Head, read_body, read_head
from probes.net.tls import SYSTEM_TRUST, TlsConfig
from probes.pattern import Pattern

REDIRECTS_MAX: Final = 10
BODY_BYTES_MAX: Final = 64 << 20
SECRET_BYTES_MAX: Final = 4096
_OVERHEAD_MAX: Final = 8  # wire bytes for one byte of body, at most: a chunk of one byte needs six

STATUS_CODE = Metric("probe_http_status_code", "The status code of the last response; 0 without one.")
VERSION = Metric("probe_http_version", "The HTTP version of the last response, like 1.1; 0 without one.")
SSL = Metric("probe_http_ssl", "1 if the last response came over TLS.")
REDIRECTS = Metric("probe_http_redirects", "How many redirects were followed.")
CONTENT_LENGTH = Metric("probe_http_content_length", "The Content-Length of the response; -1 if not told.")
BODY_LENGTH = Metric("probe_http_uncompressed_body_length", "How many bytes of body were read, unpacked.")
PHASE = Metric("probe_http_duration_seconds", "Time by phase, summed over redirects.", labels=("phase",))

_PHASES: Final = ("resolve", "connect", "tls", "processing", "transfer")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE: Final = re.compile(r"[\t\x20-\x7e\x80-\uffff]*")
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name, and the file that holds the password; the file is read anew by each run."""

    username: str
    password_file: str

    def header(self) -> str:
        """Return the value of the Authorization header (RFC 7617); an OSError if the file is not there."""
        with Path(self.password_file).open("rb") as file:
            password = file.read(SECRET_BYTES_MAX).rstrip(b"\r\n")
        pair = self.username.encode() + b":" + password
        return "Basic " + binascii.b2a_base64(pair, newline=False).decode()


@dataclass(frozen=True, slots=True)
class Options:
    """What to ask and what to expect, with blackbox_exporter's keys.

    No ``valid_status_codes`` means 2xx. Reading stops at ``body_size_limit`` bytes, and that is no failure.
    ``headers``, ``body`` and ``basic_auth`` never follow a redirect to another host, port or scheme.
    The default of ``preferred_ip_protocol`` is ip4, because not every host that resolves IPv6 can reach it.
    """

    target: Url
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    valid_status_codes: tuple[int, ...] = ()
    follow_redirects: bool = True
    fail_if_body_matches_regexp: tuple[Pattern, ...] = ()
    fail_if_body_not_matches_regexp: tuple[Pattern, ...] = ()
    fail_if_ssl: bool = False
    fail_if_not_ssl: bool = False
    basic_auth: BasicAuth | None = None
    tls_config: TlsConfig = SYSTEM_TRUST
    preferred_ip_protocol: IpProtocol = "ip4"
    body_size_limit: int = 1 << 20

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.method):
            raise Misfit(f"{self.method!r} is not an HTTP method", "write one like GET or HEAD", key="method")
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not _VISIBLE.fullmatch(value):
                raise Misfit(
                    f"{name!r} is not a header", "write a name: and a value in one line", key="headers"
                )
        if not 0 < self.body_size_limit <= BODY_BYTES_MAX:
            cure = f"write a number of bytes from 1 to {BODY_BYTES_MAX}"
            raise Misfit(f"{self.body_size_limit} bytes are no limit", cure, key="body_size_limit")


@dataclass(frozen=True, slots=True)
class Request:
    """One request on the way; ``own`` while it stays at the target's origin, so that secrets may go along."""

    url: Url
    method: str
    own: bool = True

    def encoded(self, options: Options, authorization: str) -> bytes:
        """Return the bytes to send."""
        body = options.body.encode() if self.own and self.method == options.method else b""
        fields = {
            "host": self.url.authority,
            "user-agent": "Beforehand",
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "close",
        }
        if body or self.method not in ("GET", "HEAD"):
            fields["content-length"] = str(len(body))
        if self.own:
            fields |= {"authorization": authorization} if authorization else {}
            fields |= {name.lower(): value for name, value in options.headers.items()}
        lines = [f"{self.method} {self.url.path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]
        return "\r\n".join(lines).encode("utf-8") + body

    def redirected(self, head: Head, options: Options) -> Request | None:
        """Return the request that this response asks for, or None where it is the answer itself."""
        location = head.get("location")
        if not options.follow_redirects or head.status not in _FOLLOWED or not location:
            return None
        try:
            url = self.url.join(location.encode("latin-1").decode("utf-8", "replace"))
        except Misfit as wrong:
            raise Unhealthy(f"the redirect leads nowhere: {wrong.sentence}") from None
        own = self.own and url.same_origin(options.target)
        if head.status in _SAME_METHOD:
            # To send the method without its body would ask for something else.
            return Request(url, self.method, own) if own or not options.body else None
        return Request(url, self.method if self.method == "HEAD" else "GET", own)


@dataclass(slots=True)
class Exchange:
    """What one run saw."""

    trace: Trace
    request: Request
    head: Head | None = None
    body: bytes = b""
    redirects: int = 0


def run(options: Options, deadline: Deadline) -> Iterator[Sample]:
    """Yield what the target answered; a target that is down or odd is ``probe_success`` 0."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Exchange:
    """Ask, follow redirects and judge; ``trace.failure`` says why it failed."""
    seen = Exchange(Trace.start(deadline.monotonic), Request(options.target, options.method))
    authorization = options.basic_auth.header() if options.basic_auth else ""
    with judged(seen.trace):
        while (following := _exchange(seen, options, authorization, deadline)) is not None:
            if seen.redirects >= REDIRECTS_MAX:
                raise Unhealthy(f"the target redirects more than {REDIRECTS_MAX} times")
            seen.request = following
            seen.redirects += 1
        assert seen.head is not None, "an exchange that returned has read a head"
        seen.trace.failure = verdict(options, seen.head, seen.request.url.tls)
        if not seen.trace.failure:
            seen.trace.failure = body_verdict(options, seen.body)
            seen.trace.failed_due_to_regex = bool(seen.trace.failure)
    return seen


def _exchange(seen: Exchange, options: Options, authorization: str, deadline: Deadline) -> Request | None:
    """Send the request and read the response; return the request that it redirects to."""
    trace, url = seen.trace, seen.request.url
    trace.agreed = None
    bytes_max = HEAD_BYTES_MAX + _OVERHEAD_MAX * options.body_size_limit
    connection = connect(url.endpoint, options.preferred_ip_protocol, trace, deadline, bytes_max)
    with closing(connection):
        if url.tls:
            with trace.stopwatch.phase("tls"):
                trace.agreed = connection.start_tls(url.endpoint.host, options.tls_config)
        with trace.stopwatch.phase("processing"):
            connection.send(seen.request.encoded(options, authorization))
            connection.receive()
        with trace.stopwatch.phase("transfer"):
            seen.head = read_head(connection)
            following = seen.request.redirected(seen.head, options)
            if following is None:
                seen.body = read_body(connection, seen.head, seen.request.method, options.body_size_limit)
    return following


def verdict(options: Options, head: Head, tls: bool) -> str:
    """Return why this head is not a healthy one, or the empty string."""
    valid = (
        head.status in options.valid_status_codes if options.valid_status_codes else head.status // 100 == 2
    )
    if not valid:
        return f"the status is {head.status}"
    if tls and options.fail_if_ssl:
        return "the answer came over TLS"
    if not tls and options.fail_if_not_ssl:
        return "the answer did not come over TLS"
    return ""


def body_verdict(options: Options, body: bytes) -> str:
    """Return which expression the body fails, or the empty string."""
    for pattern in options.fail_if_body_matches_regexp:
        if pattern.search(body):
            return f"the body matches {pattern}"
    for pattern in options.fail_if_body_not_matches_regexp:
        if not pattern.search(body):
            return f"the body does not match {pattern}"
    return ""


def samples(seen: Exchange) -> Iterator[Sample]:
    """Yield one exchange in blackbox_exporter's names, with its zeros for what was not reached."""
    yield from seen.trace.samples()
    yield STATUS_CODE(seen.head.status if seen.head else 0)
    yield VERSION(float(seen.head.version) if seen.head else 0)
    yield SSL(seen.head is not None and seen.request.url.tls)
    yield REDIRECTS(seen.redirects)
    yield CONTENT_LENGTH(seen.head.content_length if seen.head else 0)
    yield BODY_LENGTH(len(seen.body))
    for phase in _PHASES:
        yield PHASE(seen.trace.stopwatch.seconds.get(phase, 0), phase=phase)


def _target(options: Options) -> str:
    return options.target.text


PROBE = Probe(
    "http", Options, run, job="blackbox", target=_target,
    emits=(*COMMON, STATUS_CODE, VERSION, SSL, REDIRECTS, CONTENT_LENGTH, BODY_LENGTH, PHASE),
)  # fmt: skip  # the head on one line
