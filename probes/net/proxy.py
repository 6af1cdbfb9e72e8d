"""Proxies for HTTP: which target goes through one, and how it is asked (RFC 9110, 9.3.6)."""

from __future__ import annotations

import binascii
import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from model.misfit import Misfit
from probes.net.address import Endpoint, Url
from probes.net.credentials import NO_SECRET, Secret


@dataclass(frozen=True, slots=True)
class ProxyUrl:
    """Where a proxy listens, in the clear, and what it is shown: ``http://[user:password@]host:port``."""

    endpoint: Endpoint
    authorization: Secret = NO_SECRET

    @classmethod
    def parse(cls, text: str) -> ProxyUrl:
        """Read the URL."""
        parts = urlsplit(text)
        if parts.scheme != "http":
            raise Misfit("only a proxy at http:// is asked", "write it like http://proxy.example.com:3128")
        plain = Url.parse(f"http://{parts.netloc.rpartition('@')[2]}/")
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        shown = f"Basic {binascii.b2a_base64(pair, newline=False).decode()}" if parts.username else ""
        return cls(plain.endpoint, Secret(shown))


@dataclass(frozen=True, slots=True)
class NoProxy:
    """Hosts that are asked without a proxy: names with all below them, addresses, networks, or ``*``."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> NoProxy:
        """Read a list that commas divide."""
        return cls(tuple(word.strip().lower() for word in text.split(",") if word.strip()))

    def __contains__(self, endpoint: Endpoint) -> bool:
        return any(_covers(word, endpoint) for word in self.words)


def _covers(word: str, endpoint: Endpoint) -> bool:
    name, _, port = word.rpartition(":") if word.count(":") == 1 else (word, "", "")
    if word == "*" or (port and port != str(endpoint.port)):
        return word == "*"
    try:
        return ipaddress.ip_address(endpoint.host) in ipaddress.ip_network(name or word, strict=False)
    except ValueError:
        bare = (name or word).removeprefix("*").lstrip(".")
        exact = endpoint.host == bare and not (name or word).startswith((".", "*"))
        return exact or endpoint.host.endswith(f".{bare}")
