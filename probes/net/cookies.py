"""Cookies of one run (RFC 6265): kept from its responses and shown where they belong, in memory alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from probes.net.address import Url, is_literal
from probes.net.response import Head

COOKIES_MAX: Final = 50
COOKIE_BYTES_MAX: Final = 4096

_PAIR: Final = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*([\x21-\x3a\x3c-\x7e]*)\s*")


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str = field(repr=False)
    host: str
    whole_domain: bool
    path: str
    secure: bool

    def belongs(self, url: Url) -> bool:
        host, path = url.endpoint.host, url.path.partition("?")[0]
        below = self.whole_domain and host.endswith(f".{self.host}")
        at_path = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        return (host == self.host or below) and at_path and (url.tls or not self.secure)


@dataclass(slots=True)
class Cookies:
    """The cookies that the targets of one run have set; the oldest make way for new ones."""

    _each: dict[tuple[str, str, str], _Cookie] = field(default_factory=dict)

    def take(self, url: Url, head: Head) -> None:
        """Keep what a response of this URL sets; one that asks for a foreign domain is left out."""
        for text in head.each("set-cookie"):
            cookie, gone = _parsed(url, text[:COOKIE_BYTES_MAX])
            if cookie is None:
                continue
            key = (cookie.host, cookie.path, cookie.name)
            self._each.pop(key, None)
            if not gone:
                self._each[key] = cookie
            while len(self._each) > COOKIES_MAX:
                del self._each[next(iter(self._each))]

    def header(self, url: Url) -> str:
        """Return the value of the Cookie header for this URL, or the empty string."""
        if not self._each:
            return ""
        found = [cookie for cookie in self._each.values() if cookie.belongs(url)]
        found.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in found)


def _parsed(url: Url, text: str) -> tuple[_Cookie | None, bool]:
    """Return the cookie that a Set-Cookie header sets, and whether it takes it away instead."""
    first, *rest = text.split(";")
    pair = _PAIR.fullmatch(first)
    if pair is None:
        return None, False
    said = {name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in rest)}
    host, domain = url.endpoint.host, said.get("domain", "").lstrip(".").lower()
    # A single label, such as a country's, is nobody's to set cookies for.
    if (
        domain
        and domain != host
        and (is_literal(host) or "." not in domain or not host.endswith(f".{domain}"))
    ):
        return None, False
    path = said.get("path", "")
    if not path.startswith("/"):
        path = url.path.partition("?")[0].rpartition("/")[0] or "/"
    gone = said.get("max-age", "1").lstrip("-").lstrip("0") == "" or said.get("max-age", "").startswith("-")
    return _Cookie(pair[1], pair[2], domain or host, bool(domain), path, "secure" in said), gone
