"""A target without a port of its own: a host alone, or a host where the port can be left out."""

from __future__ import annotations

from dataclasses import dataclass

from model.misfit import Misfit
from probes.net.address import Endpoint, is_literal


@dataclass(frozen=True, slots=True)
class Host:
    """A host: a name in ASCII, or an IP address without brackets."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Host:
        """Read a name or an address; an IPv6 address may stand in brackets."""
        bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        if ":" in bare and not is_literal(bare):
            raise Misfit(f"{text[:80]!r} is a host with a port", "leave out the port")
        return cls(Endpoint.parse(f"[{bare}]:1" if is_literal(bare) else f"{bare}:1").host)

    def at(self, port: int) -> Endpoint:
        """Return a port of this host."""
        return Endpoint(self.name, port)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Server:
    """A host, and a port where one was written."""

    host: Host
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Server:
        """Read ``host``, ``host:port``, an IP address, or ``[IPv6 address]:port``."""
        if is_literal(text) or ":" not in text or text.endswith("]"):
            return cls(Host.parse(text), None)
        endpoint = Endpoint.parse(text)
        return cls(Host(endpoint.host), endpoint.port)

    def endpoint(self, usual: int) -> Endpoint:
        """Return where the server listens, on its usual port where none was written."""
        return self.host.at(self.port or usual)

    def __str__(self) -> str:
        return str(self.host.at(self.port)) if self.port else str(self.host)
