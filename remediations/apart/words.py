"""What the agent and the hand in a process of its own say to each other, a packet for each word.

They meet at a Unix socket of packets (unix(7), SOCK_SEQPACKET): the kernel keeps the bounds of each. The hand
greets, the agent asks for one step, and then may only ask to stop; whoever closes ends the talk, and the step
with it.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

from model.grant import Grant
from model.misfit import Misfit
from model.step import Result, Step
from remediations.apart.packing import Garbled, pack

VERSION: Final = 2
PACKET_BYTES_MAX: Final = 64 << 10
PART_CHARACTERS_MAX: Final = 4096
"""Twelve bytes for each character at worst, so a part always fits into a packet."""
VALID_MS: Final = 60_000
ALIVE_EVERY_S: Final = 1.0
GRANTS_MAX: Final = 8
GRANT_BYTES_MAX: Final = 1024
SPARE_BYTES: Final = 1024 + GRANTS_MAX * GRANT_BYTES_MAX
"""What a request needs beside its step."""

_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Greeting:
    """The hand's first word; ``once`` is never given again, ``switch`` is the path of its kill switch."""

    version: int
    once: str
    switch: str


@dataclass(frozen=True, slots=True)
class Request:
    """One step of a playbook; ``run`` is empty for a question, ``grants`` are what people said to the run.

    ``issued_ms`` counts from the start of the machine, sleep included, so that no clock which is set can
    make an old plan young (clock_gettime(2), CLOCK_BOOTTIME).
    """

    version: int
    once: str
    issued_ms: int
    playbook: str
    run: str
    step: Step
    check: bool
    grants: tuple[Grant, ...] = ()

    def __post_init__(self) -> None:
        if len(self.grants) > GRANTS_MAX:
            raise Misfit(f"a request carries more than {GRANTS_MAX} grants", "leave some out")
        if not all(map(fits, self.grants)):
            raise Misfit("a request carries a grant that nobody can have made", "leave it out")


@dataclass(frozen=True, slots=True)
class Stop:
    """The agent's wish that the step ends now."""

    because: str


@dataclass(frozen=True, slots=True)
class Alive:
    """The hand is still at it; said each second."""


@dataclass(frozen=True, slots=True)
class Said:
    """A part of the step's output."""

    part: str


@dataclass(frozen=True, slots=True)
class Done:
    """What came of the step; its output went before."""

    result: Result


class Closed(Exception):
    """The other side is gone."""


def fits(grant: Grant) -> bool:
    """Tell whether a grant can be sent: short, and of nothing but what can be read."""
    texts = (grant.ask, grant.host, grant.playbook, grant.plan, grant.by, grant.seal)
    return all(map(str.isprintable, texts)) and len(pack(grant)) <= GRANT_BYTES_MAX


def send(end: socket.socket, word: object) -> None:
    """Send one word; may raise ``OSError``, ``BlockingIOError`` among them."""
    end.send(pack(word), socket.MSG_NOSIGNAL)


def receive(end: socket.socket) -> bytes:
    """Return the next packet; raises ``Closed``, ``Garbled``, or ``BlockingIOError`` where none is there."""
    try:
        data, _, flags, _ = end.recvmsg(PACKET_BYTES_MAX)
    except ConnectionError as gone:
        raise Closed(os.strerror(gone.errno or 0)) from None
    if flags & socket.MSG_TRUNC:
        raise Garbled(f"a packet is larger than {PACKET_BYTES_MAX} bytes")
    if flags & socket.MSG_CTRUNC:
        raise Garbled("a packet carries more than bytes")
    if not data:
        raise Closed("it closed the connection")
    return data


def peer(end: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid of who is at the other end, as the kernel knows them (SO_PEERCRED)."""
    data = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(data)
    return pid, uid, gid
