"""Holds a conversation on the calling thread, which waits until the deadline at most."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TypeVar

from model.conversation import RECEIVE_BYTES, Aside, Ask, Connect, Conversation, Send
from model.plugin import Deadline, DeadlinePassed

Found = TypeVar("Found")


def hold(conversation: Conversation[Found], deadline: Deadline) -> Found:
    """Return what the conversation finds, or raise what it raises."""
    line = _Line(deadline)
    with closing(line), closing(conversation):
        try:
            ask = next(conversation)
            while True:
                ask = _next(conversation, ask, line)
        except StopIteration as end:
            found: Found = end.value
            return found


def _next(conversation: Conversation[Found], ask: Ask, line: _Line) -> Ask:
    """Answer what was asked and return what is asked next."""
    try:
        answer = line.answer(ask)
    except DeadlinePassed as late:
        conversation.throw(late)
        raise  # It was told that its time is over, and asks all the same.
    except Exception as wrong:  # noqa: BLE001  # whatever it is, the conversation judges it
        return conversation.throw(wrong)
    return conversation.send(answer)


class _Line:
    """The one connection of a conversation."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._socket: socket.socket | None = None

    def answer(self, ask: Ask) -> object:
        """Do what is asked; raises ``DeadlinePassed`` when its time is over."""
        left_s = self._deadline.left_s()
        if isinstance(ask, Aside):
            return ask.job()
        if isinstance(ask, Connect):
            self.close()
            kind = socket.SOCK_DGRAM if ask.datagrams else socket.SOCK_STREAM
            self._socket = socket.socket(ask.address.family, kind)
            if ask.source is not None:
                self._socket.bind(ask.source)
        assert self._socket is not None, "a conversation connects before it talks"
        self._socket.settimeout(left_s)
        try:
            if isinstance(ask, Connect):
                self._socket.connect(ask.address.sockaddr)
                return self._socket.getsockname()
            if isinstance(ask, Send):
                self._socket.sendall(ask.data)  # which takes its time-out for the whole
                return None
            return self._socket.recv(RECEIVE_BYTES)
        except TimeoutError as late:
            if late.errno is None:  # Python's own; the network's has a number.
                raise DeadlinePassed from None
            raise

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
