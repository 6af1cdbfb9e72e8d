"""Who asks: a program of this host, or a page in somebody's browser that was sent here."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

_OWN_SITES: Final = ("none", "same-origin")


def is_local(host: str) -> bool:
    """Tell whether a Host header names this machine's loopback; a page that rebinds DNS to us does not."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return host.partition(":")[0].lower() == "localhost"


def is_foreign(host: str, origin: str | None, site: str | None) -> bool:
    """Tell whether a page of another origin sent this request.

    ``origin`` and ``site`` are the headers Origin and Sec-Fetch-Site, which browsers set and pages cannot
    (Fetch standard, Fetch Metadata); other programs send neither.
    """
    if site is not None and site not in _OWN_SITES:
        return True
    return origin is not None and origin.lower() != f"http://{host}".lower()
