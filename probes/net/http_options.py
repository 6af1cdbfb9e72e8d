"""What the http probe can be told, with every key that blackbox_exporter has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from model.conversation import Connect, Send
from model.decode import Raw
from model.misfit import Misfit
from probes.net.address import Url
from probes.net.bytesize import ByteSize
from probes.net.credentials import (
    NO_SECRET,
    NO_TEXT,
    TOKEN,
    Authorization,
    BasicAuth,
    HeaderValues,
    Secret,
    check_names,
    one_line,
)
from probes.net.fetch import Manner
from probes.net.networks import Network
from probes.net.oauth2 import OAuth2
from probes.net.ordinary import Ordinary
from probes.net.proxy import NoProxy, ProxyUrl
from probes.net.request import Field, Request
from probes.net.response import Bounds
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.net.way import IpProtocol, Way
from probes.pattern import Pattern

BODY_BYTES_MAX: Final = 64 << 20
BODY_FILE_BYTES_MAX: Final = 1 << 20
UNLIMITED: Final = ByteSize(0)
NOWHERE: Final = NoProxy()

NO_CEL: Final = "CEL is not evaluated here"
NO_HTTP3: Final = "HTTP/3 is not spoken here"
NO_BROTLI: Final = "brotli is not unpacked here"
NO_ENVIRONMENT: Final = "the environment's proxies are not heeded"
NOT_DONE: Final = frozenset({NO_CEL, NO_HTTP3, NO_BROTLI, NO_ENVIRONMENT})

HttpVersion = Literal["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0", "HTTP/3.0"]
Packing = Literal["", "identity", "gzip", "deflate", "br"]


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A header by its name, and what its value is searched for; ``allow_missing`` lets it be left out."""

    header: str
    regexp: Pattern
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What to ask and what to expect, with blackbox_exporter's keys.

    The question: ``method``, ``headers``, ``http_headers`` (each with ``values``, ``secrets`` and ``files``),
    ``body`` or ``body_file``; ``basic_auth``, ``authorization``, ``bearer_token`` (or its file) or ``oauth2``
    show who asks. None of these follows a redirect to another host, port or scheme.

    The answer: ``valid_status_codes`` (none means 2xx) and ``valid_http_versions``; ``fail_if_ssl``,
    ``fail_if_not_ssl``, ``fail_if_header_matches``, ``fail_if_header_not_matches``,
    ``fail_if_body_matches_regexp`` and ``fail_if_body_not_matches_regexp``, which see the first MiB of the
    body, or all of it within ``body_size_limit``. A body longer than that limit fails; without one, reading
    stops at 8 MiB, and that is no failure. ``compression`` says how the body must be packed.

    The way: ``follow_redirects`` (up to 10), ``tls_config``, ``proxy_url`` but for hosts in ``no_proxy``,
    with ``proxy_connect_header``, where ``skip_resolve_phase_with_proxy`` leaves it to the proxy to look up
    the name. The address is one of ``preferred_ip_protocol``, or where ``ip_protocol_fallback`` allows it, of
    the other version; networks in ``refuse`` are never spoken to. The default is ip4, because not every host
    that resolves IPv6 can reach it. HTTP/1.1 is spoken, also where ``enable_http2`` would allow more.

    Not taken, and refused with a cure: ``enable_http3``, ``proxy_from_environment``,
    ``fail_if_body_json_matches_cel`` and ``fail_if_body_json_not_matches_cel``.
    """

    target: Url
    method: str = "GET"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    http_headers: Mapping[str, HeaderValues] = field(default_factory=dict)
    body: Secret = NO_SECRET
    body_file: str = ""
    valid_status_codes: tuple[int, ...] = ()
    valid_http_versions: tuple[HttpVersion, ...] = ()
    follow_redirects: bool = True
    fail_if_body_matches_regexp: tuple[Pattern, ...] = ()
    fail_if_body_not_matches_regexp: tuple[Pattern, ...] = ()
    fail_if_body_json_matches_cel: Raw = NO_TEXT
    fail_if_body_json_not_matches_cel: Raw = NO_TEXT
    fail_if_header_matches: tuple[HeaderMatch, ...] = ()
    fail_if_header_not_matches: tuple[HeaderMatch, ...] = ()
    fail_if_ssl: bool = False
    fail_if_not_ssl: bool = False
    compression: Packing = ""
    body_size_limit: ByteSize = UNLIMITED
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    bearer_token: Secret = NO_SECRET
    bearer_token_file: str = ""
    oauth2: OAuth2 | None = None
    proxy_url: ProxyUrl | None = None
    no_proxy: NoProxy = NOWHERE
    proxy_from_environment: bool = False
    proxy_connect_header: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict)
    skip_resolve_phase_with_proxy: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST
    enable_http2: bool = True
    enable_http3: bool = False
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    refuse: tuple[Network, ...] = ()
    _manner: Manner = field(init=False, repr=False, compare=False)
    _first: Request | None = field(init=False, repr=False, compare=False)
    _ordinary: Ordinary | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not TOKEN.fullmatch(self.method):
            raise Misfit(f"{self.method!r} is not an HTTP method", "write one like GET or HEAD", key="method")
        _check_headers(self)
        if self.body_size_limit.size > BODY_BYTES_MAX:
            cure = f"write at most {BODY_BYTES_MAX}, or leave it out"
            raise Misfit(f"{self.body_size_limit} bytes are too many", cure, key="body_size_limit")
        if self.body and self.body_file:
            raise Misfit("body and body_file are both given", "keep one of them", key="body_file")
        shown = (self.basic_auth, self.authorization, self.bearer_token, self.bearer_token_file, self.oauth2)
        if sum(map(bool, shown)) > 1:
            cure = "keep one of basic_auth, authorization, bearer_token and oauth2"
            raise Misfit("it is said in more than one way who asks", cure)
        _check_spoken(self)
        # Every run is the same but for what stands in files, so it is worked out once.
        object.__setattr__(self, "_manner", self._made_manner())
        object.__setattr__(self, "_first", None if self.reads_files else self.request())
        object.__setattr__(self, "_ordinary", self._made_ordinary())

    @property
    def way(self) -> Way:
        """How the target is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, None, self.refuse)

    @property
    def manner(self) -> Manner:
        """How each request is made."""
        return self._manner

    @property
    def first(self) -> Request | None:
        """The first request, where it needs nothing of files."""
        return self._first

    @property
    def ordinary(self) -> Ordinary | None:
        """The exchange, where it may be an ordinary one."""
        return self._ordinary

    def _made_ordinary(self) -> Ordinary | None:
        address, way = self.target.endpoint.address, self.way
        special = (
            self.target.tls or self.proxy_url or self.oauth2 or self.compression or self.body_size_limit.size
        )
        expects = self.fail_if_header_matches or self.fail_if_header_not_matches or self.valid_http_versions
        if self._first is None or special or expects or self.fail_if_not_ssl or self.method == "HEAD":
            return None
        if address is None or not way.accepts(address) or way.refuses(address):
            return None
        return Ordinary(Connect(address), Send(self._first.plain()))

    def _made_manner(self) -> Manner:
        limit = self.body_size_limit.size
        bounds = Bounds(limit, limit, self.compression) if limit else Bounds(packing=self.compression)
        shown = (
            (name.lower(), value.text)
            for name, values in self.proxy_connect_header.items()
            for value in values
        )
        return Manner(
            self.way,
            self.tls_config,
            bounds,
            self.proxy_url,
            self.no_proxy,
            tuple(shown),
            self.skip_resolve_phase_with_proxy,
        )

    @property
    def looks_at_body(self) -> bool:
        """Tell whether the body matters."""
        return bool(self.fail_if_body_matches_regexp or self.fail_if_body_not_matches_regexp)

    @property
    def reads_files(self) -> bool:
        """Tell whether a request needs what stands in files."""
        basic, shown = self.basic_auth, self.authorization
        return bool(
            self.body_file
            or self.bearer_token_file
            or (basic and (basic.password_file or basic.username_file))
            or (shown and shown.credentials_file)
            or any(values.files for values in self.http_headers.values())
        )

    def request(self, authorization: str = "") -> Request:
        """Return the first request; an OSError where a file of it is not there."""
        fields: list[Field] = [("accept-encoding", self.compression)] if self.compression else []
        fields += [(name.lower(), value.text) for name, value in self.headers.items()]
        for name, values in self.http_headers.items():
            fields += [(name.lower(), value) for value in values.each()]
        shown = authorization or self._authorization()
        if shown:
            fields.append(("authorization", shown))
        body = self.body.text.encode("utf-8", "surrogateescape")
        if self.body_file:
            with Path(self.body_file).open("rb") as file:
                body = file.read(BODY_FILE_BYTES_MAX)
        return Request(self.target, self.method, (), _last_of_each(fields, self.http_headers), body)

    def _authorization(self) -> str:
        if self.basic_auth:
            return self.basic_auth.header()
        if self.authorization:
            return self.authorization.header()
        if self.bearer_token or self.bearer_token_file:
            return Authorization("Bearer", self.bearer_token, self.bearer_token_file).header()
        return ""


