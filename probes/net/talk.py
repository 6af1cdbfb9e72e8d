"""A talk with a target, line by line, as blackbox_exporter's ``query_response`` describes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from model.conversation import Conversation
from model.decode import Raw
from model.labels import NAME, Labels
from model.misfit import Misfit
from model.regex import Match
from model.sample import LABEL_BYTES_MAX, Metric, Sample
from probes.net.connect import FAILED_DUE_TO_REGEX, Connection, Trace, Unhealthy
from probes.net.credentials import NO_SECRET, NO_TEXT, Secret
from probes.net.trust import TlsConfig
from probes.pattern import Pattern

LINE_BYTES_MAX: Final = 65536
EXCHANGES_MAX: Final = 32
LABELS_MAX: Final = 16
EXPECT_BYTES_MAX: Final = 4096

FAILED_DUE_TO_BYTES = Metric("probe_failed_due_to_bytes", "1 if the target sent other bytes than expected.")
EXPECT_INFO = Metric("probe_expect_info", "What was matched, in the labels that were asked for; always 1.")
TALK: Final = (FAILED_DUE_TO_REGEX, FAILED_DUE_TO_BYTES, EXPECT_INFO)

_LINE_END: Final = re.compile(rb"\n")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class InfoLabel:
    """One label of ``probe_expect_info``; ``${1}`` in its value is the first group of ``expect``."""

    name: str
    value: Raw = NO_TEXT

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.name) or self.name.startswith("__"):
            raise Misfit(f"{self.name!r} cannot be a label name", "use letters, digits and _", key="name")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One step of a talk: lines are read until one matches ``expect``, then ``send`` is sent with a line end.

    ``${1}`` in ``send`` is what the first group of ``expect`` matched; ``starttls`` then turns to TLS.
    ``expect_bytes`` stands for so many bytes that must be exactly these; ``labels`` are told as
    ``probe_expect_info``.
    """

    expect: Pattern | None = None
    send: Secret = NO_SECRET
    starttls: bool = False
    expect_bytes: Raw = NO_TEXT
    labels: tuple[InfoLabel, ...] = ()

    def said(self, match: Match | None) -> str:
        """Return what to send after this match."""
        return match.expanded(self.send.text) if match else self.send.text

    def __post_init__(self) -> None:
        if self.expect and self.expect_bytes:
            raise Misfit("expect and expect_bytes are both given", "make two steps of them", key="expect")
        if len(self.expect_bytes.encode("utf-8", "surrogateescape")) > EXPECT_BYTES_MAX:
            cure = f"keep it within {EXPECT_BYTES_MAX} bytes"
            raise Misfit("expect_bytes is too long", cure, key="expect_bytes")
        if len(self.labels) > LABELS_MAX:
            raise Misfit("there are too many labels", f"keep them within {LABELS_MAX}", key="labels")


@dataclass(slots=True)
class Seen:
    """What a talk saw; it grows while the probe runs."""

    trace: Trace
    failed_due_to_regex: bool = False
    failed_due_to_bytes: bool = False
    infos: list[dict[str, str]] = field(default_factory=list)

    def samples(self) -> Iterator[Sample]:
        """Yield what is told of the talk itself."""
        yield FAILED_DUE_TO_REGEX(self.failed_due_to_regex)
        yield FAILED_DUE_TO_BYTES(self.failed_due_to_bytes)
        yield from self.info_samples()

    def info_samples(self) -> Iterator[Sample]:
        """Yield what was noted of what the target said."""
        for info in self.infos:
            yield Sample(Labels.of(info, **{NAME: EXPECT_INFO.name}), 1.0)


def check_length(exchanges: tuple[Exchange, ...]) -> None:
    """Raise ``Misfit`` where a talk has too many steps."""
    if len(exchanges) > EXCHANGES_MAX:
        cure = f"keep it within {EXCHANGES_MAX} steps"
        raise Misfit(f"the talk has {len(exchanges)} steps", cure, key="query_response")


def talk(
    exchanges: tuple[Exchange, ...], connection: Connection, seen: Seen, host: str, config: TlsConfig
) -> Conversation[None]:
    """Go through the steps; what is not as expected is raised as ``Unhealthy``."""
    for exchange in exchanges:
        match: Match | None = None
        if exchange.expect:
            match = yield from _awaited(exchange.expect, connection, seen)
            if exchange.labels:
                seen.infos.append({one.name: _bounded(match.expanded(one.value)) for one in exchange.labels})
        if exchange.expect_bytes:
            yield from _exactly(exchange.expect_bytes.encode("utf-8", "surrogateescape"), connection, seen)
        if exchange.send:
            said = exchange.said(match)
            yield from connection.send(said.encode("utf-8", "surrogateescape") + b"\n")
        if exchange.starttls:
            seen.trace.agreed = yield from connection.start_tls(host, config)


def _awaited(expect: Pattern, connection: Connection, seen: Seen) -> Conversation[Match]:
    """Return the match in the first line that has one; the last line may lack its end."""
    more = True
    while more:
        said = yield from connection.take_until(_LINE_END, LINE_BYTES_MAX)
        more = said is not None
        match = expect.search((connection.rest() if said is None else said).rstrip(b"\r\n"))
        if match:
            return match
    seen.failed_due_to_regex = True
    raise Unhealthy(f"nothing that the target said matches {expect}")


def _exactly(expected: bytes, connection: Connection, seen: Seen) -> Conversation[None]:
    got = yield from connection.take_exactly(len(expected))
    if got != expected:
        seen.failed_due_to_bytes = True
        raise Unhealthy("the target sent other bytes than expected")


def _bounded(text: str) -> str:
    return text[:LABEL_BYTES_MAX]
