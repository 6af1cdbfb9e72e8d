"""Bodies are read within limits of size and time, with one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from desk.intake.alerts import Refused
from desk.staff.bodies import Bodies


def coming(*messages: Message) -> Callable[[], Awaitable[Message]]:
    """Return what gives these messages, and then keeps silent."""
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_put_together_from_its_pieces() -> None:
    receive = coming(piece(b"a", more=True), piece(b"", more=True), piece(b"b"))
    assert asyncio.run(Bodies().read(receive)) == b"ab"


def test_a_body_that_is_too_long_is_refused_before_all_of_it_came() -> None:
    with pytest.raises(Refused) as fact:
        asyncio.run(Bodies().read(coming(piece(b"abc", more=True)), bytes_max=2))
    assert fact.value.status == 413


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(Refused) as fact:
        asyncio.run(Bodies().read(coming(piece(b"a", more=True), {"type": "http.disconnect"})))
    assert fact.value.status == 400


def test_who_is_slow_is_refused_and_who_is_not_is_waited_for() -> None:
    async def play() -> tuple[bytes | BaseException, bytes | BaseException]:
        bodies = Bodies(body_s=0.05, look_s=0.01)
        slow = bodies.read(coming(piece(b"a", more=True)))
        found, other = await asyncio.gather(slow, bodies.read(coming(piece(b"b"))), return_exceptions=True)
        return found, other

    slow, quick = asyncio.run(play())
    assert isinstance(slow, Refused)
    assert slow.status == 408
    assert quick == b"b"


def test_who_is_given_up_by_somebody_else_is_not_answered() -> None:
    async def play() -> None:
        task = asyncio.create_task(Bodies().read(coming()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(play())
