"""Send one HTTP request as it stands in the playbook, and judge the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from model.deed import CallHttp
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.regex import compiled
from model.step import Host, Risk, Step
from remediations.deeds.web import refused

URL_BYTES_MAX: Final = 2048
BODY_BYTES_MAX: Final = 16 << 10
TIMEOUT_S_MAX: Final = 120
_NUMERIC: Final = re.compile(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?charset=[a-z0-9-]+)?")


class Url(str):
    """An absolute http or https address without a password and without a fragment."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Url:
        """Refuse what a client and a server could read differently."""
        cure = "write it like http://127.0.0.1:8080/reload"
        if any(not "!" <= one <= "~" or one in '"<>\\^`{|}' for one in text) or len(text) > URL_BYTES_MAX:
            raise Misfit(f"{text[:60]!r} is not a web address", cure)
        try:
            parts = urlsplit(text)
            known = (
                parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
            )
        except ValueError:
            known = False
        if not known or parts.username is not None or parts.fragment:
            raise Misfit(f"{text[:60]!r} is not a web address", cure)
        return cls(text)


@dataclass(frozen=True, slots=True)
class Expect:
    """The answers that are good: any of these status codes (any 2xx where none is named), and a pattern."""

    status: tuple[int, ...] = ()
    regexp: str = ""

    def __post_init__(self) -> None:
        if any(not 100 <= one <= 599 for one in self.status):
            raise Misfit("a status is a number from 100 to 599", "write [200, 204]", key="status")
        if self.regexp:
            compiled(self.regexp)


@dataclass(frozen=True, slots=True)
class Options:
    """A request; redirects are not followed. Loopback and public addresses may be asked.

    ``allow_private`` adds private ones. Link-local addresses and the metadata of clouds are always refused,
    whatever name leads to them.
    """

    url: Url
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE"] = "GET"
    body: str = ""
    content_type: str = ""
    expect: Expect = Expect()
    allow_private: bool = False
    timeout: Duration = field(default=seconds(10))

    def __post_init__(self) -> None:
        if len(self.body.encode(errors="replace")) > BODY_BYTES_MAX:
            raise Misfit("the body is too long", f"keep it within {BODY_BYTES_MAX} bytes", key="body")
        if self.content_type and not _TYPE.fullmatch(self.content_type):
            cure = "write it like application/json"
            raise Misfit(f"{self.content_type[:40]!r} is no type of content", cure, key="content_type")
        if not 0.1 <= self.timeout.s <= TIMEOUT_S_MAX:
            raise Misfit("the time is out of range", f"write 100ms to {TIMEOUT_S_MAX}s", key="timeout")
        because = _refusal(self.url, allow_private=self.allow_private)
        if because:
            raise Misfit(because, "ask another address", key="url")


def _refusal(url: str, *, allow_private: bool) -> str:
    """Judge an address that stands in the file as a number; names are judged once they are resolved."""
    host = urlsplit(url).hostname or ""
    if not _NUMERIC.fullmatch(host):
        return ""
    try:
        return refused(host, allow_private=allow_private)
    except ValueError:
        return f"{host} is no address"


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One request."""
    yield CallHttp(
        method=options.method,
        url=options.url,
        body=options.body,
        content_type=options.content_type,
        expect=options.expect.status,
        pattern=options.expect.regexp,
        allow_private=options.allow_private,
        timeout_s=options.timeout.s,
    )


def touches(options: Options) -> frozenset[str]:
    """Name the server."""
    return frozenset({f"http:{urlsplit(options.url).netloc}"})


ACTION = Action("http", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
