"""What ops say of the pings of jobs: where they may come from, and by which key."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class PingListen:
    """An address to hear pings on, of other machines as well; nothing but pings is answered there."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> PingListen:
        """Read ``0.0.0.0:9468`` or ``[::]:9468``."""
        host, _, port = text.rpartition(":")
        if not port.isascii() or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
            raise Misfit(f"{text[:60]!r} is not an address to listen on", "write it like 0.0.0.0:9468")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            raise Misfit(f"{host[:60]!r} is not an IP address", "write it like 0.0.0.0:9468") from None
        return cls(str(address), int(port))


@dataclass(frozen=True, slots=True)
class Pings:
    """How jobs may ping, besides at the agent's own address.

    ``listen`` is one more address, which other machines reach; it hears pings and nothing else, without TLS.
    ``key`` lets jobs ping ``/ping/KEY/SLUG``. With ``create`` such a ping with ``?create=1`` makes a job of
    an unknown slug, which should run daily.
    """

    listen: PingListen | None = None
    key: str = ""
    create: bool = False

    def __post_init__(self) -> None:
        if self.key and not _KEY.fullmatch(self.key):
            cure = "use 16 to 64 letters, digits, - and _"
            raise Misfit("the key of pings is too short, too long or has other characters", cure, key="key")
        if self.create and not self.key:
            raise Misfit("jobs are made by pings with a key, and there is none", "add key:", key="create")


NO_OTHER_PINGS: Final = Pings()
