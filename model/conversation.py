"""Conversations: what a check asks of the network and is answered, without a socket, a clock or a thread.

A conversation is a generator. It yields what it asks for and is sent the answer; what went wrong is thrown
into it, as the ``OSError`` of the network or as ``DeadlinePassed``, and is a fact for it to judge. What it
returns is what it found. So it is written once, and may be held on a thread that waits, or beside a
thousand others on one that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, TypeVar

IpSockaddr = tuple[str, int] | tuple[str, int, int, int]
Sockaddr = IpSockaddr | str


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a target, as the socket calls take it.

    It has two parts for IPv4, four for IPv6, and is a path for a socket of this host.
    """

    family: int
    sockaddr: Sockaddr

    @property
    def protocol(self) -> int:
        """The IP version; 0 for a path."""
        if isinstance(self.sockaddr, str):
            return 0
        return 6 if len(self.sockaddr) == 4 else 4

    @property
    def host(self) -> str:
        """The IP address as a text, or the path."""
        return self.sockaddr if isinstance(self.sockaddr, str) else self.sockaddr[0]


@dataclass(frozen=True, slots=True)
class Aside:
    """Ask for something that blocks or takes long, done on a thread; the answer is what it returns.

    What it raises is thrown into the conversation.
    """

    job: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Connect:
    """Ask for a connection in place of the one before; the answer is this end's own ``Sockaddr``.

    It is a stream (TCP); with ``datagrams`` it is UDP, where each ``Send`` is one of them, and so is each
    answer to ``Receive``. ``source`` is the own address to speak from, where one was chosen.
    """

    address: Address
    source: Sockaddr | None = None
    datagrams: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Ask for all of these bytes to be sent; the answer is None."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Ask for some bytes, as they come; the answer is ``b""`` when the other end has no more."""


RECEIVE: Final = Receive()
RECEIVE_BYTES: Final = 65536
"""How many bytes one answer to ``Receive`` has at most."""

Ask = Aside | Connect | Send | Receive

Found = TypeVar("Found")
Conversation = Generator[Ask, object, Found]
"""Asks, is answered, and returns what it found; once told that its deadline passed, it may ask no more."""


class CaughtUp(Generator[Ask, object, Found]):
    """Goes on with a conversation after another one asked the same as it so far, and got these answers.

    An answer that is an error is thrown in.
    """

    def __init__(self, conversation: Conversation[Found], answers: Iterable[object]) -> None:
        self._conversation = conversation
        self._answers: Iterable[object] | None = answers

    def send(self, answer: object, /) -> Ask:
        """Answer what was asked last; the first time, all that was asked before."""
        if self._answers is None:
            return self._conversation.send(answer)
        answers, self._answers = self._answers, None
        ask = next(self._conversation)
        for known in answers:
            wrong = known if isinstance(known, Exception) else None
            ask = self._conversation.throw(wrong) if wrong else self._conversation.send(known)
        return ask

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        wrong: object = None,
        trace: TracebackType | None = None,
        /,
    ) -> Ask:
        """Throw an error in."""
        if isinstance(kind, BaseException):
            return self._conversation.throw(kind)
        return self._conversation.throw(kind, wrong, trace)
