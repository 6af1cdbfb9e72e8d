"""Asks a service over D-Bus, until a deadline; jeepney knows the wire format, the socket is ours.

Calls are sent many at a time, and their answers are read together. The other side may be silent, slow, or
anybody: what it sends is bounded, and is taken only in the types that were asked for.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, Final

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageFlag,
    MessageType,
    Parser,
    message_bus,
    new_method_call,
)
from jeepney.auth import BEGIN, AuthenticationError, Authenticator

from model.plugin import Deadline

MESSAGE_BYTES_MAX: Final = 16 << 20
AT_ONCE_MAX: Final = 32

_CHUNK_BYTES: Final = 65536

# What jeepney's parser stumbles over when the other side does not speak D-Bus.
_NONSENSE: Final = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AssertionError,
    RecursionError,
    OverflowError,
    struct.error,
)


class Unreachable(Exception):
    """The other side does not answer, or not in D-Bus; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Call:
    """A question: a method with what it takes, where a tuple is an array, and the signature of its answer."""

    path: str
    interface: str
    method: str
    returns: str
    takes: str = ""
    arguments: tuple[str | tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is an error, by its name."""

    name: str


Answer = tuple[Any, ...] | Refused
"""The values that a call returned; their types are those of its signature."""


def of_property(path: str, interface: str, name: str) -> Call:
    """Return the question for one property; the answer is one pair of a signature and a value."""
    return Call(path, "org.freedesktop.DBus.Properties", "Get", "v", "ss", (interface, name))


@dataclass(slots=True)
class Bus:
    """An open connection to one service, over a bus or straight to its socket."""

    end: socket.socket
    service: str
    parser: Any = field(default_factory=Parser)
    serials: Iterator[int] = field(default_factory=lambda: count(1))

    def ask(self, calls: Sequence[Call], deadline: Deadline) -> list[Answer]:
        """Return the answer to each call, in their order, or raise ``Unreachable``."""
        answers: list[Answer] = []
        for first in range(0, len(calls), AT_ONCE_MAX):
            answers += self._ask(calls[first : first + AT_ONCE_MAX], deadline)
        return answers

    def _ask(self, calls: Sequence[Call], deadline: Deadline) -> list[Answer]:
        waiting: dict[int, Call] = {}
        answers: dict[int, Answer] = {}
        data = b""
        for call in calls:
            serial = next(self.serials)
            waiting[serial] = call
            begin, end = _message(call, self.service)
            data += begin + struct.pack("<I", serial) + end
        _send(self.end, data, deadline)
        while len(answers) < len(waiting):
            message = self._receive(deadline)
            serial = message.header.fields.get(HeaderFields.reply_serial, -1)
            if serial in waiting and serial not in answers:
                answers[serial] = _answer(waiting[serial], message)
        return [answers[serial] for serial in waiting]

    def _receive(self, deadline: Deadline) -> Message:
        while True:
            try:
                message = self.parser.get_next_message()
            except _NONSENSE as wrong:
                raise Unreachable(f"what came is not D-Bus: {type(wrong).__name__}") from None
            if message is not None:
                return message
            if (self.parser.next_msg_size or 0) > MESSAGE_BYTES_MAX:
                raise Unreachable(f"an answer has more than {MESSAGE_BYTES_MAX} bytes")
            self.parser.add_data(_received(self.end, deadline))


@lru_cache(maxsize=1024)
def _message(call: Call, service: str) -> tuple[bytes, bytes]:
    """Return a call as bytes: what stands before its serial number, and what behind.

    Most calls are made again and again, and only the number differs (D-Bus Specification, "Message Format").
    """
    address = DBusAddress(call.path, bus_name=service, interface=call.interface)
    arguments = tuple(list(one) if isinstance(one, tuple) else one for one in call.arguments)
    message = new_method_call(address, call.method, call.takes or None, arguments)
    message.header.flags |= MessageFlag.no_auto_start  # asking must not start anything
    data: bytes = message.serialise(serial=1)
    return data[:8], data[12:]


def _answer(call: Call, message: Message) -> Answer:
    fields = message.header.fields
    if message.header.message_type is MessageType.error:
        return Refused(str(fields.get(HeaderFields.error_name, ""))[:200])
    if fields.get(HeaderFields.signature, "") != call.returns:
        raise Unreachable(f"{call.method} returned something else than it should")
    return tuple(message.body)


def _send(end: socket.socket, data: bytes, deadline: Deadline) -> None:
    end.settimeout(deadline.left_s())
    try:
        end.sendall(data)
    except OSError as wrong:
        raise Unreachable(f"D-Bus takes no call: {wrong}") from None


def _received(end: socket.socket, deadline: Deadline) -> bytes:
    end.settimeout(deadline.left_s())
    try:
        data = end.recv(_CHUNK_BYTES)
    except TimeoutError:
        raise Unreachable("D-Bus does not answer in time") from None
    except OSError as wrong:
        raise Unreachable(f"D-Bus went away: {wrong}") from None
    if not data:
        raise Unreachable("D-Bus closed the connection")
    return data


@contextmanager
def bus(path: Path, service: str, deadline: Deadline) -> Iterator[Bus]:
    """Connect to a service over the bus at this socket."""
    with _connected(path, deadline) as end:
        over = Bus(end, message_bus.bus_name)
        hello = Call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "s")
        if isinstance(over.ask((hello,), deadline)[0], Refused):
            raise Unreachable("the bus takes nobody in")
        over.service = service
        yield over


@contextmanager
def straight(path: Path, service: str, deadline: Deadline) -> Iterator[Bus]:
    """Connect to a service that listens at a socket of its own, without a bus."""
    with _connected(path, deadline) as end:
        yield Bus(end, service)


@contextmanager
def _connected(path: Path, deadline: Deadline) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.settimeout(deadline.left_s())
        try:
            end.connect(str(path))
        except OSError as wrong:
            raise Unreachable(f"{path} takes no connection: {wrong}") from None
        greeting = Authenticator()
        try:
            for line in greeting:
                _send(end, line, deadline)
                greeting.feed(_received(end, deadline))
        except AuthenticationError as wrong:
            raise Unreachable(f"{path} does not let this user in: {str(wrong)[:200]}") from None
        _send(end, BEGIN, deadline)
        yield end
