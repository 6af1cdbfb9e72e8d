"""The one place that speaks to people: takes what is due, hands it over, writes down the answers.

A batch is written down before it is begun and its answers with the next one. In between, a file on this
disk tells which message is under way, so that a desk that was killed knows all but that one, and doubles at
most that one. Another desk that takes over from it does not have the file: it has to doubt the whole batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection

from desk.approval import ask_post
from desk.clock import is_set
from desk.delivery import dispatch, suppression, tries, underway
from desk.delivery.dispatch import Idle, Pouch, Task
from desk.delivery.envelope import Stationery
from desk.delivery.progress import Key, Mark, Progress, marks
from desk.delivery.tries import UNBEGUN, Answer
from desk.delivery.turns import EVERYTHING, Load
from desk.delivery.underway import Try
from desk.notice import leaflet, parcel, release_post
from desk.notice.leaflet import Folded
from desk.notice.parcel import Parcel
from desk.store.store import Store, apart
from desk.ways import canary
from desk.ways.ways import Way
from model.plugin import Deadline, DeadlinePassed, Line, Message, Undelivered

SEND_S: Final = 30.0
PAUSE_FIRST_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
LOOK_S: Final = 5.0
BATCH_MAX: Final = 500
BATCH_S: Final = 0.1
COURIERS_MAX: Final = 8
_SINGLY: Final = 1


_log: Final = logging.getLogger("desk")

Single = Parcel | Folded | canary.Sent
"""What goes out by itself, and not in a batch."""


@dataclass(frozen=True, slots=True)
class Badge:
    """Who a courier is among those of its desk, and where it notes how far it is.

    ``worker`` is the same after a restart and nobody else's. ``load`` is what it carries; the first alone
    carries questions.
    """

    worker: str
    number: int
    file: Path
    load: Load = EVERYTHING

    @property
    def is_first(self) -> bool:
        """Whether it is the first of its desk."""
        return self.number == 1


def badge(state: Path, desk: str, number: int) -> Badge:
    """Return the badge of a desk's courier; they are numbered from 1."""
    name = "courier.progress" if number == 1 else f"courier-{number}.progress"
    return Badge(f"{desk}-{number}", number, state / name)


