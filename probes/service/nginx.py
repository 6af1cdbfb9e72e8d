"""nginx: what its stub_status page tells, in nginx-prometheus-exporter's names.

https://nginx.org/en/docs/http/ngx_http_stub_status_module.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.conversation import Conversation
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.net.address import Url
from probes.net.blocking import hold
from probes.net.connect import Trace, Unhealthy
from probes.net.fetch import Manner, fetch
from probes.net.request import Request
from probes.net.response import Body, Bounds
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.service.wire import Refused, told

PAGE_BYTES_MAX: Final = 65536
LOCAL: Final = Url.parse("http://127.0.0.1:8080/stub_status")
_PAGE: Final = re.compile(
    rb"Active connections: ([0-9]{1,18}) \s*server accepts handled requests(?: request_time)?\s+"
    rb"([0-9]{1,18}) ([0-9]{1,18}) ([0-9]{1,18})(?: [0-9]{1,18})?\s+"
    rb"Reading: ([0-9]{1,18}) Writing: ([0-9]{1,18}) Waiting: ([0-9]{1,18})\s*"
)

UP = Metric("nginx_up", "1 if the server answered.")
# The exporter's names of what only grows do not say so; the last one does.
FIELDS: Final = (
    Metric("nginx_connections_active", "Connections that are open, idle ones as well."),
    Metric("nginx_connections_accepted", "Connections that came.", "untyped"),
    Metric(
        "nginx_connections_handled", "Connections that were taken; fewer than came at a limit.", "untyped"
    ),
    Metric("nginx_http_requests_total", "Requests.", "counter"),
    Metric("nginx_connections_reading", "Connections on which a request is read."),
    Metric("nginx_connections_writing", "Connections on which an answer is written."),
    Metric("nginx_connections_waiting", "Connections that are idle."),
)
"""In the order of the page."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where nginx shows its status: ``target`` is the URL of a location with ``stub_status``.

    The location should allow this host alone. With https the certificate is judged as ``tls_config`` says.
    """

    target: Url = LOCAL
    tls_config: TlsConfig = SYSTEM_TRUST


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what the page tells; a server that is down or fails is ``nginx_up`` 0."""
    return told(UP, partial(_ask, options), deadline)


def _ask(options: Options, deadline: Deadline) -> Iterator[Sample]:
    status, page = hold(_page(options, Trace.start(deadline.monotonic)), deadline)
    if status >= 500:
        raise Unhealthy(f"the status is {status}")
    if status != 200:
        raise Refused(f"the status is {status}; let {options.target} show stub_status to this host")
    yield from samples(page)


def _page(options: Options, trace: Trace) -> Conversation[tuple[int, bytes]]:
    request = Request(options.target)
    manner = Manner(tls_config=options.tls_config, bounds=Bounds(PAGE_BYTES_MAX, PAGE_BYTES_MAX))
    response = yield from fetch(request, manner, trace)
    body = Body()
    yield from response.read(request, manner, body)
    return response.head.status, bytes(body.data)


def samples(page: bytes) -> Iterator[Sample]:
    """Yield what the page tells; raises ``Refused`` where it is another page."""
    found = _PAGE.fullmatch(page)
    if found is None:
        raise Refused("the page is not that of stub_status; name the URL of a location that has it")
    for metric, value in zip(FIELDS, found.groups(), strict=True):
        yield metric(float(value))


def _target(options: Options) -> str:
    return options.target.text


PROBE = Probe("nginx", Options, run, (UP, *FIELDS), job="nginx", target=_target)
