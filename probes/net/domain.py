"""Domains: when each expires, as its registry says over RDAP (RFC 9082, RFC 9083), asked twice a day at most.

Which server knows a domain stands in the list of RFC 9224. A lookup that fails leaves what was said before,
with its age; where nothing was said yet, or too long ago, the domain is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed, Look, Probe
from model.sample import Metric, Sample
from probes.net import http
from probes.net.address import Url
from probes.net.bytesize import ByteSize
from probes.net.connect import sooner
from probes.net.credentials import Secret
from probes.net.http_options import Options as HttpOptions
from probes.rfc3339 import moment_s

ANSWER_BYTES_MAX: Final = 1 << 20
LABELS_MAX: Final = 127
EVENTS_MAX: Final = 100
REFRESH_MIN: Final = seconds(12 * 3600)
RETRY_FIRST_S: Final = 3600.0
KEPT_S_MAX: Final = 7 * 86400.0

_DOMAIN: Final = ("domain",)
EXPIRY = Metric(
    "beforehand_domain_expiry_timestamp_seconds",
    "When its registration ends, in seconds since 1970, as last told.",
    labels=_DOMAIN,
)
REGISTERED = Metric("beforehand_domain_registered", "1 if the registry knows it, else 0.", labels=_DOMAIN)
AGE = Metric("beforehand_domain_answer_age_seconds", "How long ago the registry said so.", labels=_DOMAIN)
LOOKUP = Metric("beforehand_domain_lookup_success", "1 if the last lookup was answered.", labels=_DOMAIN)

_NAME: Final = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_BOOTSTRAP: Final = Url.parse("https://data.iana.org/rdap/dns.json")
_ENDS: Final = ("expiration", "registrar expiration")


class Unanswered(Exception):
    """Nothing is known of the domain; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class DomainName:
    """A registered domain in ASCII, in lower case; one in other letters is written as xn--."""

    text: str

    @classmethod
    def parse(cls, text: str) -> DomainName:
        """Read a name with at least one dot."""
        name = text.lower().rstrip(".")
        if len(name) > 253 or not _NAME.fullmatch(name):
            raise Misfit(f"{text[:80]!r} is not a domain", "write it like example.com, or as xn--...")
        return cls(name)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Options:
    """A domain, as it was registered, and how to learn of it.

    ``server`` is the RDAP service to ask; without it the ``bootstrap`` list is asked first which one knows
    the domain. ``refresh`` is how long an answer holds, at least 12h.
    """

    domain: DomainName
    server: Url | None = None
    bootstrap: Url = _BOOTSTRAP
    refresh: Duration = REFRESH_MIN

    def __post_init__(self) -> None:
        if self.refresh < REFRESH_MIN:
            raise Misfit("registries want to be asked seldom", "write 12h or more", key="refresh")


@dataclass(frozen=True, slots=True)
class Told:
    """What a registry said of a domain, and when, on the monotonic clock; no end where it told none."""

    registered: bool
    expiry_s: float | None
    at_s: float


def server_of(domain: DomainName, bootstrap: bytes) -> Url:
    """Return the service that knows a domain, by the longest suffix in the list; raise ``Unanswered``."""
    try:
        services = json.loads(bootstrap)["services"]
        bases = {name: urls for names, urls in services for name in names}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Unanswered("the list of RDAP servers cannot be read") from None
    labels = domain.text.split(".")
    for at in range(len(labels)):
        for url in bases.get(".".join(labels[at:]), ()):
            if isinstance(url, str) and url.startswith("https://"):
                return _parsed(url)
    raise Unanswered(f"no RDAP server is known for .{labels[-1]}; name one with server:")


def _parsed(text: str) -> Url:
    try:
        return Url.parse(text)
    except Misfit as wrong:
        raise Unanswered(f"the RDAP server's address is none: {wrong.sentence}") from None


