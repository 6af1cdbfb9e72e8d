"""HTTP checks: ask one URL, judge the answer, tell it in blackbox_exporter's names.

One attempt, on a fresh connection, by one total deadline. Proxy variables of the environment are not heeded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from model.conversation import Aside, CaughtUp, Conversation
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample, Samples
from probes.net.address import Url
from probes.net.blocking import hold
from probes.net.connect import (
    COMMON,
    COMMON_LABELS,
    FAILED_DUE_TO_REGEX,
    TLS,
    Trace,
    Unhealthy,
    fingerprint,
    judged,
    sooner,
    told_s,
)
from probes.net.cookies import Cookies
from probes.net.fetch import Manner, fetch
from probes.net.http_date import moment_s
from probes.net.http_options import HeaderMatch, Options
from probes.net.oauth2 import ANSWER_BYTES_MAX, OAuth2, authorization
from probes.net.ordinary import Heard, Ordinary, Whole
from probes.net.request import Request
from probes.net.response import Body, Bounds, Head

REDIRECTS_MAX: Final = 10
LIGHT_BYTES_MAX: Final = 1 << 20
"""A longer body is read and judged on a thread of its own, so that other conversations go on meanwhile."""
_SEARCHED_AT_ONCE_BYTES_MAX: Final = 16384

STATUS_CODE = Metric("probe_http_status_code", "The status code of the last response; 0 without one.")
VERSION = Metric("probe_http_version", "The HTTP version of the last response, like 1.1; 0 without one.")
SSL = Metric("probe_http_ssl", "1 if the last response came over TLS.")
REDIRECTS = Metric("probe_http_redirects", "How many redirects were met.")
CONTENT_LENGTH = Metric("probe_http_content_length", "The Content-Length of the response; -1 if not told.")
BODY_LENGTH = Metric("probe_http_uncompressed_body_length", "How many bytes of body were read, unpacked.")
LAST_MODIFIED = Metric(
    "probe_http_last_modified_timestamp_seconds", "The response's Last-Modified, in seconds since 1970."
)
PHASE = Metric("probe_http_duration_seconds", "Time by phase, summed over redirects.", labels=("phase",))
HTTP: Final = (
    FAILED_DUE_TO_REGEX, STATUS_CODE, VERSION, SSL, REDIRECTS, CONTENT_LENGTH, BODY_LENGTH, LAST_MODIFIED,
    PHASE,
)  # fmt: skip  # as in the exposition

_PHASES: Final = ("resolve", "connect", "tls", "processing", "transfer")
_ALWAYS: Final = (
    *COMMON_LABELS,
    *(metric(0).labels for metric in HTTP if metric not in (LAST_MODIFIED, PHASE)),
    *(PHASE(0, phase=phase).labels for phase in _PHASES),
)


@dataclass(slots=True)
class Exchange:
    """What one run saw; it grows while the run goes on."""

    trace: Trace
    url: Url
    head: Head | None = None
    content: Body = field(default_factory=Body)
    redirects: int = 0
    failed_due_to_regex: bool = False

    @property
    def body(self) -> bytes:
        """The first bytes of the body."""
        return bytes(self.content.data)


def run(options: Options, deadline: Deadline) -> Iterable[Sample | Remark]:
    """Return what the target answered; a target that is down or odd is ``probe_success`` 0."""
    return samples(look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Exchange:
    """Ask, follow redirects and judge; ``trace.failure`` says why it failed."""
    return hold(exchanges(options, deadline, Cookies()), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterable[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    if options.body_size_limit.size > LIGHT_BYTES_MAX:
        seen = yield Aside(partial(look, options, sooner(deadline)))
        assert isinstance(seen, Exchange), "that is what was asked for"
        return samples(seen)
    trace: Trace | None = None
    answers: tuple[object, ...] = ()
    if options.ordinary is not None:
        heard = yield from options.ordinary.exchange(deadline)
        if heard.whole is not None and _is_healthy(options, heard.whole):
            return _ordinary_samples(options.ordinary, heard, heard.whole, deadline.monotonic())
        trace, answers = heard.trace(deadline.monotonic), heard.answers
    seen = yield from CaughtUp(exchanges(options, deadline, Cookies(), trace), answers)
    return samples(seen)


def _is_healthy(options: Options, whole: Whole) -> bool:
    """Tell whether an answer is as it should be, where that is quickly told."""
    if status_verdict(options, whole.status):
        return False
    if not options.looks_at_body:
        return True
    return len(whole.body) <= _SEARCHED_AT_ONCE_BYTES_MAX and not body_verdict(options, whole.body)


def exchanges(
    options: Options, deadline: Deadline, cookies: Cookies, trace: Trace | None = None
) -> Conversation[Exchange]:
    """Ask, follow redirects and judge; cookies that are set go along. A trace may have begun before."""
    seen = Exchange(trace or Trace.start(deadline.monotonic), options.target)
    first = yield from _prepared(options)
    with judged(seen.trace):
        if options.oauth2:
            first = options.request((yield from _token(options.oauth2, options.manner, seen.trace)))
        yield from _followed(first, options, seen, cookies)
        assert seen.head is not None, "an exchange that returned has read a head"
        if seen.content.cut and options.body_size_limit.size:
            raise Unhealthy(f"the body is longer than {options.body_size_limit} bytes")
        seen.trace.failure = yield from _failure(options, seen, seen.head)
    return seen


def _prepared(options: Options) -> Conversation[Request]:
    """Return the first request; what it needs of files is read aside."""
    if options.first is not None:
        return options.first
    request = yield Aside(options.request)
    assert isinstance(request, Request), "that is what was asked for"
    return request


def _followed(first: Request, options: Options, seen: Exchange, cookies: Cookies) -> Conversation[None]:
    """Ask, go where redirects lead, and read the body of the last response."""
    request: Request | None = first
    manner = options.manner
    while request is not None:
        shown = cookies.header(request.url)
        response = yield from fetch(request.with_cookies(shown) if shown else request, manner, seen.trace)
        seen.url, seen.head = request.url, response.head
        cookies.take(request.url, response.head)
        following = request.redirected(response.head)
        if following is not None:
            seen.redirects += 1
            if seen.redirects > REDIRECTS_MAX:
                raise Unhealthy(f"the target redirects more than {REDIRECTS_MAX} times")
        if following is not None and options.follow_redirects:
            request = following
            continue
        # The body of a redirect that is not followed is read only where it is looked at.
        if following is None or options.looks_at_body:
            with seen.trace.stopwatch.phase("transfer"):
                yield from response.read(request, manner, seen.content)
        return


def _token(oauth2: OAuth2, manner: Manner, trace: Trace) -> Conversation[str]:
    """Return what to show, from the token server; one that does not take the head is asked in the body."""
    bounds = Bounds(ANSWER_BYTES_MAX, ANSWER_BYTES_MAX)
    asking = Manner(manner.way, oauth2.tls_config, bounds, manner.proxy, manner.no_proxy, manner.proxy_fields)
    secret = yield Aside(oauth2.secret)
    assert isinstance(secret, str), "that is what was asked for"
    status = 0
    for in_body in (False, True):
        # Its address and phases are not those of the target.
        aside = Trace.start(trace.stopwatch.monotonic)
        request = oauth2.request(secret, in_body=in_body)
        response = yield from fetch(request, asking, aside)
        body = Body()
        yield from response.read(request, asking, body)
        status = response.head.status
        if status // 100 == 2:
            return authorization(bytes(body.data))
    raise Unhealthy(f"the token server gives no token, its status is {status}")


def _failure(options: Options, seen: Exchange, head: Head) -> Conversation[str]:
    """Return why this answer is not a healthy one, or the empty string."""
    failure = status_verdict(options, head.status)
    if not failure:
        failure = header_verdict(options, head)
        if not failure:
            failure = yield from _body_failure(options, seen.body)
        seen.failed_due_to_regex = bool(failure)
    return failure or manner_verdict(options, head, seen.url.tls)


def _body_failure(options: Options, body: bytes) -> Conversation[str]:
    """Return which expression the body fails; a long body is searched aside."""
    if not options.looks_at_body or len(body) <= _SEARCHED_AT_ONCE_BYTES_MAX:
        return body_verdict(options, body)
    failure = yield Aside(partial(body_verdict, options, body))
    assert isinstance(failure, str), "that is what was asked for"
    return failure


def status_verdict(options: Options, status: int) -> str:
    """Return why this status is not a healthy one, or the empty string."""
    valid = options.valid_status_codes
    return "" if (status in valid if valid else status // 100 == 2) else f"the status is {status}"


def manner_verdict(options: Options, head: Head, tls: bool) -> str:
    """Return why the answer did not come as it should, or the empty string."""
    versions = options.valid_http_versions
    if versions and f"HTTP/{head.version}" not in versions:
        return f"the answer came in HTTP/{head.version}"
    if tls and options.fail_if_ssl:
        return "the answer came over TLS"
    if not tls and options.fail_if_not_ssl:
        return "the answer did not come over TLS"
    return ""


def header_verdict(options: Options, head: Head) -> str:
    """Return which header is not as it should be, or the empty string."""
    for match in options.fail_if_header_matches:
        found = head.each(match.header.lower())
        if not found and not match.allow_missing:
            return f"the header {match.header} is missing"
        if any(_matches(match, value) for value in found):
            return f"the header {match.header} matches {match.regexp}"
    for match in options.fail_if_header_not_matches:
        found = head.each(match.header.lower())
        if not found and not match.allow_missing:
            return f"the header {match.header} is missing"
        if found and not any(_matches(match, value) for value in found):
            return f"the header {match.header} does not match {match.regexp}"
    return ""


def _matches(match: HeaderMatch, value: str) -> bool:
    return match.regexp.search(value.encode("latin-1")) is not None


def body_verdict(options: Options, body: bytes) -> str:
    """Return which expression the body fails, or the empty string."""
    for pattern in options.fail_if_body_matches_regexp:
        if pattern.search(body):
            return f"the body matches {pattern}"
    for pattern in options.fail_if_body_not_matches_regexp:
        if not pattern.search(body):
            return f"the body does not match {pattern}"
    return ""


def samples(seen: Exchange) -> Iterable[Sample | Remark]:
    """Return one exchange in blackbox_exporter's names, with its zeros for what was not reached."""
    modified_s = moment_s(seen.head.get("last-modified")) if seen.head else None
    always = Samples(_ALWAYS, (*seen.trace.values(), *_values(seen)))
    if modified_s is None and not seen.trace.agreed and not seen.trace.failure:
        return always
    modified = [] if modified_s is None else [LAST_MODIFIED(modified_s)]
    return [*always, *modified, *seen.trace.more()]


