"""The one place that speaks to people: takes what is due, hands it over, writes down the answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from desk.dispatch import Answer, Idle, Task, record, take
from desk.envelope import Stationery
from desk.store import Store
from model.plugin import Deadline, DeadlinePassed, Line, Undelivered

SEND_S: Final = 30.0
PAUSE_FIRST_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
LOOK_S: Final = 5.0


class Courier:
    """Sends one message after the other; one courier means that at most one message is ever in doubt."""

    def __init__(
        self,
        store: Store,
        line: Line,
        stationery: Stationery,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._line = line
        self._stationery = stationery
        self._clock = clock
        self._monotonic = monotonic
        self._answer: Answer | None = None
        self._pause_s = 0.0

    def step(self) -> float:
        """Send at most one message; return for how many seconds there is nothing to do."""
        now_ms = self._clock()
        found = self._store.written(
            partial(take, worker="courier", answer=self._answer, stationery=self._stationery, now_ms=now_ms)
        )
        self._answer = None
        if isinstance(found, Idle):
            return min(LOOK_S, (found.until_ms - now_ms) / 1000) if found.until_ms else LOOK_S
        self._answer = self._said(found)
        if self._pause_s:
            self._settle()
        return self._pause_s

    def close(self) -> None:
        """Write down the last answer and let the line go."""
        self._settle()
        self._line.close()

    def _settle(self) -> None:
        """Write the last answer down now; as a rule it is written together with the next try."""
        if self._answer is not None:
            self._store.written(partial(record, answer=self._answer))
            self._answer = None

    def _said(self, task: Task) -> Answer:
        """Hand one message over and return what became of it."""
        deadline = Deadline(self._monotonic() + SEND_S, self._monotonic)
        try:
            reply = self._line.say(task.message, deadline)
        except DeadlinePassed:
            return Answer(task, "retrying", "the time for sending was over", self._clock())
        except Undelivered as fact:
            # While nobody can be reached, one person after the other would only fail.
            self._pause_s = min(PAUSE_MAX_S, self._pause_s * 2 or PAUSE_FIRST_S) if fact.everybody else 0.0
            state = "failed" if fact.permanent else "unknown" if fact.unknown else "retrying"
            return Answer(task, state, fact.sentence, self._clock())
        self._pause_s = 0.0
        return Answer(task, "accepted", reply, self._clock())
