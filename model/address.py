"""Addresses: where to listen on this machine, and where something is on the web."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from model.misfit import Misfit


@dataclass(frozen=True, slots=True)
class Listen:
    """An address of this machine alone, and a port; port 0 takes a free one.

    Beyond loopback nothing is listened on: whoever asks is not asked who they are.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read ``127.0.0.1:9466``, ``[::1]:9466`` or ``localhost:9466``."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not port.isascii() or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
            raise Misfit(f"{text[:60]!r} is not an address to listen on", "write it like 127.0.0.1:9466")
        try:
            address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError:
            raise Misfit(f"{host[:60]!r} is not an IP address", "write it like 127.0.0.1:9466") from None
        if not address.is_loopback:
            cure = "listen on 127.0.0.1 and put a proxy with TLS in front"
            raise Misfit(f"{host} can be reached from other machines", cure)
        return cls(str(address), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class WebAddress(str):
    """The base of addresses on the web: http or https, host, port, path; kept without a slash at the end."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> WebAddress:
        """Refuse what has a password, a query or a fragment in it, and what would break out of a link."""
        parts = urlsplit(text)
        base = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        if not base or parts.username is not None or any(c <= " " or c in '"<>\\' for c in text):
            sentence = f"{text[:60]!r} is not the base of a web address"
            raise Misfit(sentence, "write it like https://status.example.com, without user, ? and #")
        return cls(text.rstrip("/"))

    @property
    def host(self) -> str:
        """The host alone."""
        return urlsplit(self).hostname or "localhost"
