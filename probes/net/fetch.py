"""One request on one fresh connection, through a proxy or not, and the head of its response."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from model.conversation import Conversation
from probes.net.address import Endpoint, is_literal
from probes.net.connect import Connection, Trace, Unhealthy, connect, located
from probes.net.proxy import NoProxy, ProxyUrl
from probes.net.request import Field, Request
from probes.net.response import HEAD_BYTES_MAX, Body, Bounds, Head, read_body, read_head
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.net.way import ANY_WAY, Way

_NO_FIELDS: Final[tuple[Field, ...]] = ()
_OVERHEAD_MAX: Final = 8  # wire bytes for one byte of body, at most: a chunk of one byte needs six


@dataclass(frozen=True, slots=True)
class Manner:
    """How requests are made: the way to the target, its trust, a proxy, and how much of a body is read.

    ``proxy_fields`` go to the proxy alone. With ``through_name`` the proxy looks up the target's name.
    """

    way: Way = ANY_WAY
    tls_config: TlsConfig = SYSTEM_TRUST
    bounds: Bounds = field(default_factory=Bounds)
    proxy: ProxyUrl | None = None
    no_proxy: NoProxy = field(default_factory=NoProxy)
    proxy_fields: tuple[Field, ...] = ()
    through_name: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A head, and the connection on which its body comes."""

    head: Head
    connection: Connection

    def read(self, request: Request, manner: Manner, body: Body) -> Conversation[None]:
        """Read into the body."""
        return read_body(self.connection, self.head, request.method, manner.bounds, body)


def fetch(request: Request, manner: Manner, trace: Trace) -> Conversation[Response]:
    """Ask, and return when the head of the response is there."""
    url = request.url
    trace.agreed = None
    path, more = "", _NO_FIELDS
    if manner.proxy is None or url.endpoint in manner.no_proxy:
        bytes_max = HEAD_BYTES_MAX + _OVERHEAD_MAX * manner.bounds.read_bytes_max
        connection = yield from connect(url.endpoint, manner.way, trace, bytes_max)
    else:
        connection, named = yield from _through(manner.proxy, request, manner, trace)
        if not url.tls:
            path, more = f"http://{named}{url.path}", _shown(manner.proxy, manner)
    if url.tls:
        with trace.stopwatch.phase("tls"):
            host, config = _judged_as(request, manner.tls_config)
            trace.agreed = yield from connection.start_tls(host, config)
    with trace.stopwatch.phase("processing"):
        yield from connection.send(request.encoded(path, more) if path else request.plain())
        yield from connection.receive()
    with trace.stopwatch.phase("transfer"):
        head = yield from read_head(connection)
    return Response(head, connection)


def _judged_as(request: Request, config: TlsConfig) -> tuple[str, TlsConfig]:
    """Return which host to ask for; what was configured is about the first origin only."""
    if not request.own:
        return request.url.endpoint.host, replace(config, server_name="")
    named = request.given("host").rpartition("]")[2].partition(":")[0]
    return named or request.url.endpoint.host, config


def _through(
    proxy: ProxyUrl, request: Request, manner: Manner, trace: Trace
) -> Conversation[tuple[Connection, str]]:
    """Connect to the proxy, and on to a target with TLS; return also how the target was named to it."""
    endpoint = request.url.endpoint
    if not manner.through_name or is_literal(endpoint.host):
        address = yield from located(endpoint, manner.way, trace)
        endpoint = Endpoint(address.host, endpoint.port)
    # The proxy is its own target: what is told of the address is about the one behind it.
    aside = Trace(trace.stopwatch, trace.started_s)
    bytes_max = 2 * HEAD_BYTES_MAX + _OVERHEAD_MAX * manner.bounds.read_bytes_max
    connection = yield from connect(proxy.endpoint, replace(manner.way, refuse=()), aside, bytes_max)
    if request.url.tls:
        with trace.stopwatch.phase("connect"):
            yield from connection.send(_tunnel(endpoint, _shown(proxy, manner)))
            head = yield from read_head(connection)
        if head.status // 100 != 2:
            raise Unhealthy(f"the proxy does not connect, its status is {head.status}")
    return connection, str(endpoint)


def _tunnel(endpoint: Endpoint, shown: tuple[Field, ...]) -> bytes:
    lines = (f"CONNECT {endpoint} HTTP/1.1", f"host: {endpoint}", *(f"{k}: {v}" for k, v in shown), "", "")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _shown(proxy: ProxyUrl, manner: Manner) -> tuple[Field, ...]:
    own = (("proxy-authorization", proxy.authorization.text),) if proxy.authorization else ()
    return (*own, *manner.proxy_fields)
