"""Postfix: what waits in its queues, as its own showq service lists it.

Depth has the name that postfix_exporter gives it. Read over showq's socket and not from the queue's
directories: that takes no more rights than membership in the group postdrop, and tells when a message
arrived, which the time of a deferred file does not. The form is that of Postfix 3 (attr_print0(3)): names and
values, each ended by a zero byte; an empty name ends a message, and an empty message the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from model.duration import seconds
from model.plugin import Deadline, DeadlinePassed, Probe, Remark
from model.sample import Metric, Sample
from probes.host.roots import Tree
from probes.net.connect import Unhealthy
from probes.service.wire import Server, Wire, connected, told

MESSAGES_MAX: Final = 20_000
LIST_BYTES_MAX: Final = 64 << 20
TEXT_BYTES_MAX: Final = 65536
QUEUES: Final = ("maildrop", "incoming", "active", "deferred", "hold")
SPOOL: Final = Tree(Path("/var/spool/postfix"))
_SOCKET: Final = "public/showq"
_NUMBER: Final = re.compile(rb"[0-9]{1,15}")

UP = Metric("postfix_up", "1 if Postfix listed its queues.")
DEPTH = Metric("postfix_showq_queue_depth", "Messages in the queue.", labels=("queue",))
BYTES = Metric("beforehand_postfix_queue_bytes", "Bytes of the messages in the queue.", labels=("queue",))
OLDEST = Metric(
    "beforehand_postfix_oldest_message_timestamp_seconds",
    "When the oldest message of the queue arrived, since 1970; none of an empty queue.",
    labels=("queue",),
)
COMPLETE = Metric(
    "beforehand_postfix_queue_complete", "1 if all messages were counted; else there are more than told."
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which Postfix to ask: ``spool`` is its queue_directory.

    The agent's user must be in the group postdrop. Counting ends after 20,000 messages or when time is over.
    """

    spool: Tree = SPOOL


@dataclass(slots=True)
class Queue:
    """What was counted of one queue."""

    messages: int = 0
    size_bytes: int = 0
    oldest_s: int | None = None


@dataclass(slots=True)
class Listing:
    """The list of all queues while it is read; ``ended`` once its end was seen."""

    queues: dict[str, Queue] = field(default_factory=lambda: {name: Queue() for name in QUEUES})
    messages: int = 0
    ended: bool = False
    _name: bytes | None = None
    _facts: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, text: bytes) -> None:
        """Take the next name or value."""
        if self._name is not None:
            self._facts.setdefault(self._name, text)
            self._name = None
        elif text:
            self._name = text
        elif self._facts:
            self._count(self._facts)
            self._facts = {}
        else:
            self.ended = True

    def _count(self, facts: dict[bytes, bytes]) -> None:
        if b"protocol" in facts:  # how newer versions begin
            return
        queue = self.queues.get(facts.get(b"queue_name", b"").decode("ascii", "replace"))
        size, arrived = facts.get(b"size", b""), facts.get(b"time", b"")
        if queue is None or not _NUMBER.fullmatch(size) or not _NUMBER.fullmatch(arrived):
            raise Unhealthy("the list of the queues is malformed")
        self.messages += 1
        queue.messages += 1
        queue.size_bytes += int(size)
        queue.oldest_s = min(int(arrived), queue.oldest_s or int(arrived))


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what waits in each queue; a Postfix that is down is ``postfix_up`` 0."""
    return told(UP, partial(_ask, options), deadline)


def _ask(options: Options, deadline: Deadline) -> Iterator[Sample]:
    listing = Listing()
    with connected(Server(None, str(options.spool / _SOCKET)), deadline, LIST_BYTES_MAX) as wire:
        try:
            _read(wire, listing)
        except DeadlinePassed:
            # A queue too long to be listed in time is what an alert waits for.
            if not listing.messages:
                raise
    yield from samples(listing)


def _read(wire: Wire, listing: Listing) -> None:
    rest = b""
    while not listing.ended and listing.messages < MESSAGES_MAX:
        piece = wire.piece()
        if not piece:
            raise Unhealthy("the list of the queues is cut short")
        *texts, rest = (rest + piece).split(b"\0")
        if len(rest) > TEXT_BYTES_MAX:
            raise Unhealthy("the list of the queues is malformed")
        for text in texts:
            listing.take(text)
            if listing.ended:
                return


def samples(listing: Listing) -> Iterator[Sample]:
    """Yield what was counted."""
    yield COMPLETE(listing.ended)
    for name, queue in listing.queues.items():
        yield DEPTH(queue.messages, queue=name)
        yield BYTES(queue.size_bytes, queue=name)
        if queue.oldest_s is not None:
            yield OLDEST(queue.oldest_s, queue=name)


def _this_host(_options: Options) -> str:
    return ""


PROBE = Probe(
    "postfix", Options, run, (UP, DEPTH, BYTES, OLDEST, COMPLETE),
    job="postfix", target=_this_host, every=seconds(30), subject=lambda options: str(options.spool.path),
)  # fmt: skip  # the metrics on one line