def _ordinary_samples(asked: Ordinary, heard: Heard, whole: Whole, now_s: float) -> Samples:
    """Return what ``samples`` would of this exchange."""
    address, length = asked.connect.address, float(len(whole.body))
    took_s = now_s - heard.began_s
    transfer_s = max(0.0, took_s - heard.connect_s - heard.processing_s)
    common = (1.0, told_s(took_s), 0.0, float(address.protocol), float(fingerprint(address)))
    told = (0.0, float(whole.status), whole.version, 0.0, 0.0, length, length)
    phases = (0.0, told_s(heard.connect_s), 0.0, told_s(heard.processing_s), told_s(transfer_s))
    return Samples(_ALWAYS, (*common, *told, *phases))


def _values(seen: Exchange) -> tuple[float, ...]:
    """Return what is always told of HTTP, in the order of ``_ALWAYS``."""
    head, took_s = seen.head, seen.trace.stopwatch.seconds
    return (
        1.0 if seen.failed_due_to_regex else 0.0,
        float(head.status) if head else 0.0,
        float(head.version) if head else 0.0,
        1.0 if head is not None and seen.url.tls else 0.0,
        float(seen.redirects),
        float(head.content_length) if head else 0.0,
        float(seen.content.length),
        *[told_s(took_s.get(phase, 0.0)) for phase in _PHASES],
    )


def _target(options: Options) -> str:
    return options.target.text


PROBE = Probe("http", Options, run, (*COMMON, *TLS, *HTTP), job="blackbox", target=_target, converse=converse)
