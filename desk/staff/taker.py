"""What takes posts of alerts: as an application, or at once where a post came whole and is sound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from desk.intake.alerts import Refused, Taken, read_alerts, said
from desk.intake.gathering import Done, Gathering
from desk.staff.bodies import Bodies
from desk.staff.counter import Counter, answer

# Made once: most answers are this one.
_TAKEN: Final[tuple[Message, Message]] = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]},
    {"type": "http.response.body", "body": b""},
)


class Taker:
    """Takes the posts of alerts of one event loop."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._gathering = Gathering(counter)
        self._bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 only when every sound alert is durable, and with all that follows from it."""
        now_ms = self._counter.clock()
        try:
            _insist_on_json(scope["headers"])
            taken = self._read(await self._bodies.read(receive), now_ms)
        except Refused as fact:
            await answer(fact.sentence, fact.status)(scope, receive, send)
            return
        if taken.signals:
            await self._gathering.take(taken.signals, now_ms)
        if taken.problems:
            await answer(said(taken.problems), 400)(scope, receive, send)
            return
        for message in _TAKEN:
            await send(message)

    def at_once(self, headers: Iterable[tuple[bytes, bytes]], body: bytes, done: Done) -> bool:
        """Take a whole post of which every alert is sound, or leave it as it is; tell which.

        Once it is durable ``done`` is called with None, and 200 without a body is the answer.
        """
        now_ms = self._counter.clock()
        try:
            _insist_on_json(headers)
            taken = self._read(body, now_ms)
        except Refused:
            return False
        if taken.problems:
            return False
        if taken.signals:
            self._gathering.post(taken.signals, now_ms, done)
        else:
            done(None)
        return True

    def _read(self, body: bytes, now_ms: int) -> Taken:
        return read_alerts(body, now_ms, self._counter.house.standing)


def _insist_on_json(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise ``Refused`` where a body is not said to be JSON."""
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "the content type must be application/json")
