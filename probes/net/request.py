"""Requests of HTTP/1.1 (RFC 9112), and where a response leads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from model.misfit import Misfit
from probes.net.address import Url
from probes.net.connect import Unhealthy
from probes.net.response import Head

AGENT: Final = "Beforehand"
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})
_BODILESS: Final = ("GET", "HEAD")

Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request; names of ``fields`` are in lower case, and those in ``secret`` stay at their origin.

    ``own`` while it stays at the origin of the first one, so that secrets may go along.
    """

    url: Url
    method: str = "GET"
    fields: tuple[Field, ...] = ()
    secret: tuple[Field, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    own: bool = True
    _encoded: bytes = field(default=b"", init=False, repr=False, compare=False)

    def plain(self) -> bytes:
        """Return the bytes to send where no proxy is asked; they are put together once."""
        if not self._encoded:
            object.__setattr__(self, "_encoded", self.encoded())
        return self._encoded

    def encoded(self, path: str = "", more: Iterable[Field] = ()) -> bytes:
        """Return the bytes to send; ``path`` stands in place of the URL's own where a proxy is asked."""
        secret = self.secret if self.own else ()
        lines: dict[str, tuple[str, ...]] = {
            "host": (self.url.authority,),
            "user-agent": (AGENT,),
            "accept": ("*/*",),
            "accept-encoding": ("identity",),
            "connection": ("close",),
        }
        if self.body or self.method not in _BODILESS:
            lines["content-length"] = (str(len(self.body)),)
        given: dict[str, tuple[str, ...]] = {}
        for name, value in (*self.fields, *secret, *more):
            given[name] = (*given.get(name, ()), value)
        lines |= given
        text = [f"{self.method} {path or self.url.path} HTTP/1.1"]
        text += [f"{name}: {value}" for name, values in lines.items() for value in values]
        return "\r\n".join((*text, "", "")).encode("utf-8", "surrogateescape") + self.body

    def given(self, name: str) -> str:
        """Return the value of a field that was asked for, or the empty string."""
        fields = (*self.fields, *(self.secret if self.own else ()))
        return next((value for known, value in fields if known == name), "")

    def with_cookies(self, value: str) -> Request:
        """Return the request with cookies besides those of its own."""
        own = self.given("cookie")
        rest = tuple(one for one in self.secret if one[0] != "cookie")
        whole = f"{own}; {value}" if own else value
        return replace(self, fields=(*self.fields, ("cookie", whole)), secret=rest)

    def redirected(self, head: Head) -> Request | None:
        """Return the request that this response asks for, or None where it is the answer itself."""
        location = head.get("location")
        if head.status not in _FOLLOWED or not location:
            return None
        try:
            url = self.url.join(location.encode("latin-1").decode("utf-8", "replace"))
        except Misfit as wrong:
            raise Unhealthy(f"the redirect leads nowhere: {wrong.sentence}") from None
        own = self.own and url.same_origin(self.url)
        if head.status in _SAME_METHOD:
            # To send the method without its body would ask for something else.
            return replace(self, url=url, own=own) if own or not self.body else None
        method = self.method if self.method == "HEAD" else "GET"
        return replace(self, url=url, method=method, body=b"", own=own)