def expiry_s(answer: bytes) -> float | None:
    """Return when a registration ends, None where the answer does not say; or raise ``Unanswered``."""
    try:
        events = json.loads(answer).get("events", [])
        told = {event.get("eventAction"): event.get("eventDate") for event in events[:EVENTS_MAX]}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Unanswered("the RDAP answer cannot be read") from None
    dates = (told.get(action) for action in _ENDS)
    return next((at for date in dates if isinstance(date, str) and (at := moment_s(date)) is not None), None)


@dataclass(slots=True)
class Registry:
    """Asks about one domain when it is time to, and remembers what was said."""

    options: Options
    told: Told | None = None
    failure: str = ""
    due_s: float | None = None
    wait_s: float = RETRY_FIRST_S
    server: Url | None = None

    def look(self, deadline: Deadline) -> Iterator[Sample]:
        """Yield what is known of the domain; raise ``Unanswered`` where that is nothing."""
        now_s = deadline.monotonic()
        if self.due_s is None or now_s >= self.due_s:
            self._ask(now_s, sooner(deadline))
        if self.told is None or now_s - self.told.at_s > KEPT_S_MAX:
            raise Unanswered(self.failure)
        domain = self.options.domain.text
        yield LOOKUP(not self.failure, domain=domain)
        yield AGE(max(0.0, now_s - self.told.at_s), domain=domain)
        yield REGISTERED(self.told.registered, domain=domain)
        if self.told.expiry_s is not None:
            yield EXPIRY(self.told.expiry_s, domain=domain)

    def _ask(self, now_s: float, deadline: Deadline) -> None:
        """Ask once; after a failure wait for an hour, then for twice as long each time."""
        refresh_s = self.options.refresh.s
        try:
            self.told = self._lookup(deadline)
        except (Unanswered, DeadlinePassed) as wrong:
            self.failure = str(wrong) or "the registry did not answer in time"
            self.server = None
            self.due_s, self.wait_s = now_s + self.wait_s, min(2 * self.wait_s, refresh_s)
        else:
            self.failure, self.due_s, self.wait_s = "", now_s + refresh_s, RETRY_FIRST_S

    def _lookup(self, deadline: Deadline) -> Told:
        options = self.options
        if self.server is None:
            self.server = options.server or server_of(options.domain, _got(options.bootstrap, deadline))
        status, body = _answer(_parsed(f"{self.server.text.rstrip('/')}/domain/{options.domain}"), deadline)
        now_s = deadline.monotonic()
        if status == 404:
            return Told(registered=False, expiry_s=None, at_s=now_s)
        return Told(registered=True, expiry_s=expiry_s(body), at_s=now_s)


def _got(url: Url, deadline: Deadline) -> bytes:
    status, body = _answer(url, deadline)
    if status == 404:
        raise Unanswered(f"{url.endpoint.host} has no list of RDAP servers")
    return body


def _answer(url: Url, deadline: Deadline) -> tuple[int, bytes]:
    """Return the status and the body of what a URL leads to; raise ``Unanswered`` unless it is 2xx or 404."""
    options = HttpOptions(
        target=url,
        headers={"accept": Secret("application/rdap+json, application/json")},
        valid_status_codes=(200, 404),
        body_size_limit=ByteSize(ANSWER_BYTES_MAX),
    )
    seen = http.look(options, deadline)
    if seen.trace.failure or seen.head is None:
        raise Unanswered(f"{url.endpoint.host}: {seen.trace.failure}")
    return seen.head.status, seen.body


def begin(options: Options) -> Look:
    """Return what asks about this domain."""
    return Registry(options).look


def _target(options: Options) -> str:
    return options.domain.text


PROBE = Probe(
    "domain", Options, None, (EXPIRY, REGISTERED, AGE, LOOKUP),
    job="blackbox", target=_target, begin=begin, every=seconds(300), timeout=seconds(30),
)  # fmt: skip  # the metrics on one line
