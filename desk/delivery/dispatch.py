"""Who is next: one transaction that writes down the last answers and the next tries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.audience.audience import Why
from desk.delivery import event, tries, turns
from desk.delivery.envelope import Errand, Stationery, message_id, seal
from desk.delivery.tries import Answer
from desk.delivery.turns import EVERYTHING, Load, Turn
from desk.delivery.underway import Try
from desk.delivery.verdict import NotNow, not_now
from desk.notice.compose import Letter
from desk.notice.words import spoken
from desk.store.bulk import over, put
from desk.ways import rungs, ways
from desk.ways.rungs import Ended
from desk.ways.ways import EMAIL
from model.plugin import Message

WHYS_KEPT_MAX: Final = 1_000
PASSED_OVER_MAX: Final = 100  # batches in which nobody may be written to
LETTERS_KEPT_MAX: Final = 1_000


class Task(msgspec.Struct, frozen=True):
    """One message to hand over now; the try is written down already, the message is made when it is sent."""

    of: Try
    letter: Letter
    errand: Errand

    def message(self, stationery: Stationery) -> Message:
        """Return the message; it is the same each time."""
        return seal(stationery, self.letter, self.errand)


Wanted = tuple[int, int, str, str, str]
"""Which letter: the notice, when it was made, the reason, and the reader's language and zone."""