class Reply(NamedTuple):
    """What became of a message: ``state`` is accepted, retrying, unknown or failed.

    ``after_ms`` is how long another try is to wait at least; ``gone`` the address that leads nowhere now.
    """

    state: str
    text: str
    after_ms: int = 0
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a question, leaflet or canary."""

    of: Single
    reply: Reply
    at_ms: int


@dataclass(slots=True)
class Hand:
    """What a courier has to say to the store when it comes for more."""

    answers: list[Answer]
    said: Said | None = None


def resume(conn: Connection, badges: Sequence[Badge], now_ms: int) -> None:
    """Take up what couriers of this desk had in hand when it ended.

    What their files say was answered is recorded, what was begun and not answered is in doubt, and for
    whoever is left it is as if their turn had not come yet. Without its file a whole batch is in doubt.
    """
    for one in badges:
        in_hand = underway.held(conn, one.worker)
        done = marks(one.file) if in_hand else {}
        found = [
            tries.in_doubt(each, now_ms) if done is None else _meant(each, done, now_ms) for each in in_hand
        ]
        tries.settle(conn, one.worker, found, now_ms)


def recover(conn: Connection, now_ms: int, held_ms: int) -> None:
    """Take up what a dead desk held, of notices and of questions; ``held_ms`` is the grace for the living."""
    tries.recover(conn, now_ms, held_ms)
    parcel.recover(conn, now_ms, held_ms)
    leaflet.recover(conn, now_ms, held_ms)


def record(conn: Connection, worker: str, hand: Hand, now_ms: int) -> None:
    """Write down what became of everything that a courier had in hand."""
    if hand.said is not None:
        _record_one(conn, hand.said)
    tries.settle(conn, worker, hand.answers, now_ms)


def _record_one(conn: Connection, said: Said) -> None:
    reply = said.reply
    if isinstance(said.of, canary.Sent):
        canary.record(conn, said.of, reply.state, reply.text)
    elif isinstance(said.of, Folded):
        leaflet.record(conn, said.of, reply.state, reply.text, said.at_ms, reply.after_ms)
        if reply.gone:
            way = Way(said.of.message.channel, reply.gone)
            suppression.lose_way(conn, said.of.person, way, reply.text, said.at_ms)
    else:
        parcel.record(conn, said.of, reply.state, reply.text, said.at_ms)


def take(
    conn: Connection, of: Badge, hand: Hand, pouch: Pouch, now_ms: int, batch_max: int
) -> tuple[Task, ...] | Single | Idle:
    """Record the answers and return what comes next; who is asked for a word comes before all others."""
    record(conn, of.worker, hand, now_ms)
    # Beside the couriers of other desks each first one would take the same question.
    asks = of.is_first and apart(conn, _SINGLY)
    asked = _question(conn, pouch.stationery, now_ms) if asks else None
    if asked is not None:
        return asked
    flown = canary.take(conn, pouch.stationery, now_ms) if asks else None
    if flown is not None:
        return flown
    found = dispatch.next_batch(conn, of.worker, pouch, now_ms, batch_max)
    if isinstance(found, Idle) and asks:
        # What belongs to no incident can wait for all that does.
        folded = leaflet.take(conn, pouch.stationery, now_ms)
        if folded is not None:
            return folded
        flight_ms = canary.next_ms(conn, pouch.stationery.canaries)
        dues = (found.until_ms, parcel.next_ms(conn), leaflet.next_ms(conn), flight_ms)
        return Idle(min((due for due in dues if due), default=0))
    return found


def _question(conn: Connection, stationery: Stationery, now_ms: int) -> Parcel | None:
    return ask_post.take(conn, stationery, now_ms) or release_post.take(conn, stationery, now_ms)


def paced(batch_max: int, sent: int, took_s: float) -> int:
    """Return how many to take next: twice as many while they go quickly, half as many where they do not."""
    if took_s >= BATCH_S:
        return max(1, batch_max // 2)
    quick = sent == batch_max and took_s < BATCH_S / 2
    return min(BATCH_MAX, batch_max * 2) if quick else batch_max


class Courier:
    """Sends one message after the other, so that at most one of its messages is ever in doubt."""

    def __init__(
        self,
        store: Store,
        line: Line,
        stationery: Stationery,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        of: Badge,
    ) -> None:
        self._store = store
        self._line = line
        self._pouch = Pouch(stationery, load=of.load)
        self._clock = clock
        self._monotonic = monotonic
        self._badge = of
        self._progress = Progress(of.file)
        self._hand = Hand([])
        self._batch_max = 1
        self._pause_s = 0.0
        self._doubted = False

    def step(self) -> float:
        """Send at most one batch; return for how many seconds there is nothing to do."""
        now_ms = self._clock()
        if not is_set(now_ms):
            return self._wait_for_clock()
        self._doubted = False
        work = partial(take, of=self._badge, hand=self._hand, pouch=self._pouch, now_ms=now_ms)
        found = self._store.carried(partial(work, batch_max=self._batch_max))
        self._hand = Hand([])
        self._progress.clear()
        if isinstance(found, Idle):
            return min(LOOK_S, (found.until_ms - now_ms) / 1000) if found.until_ms else LOOK_S
        if isinstance(found, Parcel | Folded | canary.Sent):
            self._hand.said = Said(found, self._say(found.message), self._clock())
        else:
            self._send(found)
        if self._pause_s:
            self._settle()
        return self._pause_s

    def _wait_for_clock(self) -> float:
        """Send nothing while the clock shows a time that cannot be: it stands in each message."""
        if not self._doubted:
            self._doubted = True
            _log.error("nothing is sent: the clock of this machine was never set; set it")
        return LOOK_S

    def close(self) -> None:
        """Write down the last answers and let the line go."""
        self._settle()
        self._progress.close()
        self._line.close()

    def _send(self, batch: Sequence[Task]) -> None:
        """Send a batch for as long as it goes quickly; whoever is left goes back."""
        begun_s = self._monotonic()
        answers, last = self._hand.answers, None
        sent = 0
        try:
            for task in batch:
                if sent and (self._pause_s or self._monotonic() - begun_s >= BATCH_S):
                    break
                self._progress.note(last, task.of)
                sent += 1
                last = self._answer(task)
                answers.append(last)
        finally:
            now_ms = self._clock()
            if len(answers) < sent:
                # A fault of ours must neither repeat itself for ever nor take the others with it.
                last = Answer(batch[sent - 1].of, "unknown", "the desk stumbled over it", now_ms)
                answers.append(last)
            self._progress.note(last, None)
            answers.extend(Answer(task.of, UNBEGUN, "", now_ms) for task in batch[sent:])
        self._batch_max = paced(self._batch_max, sent, self._monotonic() - begun_s)

    def _settle(self) -> None:
        """Write the last answers down now; as a rule they are written together with the next tries."""
        worker, now_ms = self._badge.worker, self._clock()
        self._store.carried(partial(record, worker=worker, hand=self._hand, now_ms=now_ms))
        self._hand = Hand([])
        self._progress.clear()

    def _answer(self, task: Task) -> Answer:
        said = self._say(task.message(self._pouch.stationery))
        return Answer(task.of, said.state, said.text, self._clock(), after_ms=said.after_ms, gone=said.gone)

    def _say(self, message: Message) -> Reply:
        """Hand one message over and return what became of it."""
        deadline = Deadline(self._monotonic() + SEND_S, self._monotonic)
        try:
            reply = self._line.say(message, deadline)
        except DeadlinePassed:
            return Reply("retrying", "the time for sending was over")
        except Undelivered as fact:
            # While nobody can be reached, one person after the other would only fail.
            self._pause_s = min(PAUSE_MAX_S, self._pause_s * 2 or PAUSE_FIRST_S) if fact.everybody else 0.0
            state = "failed" if fact.permanent else "unknown" if fact.unknown else "retrying"
            gone = message.to if fact.gone else ""
            return Reply(state, fact.sentence, round(fact.after_s * 1_000), gone)
        self._pause_s = 0.0
        return Reply("accepted", reply)


def _meant(one: Try, done: Mapping[Key, Mark], now_ms: int) -> Answer:
    """Return what a dead courier's file says of a try."""
    if one.key not in done:
        return Answer(one, UNBEGUN, "", now_ms)
    state, at_ms = done[one.key]
    if not state:
        return tries.in_doubt(one, now_ms)
    return Answer(one, state, "answered before the desk ended", at_ms)
