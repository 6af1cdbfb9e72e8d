"""Which of a target's addresses is spoken to, from which own one, and which never are."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from model.conversation import Address, Sockaddr
from model.misfit import Misfit
from probes.net.address import is_literal
from probes.net.networks import Network

IpProtocol = Literal["ip4", "ip6"]


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An IP address of this machine to speak from."""

    host: str

    @classmethod
    def parse(cls, text: str) -> OwnAddress:
        """Read an IP address without brackets."""
        if not is_literal(text):
            raise Misfit(f"{text[:60]!r} is not an IP address", "write one that this machine has")
        return cls(text)

    def sockaddr(self) -> Sockaddr:
        """Return it as the socket calls take it, with a port that the kernel chooses."""
        return (self.host, 0, 0, 0) if ":" in self.host else (self.host, 0)

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True, slots=True)
class Way:
    """How a target is reached, with blackbox_exporter's rules: one address, no second try.

    ``fallback`` lets an address of the other IP version do where there is none of the preferred one.
    Addresses in the networks ``refuse`` are not spoken to; what was looked up is what is connected to, so
    an answer that changes in between changes nothing.
    """

    preferred: IpProtocol = "ip4"
    fallback: bool = True
    source: OwnAddress | None = None
    refuse: tuple[Network, ...] = ()

    def choose(self, found: Iterable[Address]) -> Address | None:
        """Return the first address of the preferred IP version, else the first of all."""
        addresses = tuple(found)
        wanted = 6 if self.preferred == "ip6" else 4
        first = next((address for address in addresses if address.protocol == wanted), None)
        return first or (next(iter(addresses), None) if self.fallback else None)

    def accepts(self, address: Address) -> bool:
        """Tell whether the only address of a target may be spoken to, by its IP version."""
        return self.fallback or address.protocol == (6 if self.preferred == "ip6" else 4)

    def refuses(self, address: Address) -> bool:
        """Tell whether this address is never spoken to."""
        return bool(self.refuse) and any(address.sockaddr[0] in network for network in self.refuse)

    def own(self, address: Address) -> Sockaddr | None:
        """Return the own address to speak from; one of another IP version than the target's is an OSError."""
        if self.source is None:
            return None
        sockaddr = self.source.sockaddr()
        if (len(sockaddr) == 4) != (address.family == socket.AF_INET6):
            raise OSError(
                f"no way from {self.source} to {address.sockaddr[0]}: they differ in their IP version"
            )
        return sockaddr


ANY_WAY: Final = Way()