@dataclass(frozen=True, slots=True)
class Pouch:
    """What a courier carries: what all its messages have in common, and the letters that it has read."""

    stationery: Stationery
    letters: dict[Wanted, tuple[str, Letter]] = field(default_factory=dict)
    load: Load = EVERYTHING


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing can be sent before this moment; 0 means that nothing waits at all."""

    until_ms: int


def take(
    conn: Connection,
    worker: str,
    answers: Sequence[Answer],
    pouch: Pouch,
    now_ms: int,
    batch_max: int,
) -> tuple[Task, ...] | Idle:
    """Record the answers to the last batch and return the next, most urgent first, at most ``batch_max``."""
    tries.settle(conn, worker, answers, now_ms)
    return next_batch(conn, worker, pouch, now_ms, batch_max)


def next_batch(
    conn: Connection, worker: str, pouch: Pouch, now_ms: int, batch_max: int
) -> tuple[Task, ...] | Idle:
    """Return the next tries for a worker that has none in hand."""
    for _ in range(PASSED_OVER_MAX):
        found = turns.due_again(conn, now_ms, batch_max, pouch.load)
        found = found or turns.next_people(conn, worker, now_ms, batch_max, pouch.load)
        if not found:
            due_ms = turns.next_ms(conn, pouch.load)
            return Idle(max(due_ms, now_ms + 1) if due_ms else 0)
        tasks = _begin(conn, worker, found, pouch, now_ms)
        if tasks:
            return tasks
    return Idle(now_ms + 1)


def _begin(
    conn: Connection, worker: str, found: Sequence[Turn], pouch: Pouch, now_ms: int
) -> tuple[Task, ...]:
    """Write down the tries of all who may be written to, and why the others are not; return the tries."""
    verdicts = [(turn, not_now(turn, now_ms)) for turn in found]
    refused = [(turn, verdict) for turn, verdict in verdicts if verdict is not None]
    ready = [(turn, _wanted(turn)) for turn, verdict in verdicts if verdict is None]
    letters = _letters(conn, pouch, {wanted for _, wanted in ready})
    refused += [(turn, _UNWRITTEN) for turn, wanted in ready if wanted not in letters]
    _refuse(conn, refused, now_ms)
    stationery = pouch.stationery
    tasks = tuple([_task(stationery, turn, *letters[wanted]) for turn, wanted in ready if wanted in letters])
    tasks = _addressed(conn, [turn for turn, wanted in ready if wanted in letters], tasks)
    if tasks:
        tries.begin(conn, worker, [task.of for task in tasks], now_ms)
    return tasks


_UNWRITTEN: Final = NotNow("failed", "there is no letter for this person")


def _refuse(conn: Connection, refused: Sequence[tuple[Turn, NotNow]], now_ms: int) -> None:
    """Write down why people are not written to, and when to look again."""
    log = schema.delivery_log
    rows = ({**_key(turn), "state": why.state, "reply": why.reply, "at_ms": now_ms} for turn, why in refused)
    put(conn, log, rows, _REFUSED)
    later = [(turn, why) for turn, why in refused if why.due_ms]
    tries.put_off(
        conn, ({**_key(turn), "due_ms": why.due_ms, "expires_ms": why.expires_ms} for turn, why in later)
    )
    lost = [turn for turn, why in refused if why.lost]
    if lost:
        ended = (Ended(turn.notice.id, turn.person, turn.channel, "failed", now_ms) for turn in lost)
        rungs.climb(conn, ended)


_REFUSED: Final = over(schema.delivery_log, ("state", "reply", "at_ms"))


def _key(turn: Turn) -> dict[str, Any]:
    return {"notice": turn.notice.id, "person": turn.person, "channel": turn.channel}


def _wanted(turn: Turn) -> Wanted:
    return turn.notice.id, turn.notice.created_ms, turn.why, turn.language, turn.zone


def _letters(conn: Connection, pouch: Pouch, all_wanted: set[Wanted]) -> Mapping[Wanted, tuple[str, Letter]]:
    """Return for each reader the letter with its language; what the pouch does not hold is read into it."""
    missing = all_wanted - pouch.letters.keys()
    if missing:
        if len(pouch.letters) + len(missing) > LETTERS_KEPT_MAX:
            pouch.letters.clear()
            missing = all_wanted
        pouch.letters.update(_read_letters(conn, missing))
    return pouch.letters


def _read_letters(conn: Connection, all_wanted: Collection[Wanted]) -> dict[Wanted, tuple[str, Letter]]:
    """Return for each language, zone and reason the nearest letter of that reason, with its language."""
    table = schema.letter
    key = (table.c.notice, table.c.why, table.c.language, table.c.zone)
    notices = {notice for notice, *_ in all_wanted}
    there = [tuple(row) for row in conn.execute(sa.select(*key).where(table.c.notice.in_(notices)))]
    nearest = {}
    for wanted in all_wanted:
        notice, _, why, language, zone = wanted
        fit = [one for one in there if one[:2] == (notice, why)]
        if fit:
            nearest[wanted] = max(fit, key=lambda one: (one[2] == spoken(language), one[3] == zone))
    here = sa.tuple_(*key).in_(set(nearest.values()))
    rows = conn.execute(sa.select(table).where(here))
    letters = {(row.notice, row.why, row.language, row.zone): _letter(row) for row in rows}
    return {wanted: letters[one] for wanted, one in nearest.items()}


def _letter(row: Row[Any]) -> tuple[str, Letter]:
    return row.language, Letter(row.subject, row.text, row.html)


def _addressed(conn: Connection, turns: Sequence[Turn], tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Return tasks with what only some of them need: facts for programs, and the link that ends a ladder."""
    others = {turn.notice.id for turn in turns if turn.channel != EMAIL}
    begins = {turn.person for turn in turns if turn.notice.kind in rungs.FIRST_KINDS}
    climbing = {person for person, some in ways.of_people(conn, begins).items() if len(some) > 1}
    if not others and not climbing:
        return tasks
    table = schema.notice_event
    query = sa.select(table.c.notice, table.c.event).where(table.c.notice.in_(others))
    events = {row.notice: event.read(row.event) for row in conn.execute(query)}
    return tuple(
        msgspec.structs.replace(
            task,
            errand=msgspec.structs.replace(
                task.errand,
                climbs=turn.person in climbing and turn.notice.kind in rungs.FIRST_KINDS,
                event=events.get(turn.notice.id) if turn.channel != EMAIL else None,
            ),
        )
        for turn, task in zip(turns, tasks, strict=True)
    )


@lru_cache(WHYS_KEPT_MAX)
def _told_of(why: str, failing: str) -> str:
    """Return the service that somebody reads of, and may leave: the one they use, not the one behind it."""
    return (Why.from_key(why).via if why else "") or failing


def _task(stationery: Stationery, turn: Turn, language: str, letter: Letter) -> Task:
    notice = turn.notice
    service = _told_of(turn.why, notice.service)
    errand = Errand(
        person=turn.person,
        to=turn.address,
        ref=notice.ref,
        number=notice.number,
        root=notice.kind in ("first", "escalation"),
        service=service,
        service_name=service,
        to_team=bool(turn.team),
        language=language,
        written_ms=notice.created_ms,
        channel=turn.channel,
    )
    one = Try(
        notice.id,
        turn.person,
        turn.channel,
        turn.tries + 1,
        turn.before,
        turn.expires_ms,
        message_id(stationery, errand),
        turn.after_number,
    )
    return Task(one, letter, errand)
