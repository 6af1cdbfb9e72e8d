"""Runs that need no thread: what only reads the kernel's memory waits for nobody.

A thread for each of some thirty small files would cost several times as much as reading them. What asks a
device, a disk or a lock that may be held for long is told apart, and is done aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from model.conversation import Aside, Conversation
from model.plugin import Deadline, Seen

Options = TypeVar("Options")
Run = Callable[[Options, Deadline], Iterable[Seen]]
Converse = Callable[[Options, Deadline], Conversation[Iterable[Seen]]]


def at_once(run: Run[Options]) -> Converse[Options]:
    """Return a run that never waits as a conversation, one that asks for nothing."""

    def converse(options: Options, deadline: Deadline) -> Conversation[Iterable[Seen]]:
        yield from ()
        return run(options, deadline)

    return converse


def aside_where(there: Callable[[Options], bool], run: Run[Options]) -> Converse[Options]:
    """Return a run that may wait as a conversation: done aside, and left out where nothing is there."""

    def converse(options: Options, deadline: Deadline) -> Conversation[Iterable[Seen]]:
        if not there(options):
            return ()
        told: list[Seen] = []
        yield Aside(lambda: told.extend(run(options, deadline)))
        return told

    return converse
