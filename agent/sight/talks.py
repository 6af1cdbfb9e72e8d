"""Holds conversations on the loop's thread: as many at once as there are, and none waits for another."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

from agent.sight.pool import Done, Pool
from model.conversation import RECEIVE_BYTES, Aside, Ask, Connect, Conversation, Receive, Send
from model.plugin import DeadlinePassed

ASKS_AT_ONCE: Final = 64
"""After so many answers that took no waiting, a conversation lets the others go on."""

_UNWAITING: Final = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS})
_WAIT: Final = object()


class Hanging(DeadlinePassed):
    """What a conversation had done aside was not done when its deadline came; it keeps its thread."""


class Talk:
    """One conversation, and what it waits for."""

    __slots__ = ("ask", "conversation", "fd", "key", "line", "mask", "rest")

    def __init__(self, key: object, conversation: Conversation[Any]) -> None:
        self.key = key
        self.conversation: Conversation[Any] | None = conversation  # None once it is over
        self.line: socket.SocketType | None = None
        self.fd = -1
        self.mask = 0  # the events that its connection is watched for
        self.ask: Ask | None = None
        self.rest = memoryview(b"")  # what is still to be sent


class Talks:
    """All conversations that are under way; used by the loop's thread only.

    Each is over by its deadline. ``fileno`` becomes readable when ``listen`` has something to do, and
    ``next_s`` tells when ``turn`` has. What a conversation has done aside goes to the pool, with the ``Talk``
    as its key, and comes back by ``told``.
    """

    def __init__(self, monotonic: Callable[[], float], pool: Pool) -> None:
        self._monotonic = monotonic
        self._pool = pool
        self._epoll = select.epoll()
        self._by_fd: dict[int, Talk] = {}
        self._deadlines: list[tuple[float, int, Talk]] = []
        self._begun = 0
        self._ready: deque[tuple[Talk, object, Exception | None]] = deque()
        self._done: list[Done] = []

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._epoll.fileno()

    def begin(self, key: object, conversation: Conversation[Any], until_s: float) -> None:
        """Begin a conversation, which is over at ``until_s`` at the latest."""
        self._begun += 1
        talk = Talk(key, conversation)
        heappush(self._deadlines, (until_s, self._begun, talk))
        self._go_on(talk, None, None)

    def listen(self) -> None:
        """Go on with those that the network has something for."""
        for fd, _ in self._epoll.poll(0):
            talk = self._by_fd.get(fd)
            if talk is not None:
                self._hear(talk)

    def told(self, done: Done) -> None:
        """Go on with a conversation whose aside is done; one that was over before is reported once more."""
        talk = done.key
        assert isinstance(talk, Talk), "asides have their talk as key"
        if talk.conversation is None:
            self._done.append(Done(talk.key, None, None))
        else:
            wrong = done.error
            self._go_on(talk, done.value, wrong if isinstance(wrong, Exception) else None)

    def turn(self) -> None:
        """Go on with those that stood back for others, and end those whose time is over."""
        for _ in range(len(self._ready)):
            self._go_on(*self._ready.popleft())
        if self._deadlines:
            now_s = self._monotonic()
            while self._deadlines and self._deadlines[0][0] <= now_s:
                self._late(heappop(self._deadlines)[2])

    def finished(self) -> list[Done]:
        """Return what came to its end since the last call."""
        done, self._done = self._done, []
        return done

    def next_s(self) -> float | None:
        """Return when ``turn`` is needed next, on the monotonic clock."""
        if self._ready or self._done:
            return self._monotonic()
        while self._deadlines and self._deadlines[0][2].conversation is None:
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def close(self) -> None:
        """End every conversation."""
        for _, _, talk in self._deadlines:
            self._end(talk)
        self._epoll.close()

    def _go_on(self, talk: Talk, answer: object, wrong: Exception | None) -> None:
        """Answer, and do what is asked next, until something must be waited for."""
        conversation = talk.conversation
        if conversation is None:
            return
        for _ in range(ASKS_AT_ONCE):
            try:
                ask = conversation.send(answer) if wrong is None else conversation.throw(wrong)
            except StopIteration as end:
                self._finish(talk, end.value, None)
                return
            except Exception as error:  # noqa: BLE001  # whatever it raises, its target becomes unknown
                self._finish(talk, None, error)
                return
            try:
                answer, wrong = self._answer(talk, ask), None
            except OSError as trouble:
                answer, wrong = None, trouble
            if answer is _WAIT:
                return
        self._ready.append((talk, answer, wrong))

    def _answer(self, talk: Talk, ask: Ask) -> object:
        """Do what is asked; ``_WAIT`` where that takes waiting."""
        talk.ask = ask
        if isinstance(ask, Receive):
            return self._wait(talk, select.EPOLLIN)
        if isinstance(ask, Send):
            talk.rest = memoryview(ask.data)
            return self._send(talk)
        if isinstance(ask, Connect):
            return self._connect(talk, ask)
        if self._pool.submit(talk, ask.job):
            return _WAIT
        raise OSError(errno.EAGAIN, "every worker thread is held by another probe")

    def _connect(self, talk: Talk, ask: Connect) -> object:
        self._hang_up(talk)
        kind = socket.SOCK_DGRAM if ask.datagrams else socket.SOCK_STREAM
        line = talk.line = socket.SocketType(ask.address.family, kind | _UNWAITING)
        talk.fd = line.fileno()
        if ask.source is not None:
            line.bind(ask.source)
        wrong = line.connect_ex(ask.address.sockaddr)
        if wrong not in _UNDER_WAY:
            raise OSError(wrong, os.strerror(wrong))
        try:
            line.getpeername()
        except OSError:
            return self._wait(talk, select.EPOLLOUT)
        return line.getsockname()  # On this machine it is there at once.

    def _send(self, talk: Talk) -> object:
        line = _line(talk)
        while talk.rest:
            try:
                talk.rest = talk.rest[line.send(talk.rest) :]
            except BlockingIOError:
                return self._wait(talk, select.EPOLLOUT)
        return None

    def _wait(self, talk: Talk, mask: int) -> object:
        if not talk.mask:
            self._epoll.register(talk.fd, mask)
            self._by_fd[talk.fd] = talk
        elif talk.mask != mask:
            self._epoll.modify(talk.fd, mask)
        talk.mask = mask
        return _WAIT

    def _hear(self, talk: Talk) -> None:
        """Go on with a conversation whose connection has something to say."""
        wrong = None
        try:
            answer = self._heard(talk)
        except OSError as trouble:
            answer, wrong = None, trouble
        if answer is not _WAIT:
            self._go_on(talk, answer, wrong)

    def _heard(self, talk: Talk) -> object:
        line = _line(talk)
        if isinstance(talk.ask, Receive):
            try:
                return line.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return _WAIT
        if isinstance(talk.ask, Connect):
            wrong = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if wrong:
                raise OSError(wrong, os.strerror(wrong))
            return line.getsockname()
        if isinstance(talk.ask, Send):
            return self._send(talk)
        # The other end goes on while something is done aside: it is not listened to until that is done.
        self._epoll.unregister(talk.fd)
        del self._by_fd[talk.fd]
        talk.mask = 0
        return _WAIT

    def _late(self, talk: Talk) -> None:
        """Tell a conversation that its time is over; it may not ask any more."""
        conversation = talk.conversation
        if conversation is None:
            return
        late = Hanging() if isinstance(talk.ask, Aside) else DeadlinePassed()
        if isinstance(late, Hanging):
            self._finish(talk, None, late)
            return
        try:
            conversation.throw(late)
        except StopIteration as end:
            self._finish(talk, end.value, None)
        except Exception as error:  # noqa: BLE001  # whatever it raises, its target becomes unknown
            self._finish(talk, None, error)
        else:
            self._finish(talk, None, late)

    def _finish(self, talk: Talk, value: object, error: Exception | None) -> None:
        self._end(talk)
        self._done.append(Done(talk.key, value, error))

    def _end(self, talk: Talk) -> None:
        conversation, talk.conversation = talk.conversation, None
        if conversation is not None:
            conversation.close()
        self._hang_up(talk)

    def _hang_up(self, talk: Talk) -> None:
        if talk.line is not None:
            if talk.mask:
                del self._by_fd[talk.fd]  # The kernel forgets it with its last descriptor.
                talk.mask = 0
            talk.line.close()
            talk.line = None


def _line(talk: Talk) -> socket.SocketType:
    assert talk.line is not None, "a conversation connects before it talks"
    return talk.line
