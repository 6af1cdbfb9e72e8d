"""Where a target is: a host with a port, or a URL; names and forms only, nothing is looked up here."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from model.conversation import Address
from model.misfit import Misfit

URL_CHARS_MAX: Final = 8192
HOST_CHARS_MAX: Final = 253

_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL_CHARS: Final = "%/:?#[]@!$&'()*+,;=~"


def is_literal(host: str) -> bool:
    """Tell whether the host is an IP address, which needs no name server."""
    for family, text in ((socket.AF_INET, host), (socket.AF_INET6, host.partition("%")[0])):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def _address(host: str, port: int) -> Address | None:
    if "%" in host or not is_literal(host):
        return None
    return (
        Address(socket.AF_INET6, (host, port, 0, 0)) if ":" in host else Address(socket.AF_INET, (host, port))
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, as a name in ASCII or an IP address without brackets, and a TCP port."""

    host: str
    port: int
    address: Address | None = field(init=False, repr=False, compare=False)
    """What to connect to, where the host says all of it: it is an IP address, and none of a zone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", _address(self.host, self.port))

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``host:port`` or ``[IPv6 address]:port``."""
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
            raise Misfit(f"{text[:80]!r} is not host:port", "write it like db.example.com:5432 or [::1]:5432")
        bracketed = host.startswith("[") and host.endswith("]")
        if ":" in host and not bracketed:
            raise Misfit("an IPv6 address needs brackets", f"write [{host[:80]}]:{port}")
        return cls(_host(host[1:-1] if bracketed else host), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL, without user, password and fragment (RFC 3986)."""

    text: str
    tls: bool
    endpoint: Endpoint
    path: str  # the request target: path and query, percent-encoded

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read the URL; a password in it is refused, because targets are shown as labels."""
        if len(text) > URL_CHARS_MAX or any(c <= " " or c == "\x7f" for c in text):
            raise Misfit("the URL is too long or has spaces in it", "write spaces as %20")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as wrong:
            raise Misfit(f"{text[:80]!r} is not a URL: {wrong}", "mend it") from None
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
            raise Misfit(f"{text[:80]!r} is not an http or https URL", "write it like https://example.com/")
        if "@" in parts.netloc:
            raise Misfit("the URL carries a user name or password", "use basic_auth with a password_file")
        path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_URL_CHARS)
        endpoint = Endpoint(_host(parts.hostname), port or _DEFAULT_PORTS[parts.scheme])
        return cls(text, parts.scheme == "https", endpoint, path)

    def join(self, location: str) -> Url:
        """Return where a Location header of this URL leads, or raise ``Misfit``."""
        try:
            joined = urljoin(self.text, quote(location[: URL_CHARS_MAX + 1], safe=_URL_CHARS))
        except ValueError as wrong:
            raise Misfit(f"{location[:80]!r} is not a URL: {wrong}", "mend it") from None
        return Url.parse(joined)

    @property
    def authority(self) -> str:
        """The value of the Host header: the port only where it is not the scheme's own."""
        host = f"[{self.endpoint.host}]" if ":" in self.endpoint.host else self.endpoint.host
        usual = self.endpoint.port == (443 if self.tls else 80)
        return host if usual else f"{host}:{self.endpoint.port}"

    def same_origin(self, other: Url) -> bool:
        """Tell whether scheme, host and port are the same, so that secrets may go there (RFC 6454)."""
        return (self.tls, self.endpoint) == (other.tls, other.endpoint)

    def __str__(self) -> str:
        return self.text


def _host(text: str) -> str:
    """Return the host in lower-case ASCII, or raise ``Misfit``."""
    if is_literal(text):
        return text
    try:
        host = text.lower() if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        host = ""
    if len(host) > HOST_CHARS_MAX or not _HOST.fullmatch(host):
        raise Misfit(f"{text[:80]!r} is not a host name", "write a name like example.com or an IP address")
    return host