def _last_of_each(fields: list[Field], many: Mapping[str, object]) -> tuple[Field, ...]:
    """Return the fields, where only those that may be given many times are there more than once."""
    repeated = {name.lower() for name in many}
    last = {name: at for at, (name, _) in enumerate(fields)}
    return tuple(one for at, one in enumerate(fields) if one[0] in repeated or last[one[0]] == at)


def _check_headers(options: Options) -> None:
    check_names(options.headers, "headers")
    check_names(options.http_headers, "http_headers")
    check_names(options.proxy_connect_header, "proxy_connect_header")
    for name, value in options.headers.items():
        try:
            one_line(value.text)
        except Misfit:
            cure = "write a value in one line, without control characters"
            raise Misfit(f"the value of {name!r} is not one line", cure, key="headers") from None


def _check_spoken(options: Options) -> None:
    """Refuse what is not done here."""
    for key in ("fail_if_body_json_matches_cel", "fail_if_body_json_not_matches_cel"):
        if getattr(options, key):
            cure = "use fail_if_body_matches_regexp, or http_flow with a capture from the JSON"
            raise Misfit(NO_CEL, cure, key=key)
    if options.enable_http3 or "HTTP/3.0" in options.valid_http_versions:
        raise Misfit(NO_HTTP3, "set it to false, or leave it out", key="enable_http3")
    if options.proxy_from_environment:
        cure = "write proxy_url and no_proxy"
        raise Misfit(NO_ENVIRONMENT, cure, key="proxy_from_environment")
    if options.compression == "br":
        raise Misfit(NO_BROTLI, "use gzip or deflate", key="compression")
    if options.no_proxy.words and options.proxy_url is None:
        raise Misfit("no_proxy is given without proxy_url", "add proxy_url", key="no_proxy")
