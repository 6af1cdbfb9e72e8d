"""Posts of alerts that wait at the same time are taken into the store together; each is answered then.

What a transaction costs is paid once for all of them. While one group is written the next one gathers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from desk.house import House
from desk.incident.episode import Outcome, receive
from desk.incident.incident import Signal
from desk.intake.standing import Stood
from desk.staff.counter import Counter

SIGNALS_MAX: Final = 5_000

Done = Callable[[BaseException | None], object]
"""Is called once: with None when alerts are durable, or with what was wrong."""


@dataclass(frozen=True, slots=True)
class _Post:
    """The alerts of one body, and whom to tell what came of them."""

    signals: tuple[Signal, ...]
    now_ms: int
    done: Done


@dataclass(frozen=True, slots=True)
class _Received:
    """What a group left to do, and how its alerts stand once it is durable."""

    outcome: Outcome
    expected: Mapping[str, Stood]


class Gathering:
    """Takes posts of one event loop into the store, a group at a time, in the order in which they came."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._waiting: list[_Post] = []
        self._writing = False

    async def take(self, signals: tuple[Signal, ...], now_ms: int) -> None:
        """Return when these alerts are durable, with all that follows from them."""
        promise: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.post(signals, now_ms, partial(_keep, promise))
        await promise

    def post(self, signals: tuple[Signal, ...], now_ms: int, done: Done) -> None:
        """Take alerts in, and call ``done`` on this event loop once that came to an end."""
        self._waiting.append(_Post(signals, now_ms, done))
        if not self._writing:
            self._writing = True
            loop = asyncio.get_running_loop()
            # Whatever has come in this turn of the loop goes along.
            loop.call_soon(self._write, loop)

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        count = 0
        group: list[_Post] = []
        for post in self._waiting:
            count += len(post.signals)
            if group and count > SIGNALS_MAX:
                break
            group.append(post)
        del self._waiting[: len(group)]
        self._hand_over(group, lambda promise: loop.call_soon_threadsafe(self._written, loop, group, promise))

    def _hand_over(self, group: list[_Post], then: Callable[[Future[_Received]], object]) -> None:
        house = self._counter.house

        def kept(promise: Future[_Received]) -> None:
            """Know on the writing thread what is durable, before anything is written over it."""
            if promise.exception() is None:
                house.standing.settle(promise.result().expected)
            else:
                house.standing.give_up()
            then(promise)

        self._counter.store.write(partial(_receive, house=house, posts=group), kept)

    def _written(
        self, loop: asyncio.AbstractEventLoop, group: list[_Post], promise: Future[_Received]
    ) -> None:
        self._writing = bool(self._waiting)
        if self._writing:
            self._write(loop)
        wrong = promise.exception()
        if wrong is None:
            self._counter.woken(promise.result().outcome)
        for post in group:
            if wrong is None:
                post.done(None)
            else:
                self._alone(loop, post, wrong, alone=len(group) == 1)

    def _alone(
        self, loop: asyncio.AbstractEventLoop, post: _Post, wrong: BaseException, *, alone: bool
    ) -> None:
        """Try a post by itself, so that one that cannot be taken does not take its neighbours along."""
        if alone:
            post.done(wrong)
            return
        self._hand_over([post], lambda promise: loop.call_soon_threadsafe(self._settled, post, promise))

    def _settled(self, post: _Post, promise: Future[_Received]) -> None:
        wrong = promise.exception()
        if wrong is None:
            self._counter.woken(promise.result().outcome)
        post.done(wrong)


def _keep(promise: asyncio.Future[None], wrong: BaseException | None) -> None:
    if promise.done():
        return  # Somebody who went away waits no more.
    if wrong is None:
        promise.set_result(None)
    else:
        promise.set_exception(wrong)


def _receive(conn: Connection, house: House, posts: Sequence[_Post]) -> _Received:
    """Take posts as one report, as far as no alert comes twice: each word of an alert counts by itself."""
    changed, dues = False, []
    expected: dict[str, Stood] = {}
    for signals, now_ms in _reports(posts):
        outcome = receive(conn, house, signals, now_ms)
        changed = changed or outcome.changed
        dues.append(outcome.due_ms)
        expected |= house.standing.expect(outcome.stand, now_ms)
    return _Received(Outcome(changed, min(filter(None, dues), default=0)), expected)


def _reports(posts: Sequence[_Post]) -> list[tuple[list[Signal], int]]:
    reports: list[tuple[list[Signal], int]] = []
    keys: set[str] = set()
    for post in posts:
        own = {signal.key for signal in post.signals}
        if not reports or not keys.isdisjoint(own):
            reports.append(([], post.now_ms))
            keys = set()
        keys |= own
        reports[-1][0].extend(post.signals)
        reports[-1] = (reports[-1][0], max(reports[-1][1], post.now_ms))
    return reports
