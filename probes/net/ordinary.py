"""The ordinary HTTP exchange, in as few steps as can be: one question in the clear, one piece as the answer.

Nearly all checks of healthy targets are like this, and they are what a host spends its time on. Whatever is
not ordinary is left to the whole machinery, which is told what was heard so far.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.conversation import RECEIVE, Connect, Conversation, Send
from model.plugin import Deadline, DeadlinePassed
from probes.net.connect import Stopwatch, Trace
from probes.net.response import BODILESS

_HEAD: Final = re.compile(
    rb"HTTP/(1\.[01]) ([2456][0-9]{2})(?: [^\r\n]*)?\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r\n)*)\r\n"
)
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,7})[ \t]*\r\n")
_TELLING: Final = re.compile(rb"\n(?:transfer-encoding|content-encoding|last-modified):")


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that came in one piece, with its body as it is."""

    version: float
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard: each answer to what was asked, the last of them perhaps an error; times in seconds.

    ``whole`` is there where the answer is an ordinary one.
    """

    answers: tuple[object, ...]
    began_s: float
    connect_s: float
    processing_s: float
    whole: Whole | None = None

    def trace(self, monotonic: Callable[[], float]) -> Trace:
        """Return the trace so far."""
        trace = Trace(Stopwatch(monotonic), self.began_s)
        trace.stopwatch.seconds |= {"connect": self.connect_s, "processing": self.processing_s}
        return trace


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What to connect to, and what to send."""

    connect: Connect
    send: Send

    def exchange(self, deadline: Deadline) -> Conversation[Heard]:
        """Ask, and hear the first piece of the answer."""
        monotonic = deadline.monotonic
        began_s = connected_s = monotonic()
        answers: list[object] = []
        try:
            answers.append((yield self.connect))
            connected_s = monotonic()
            answers.append((yield self.send))
            answers.append((yield RECEIVE))
        except (OSError, DeadlinePassed) as wrong:
            answers.append(wrong)
        if len(answers) == 1:
            connected_s = monotonic()
        processing_s = monotonic() - connected_s
        return Heard(tuple(answers), began_s, connected_s - began_s, processing_s, whole(answers[-1]))


def whole(data: object) -> Whole | None:
    """Return the answer that these bytes are, or None where they are not all of an ordinary one."""
    head = _HEAD.match(data) if isinstance(data, bytes) else None
    if head is None:
        return None
    fields = b"\r\n" + head[3].lower()
    lengths = _LENGTH.findall(fields)
    if len(lengths) != 1 or fields.count(b"\ncontent-length:") != 1 or _TELLING.search(fields):
        return None
    status, body = int(head[2]), head.string[head.end() :]
    if status in BODILESS or len(body) != int(lengths[0]):
        return None
    return Whole(float(head[1]), status, body)
