"""Networks that are never spoken to, whatever an address in them is disguised as."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where an IPv4 address stands in the last bytes of one of IPv6: RFC 6052, and RFC 4291 2.5.5.1.
_EMBEDDING: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


@dataclass(frozen=True, slots=True)
class Network:
    """A range of IP addresses like 169.254.0.0/16, or one address."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Network:
        """Read a network; bits beyond its length must be zero."""
        try:
            return cls(str(ipaddress.ip_network(text)))
        except ValueError:
            raise Misfit(f"{text[:60]!r} is not a network", "write it like 10.0.0.0/8 or fd00::/8") from None

    def __contains__(self, host: str) -> bool:
        """Tell whether an IP address is one of these, also where it carries such a one within."""
        network = ipaddress.ip_network(self.text)
        return any(meant in network for meant in _meanings(host) if meant.version == network.version)

    def __str__(self) -> str:
        return self.text


METADATA: Final = tuple(
    map(
        Network.parse,
        (
            "169.254.0.0/16",  # link-local: AWS, Azure, Google, Oracle, OpenStack, DigitalOcean
            "100.100.100.200/32",  # Alibaba
            "168.63.129.16/32",  # Azure's host
            "192.0.0.192/32",  # Oracle's older one
            "fd00:ec2::/32",  # AWS
            "fd20:ce::/32",  # Google
            "fe80::/10",
        ),
    )
)
"""Where clouds tell secrets to whoever asks from within a machine."""


def _meanings(host: str) -> Iterator[_Ip]:
    """Yield the address, and those of IPv4 that it stands for on the way (mapped, 6to4, Teredo, NAT64)."""
    address = ipaddress.ip_address(host.partition("%")[0])
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        inner = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
        yield from (one for one in inner if one is not None)
        if any(address in network for network in _EMBEDDING):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
