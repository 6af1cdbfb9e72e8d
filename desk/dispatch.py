"""Who is next: one transaction that writes down the last answers and the next tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema, tries, turns
from desk.bulk import over, put
from desk.compose import Letter
from desk.envelope import Errand, Stationery, message_id, seal
from desk.person import EmailAddress
from desk.tries import Answer, Try
from desk.turns import Turn
from desk.verdict import NotNow, not_now
from desk.words import spoken
from model.plugin import Message

PASSED_OVER_MAX: Final = 100  # batches in which nobody may be written to


@dataclass(frozen=True, slots=True)
class Task:
    """One message to hand over now; the try is written down already, the message is made when it is sent."""

    of: Try
    letter: Letter
    errand: Errand

    def message(self, stationery: Stationery) -> Message:
        """Return the message; it is the same each time."""
        return seal(stationery, self.letter, self.errand)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing can be sent before this moment; 0 means that nothing waits at all."""

    until_ms: int


def take(
    conn: Connection,
    worker: str,
    answers: Sequence[Answer],
    stationery: Stationery,
    now_ms: int,
    batch_max: int,
) -> tuple[Task, ...] | Idle:
    """Record the answers to the last batch and return the next, most urgent first, at most ``batch_max``."""
    tries.settle(conn, worker, answers, now_ms)
    return next_batch(conn, worker, stationery, now_ms, batch_max)


def next_batch(
    conn: Connection, worker: str, stationery: Stationery, now_ms: int, batch_max: int
) -> tuple[Task, ...] | Idle:
    """Return the next tries for a worker that has none in hand."""
    for _ in range(PASSED_OVER_MAX):
        found = turns.due_again(conn, now_ms, batch_max) or turns.next_people(conn, worker, now_ms, batch_max)
        if not found:
            due_ms = turns.next_ms(conn)
            return Idle(max(due_ms, now_ms + 1) if due_ms else 0)
        tasks = _begin(conn, worker, found, stationery, now_ms)
        if tasks:
            return tasks
    return Idle(now_ms + 1)


def _begin(
    conn: Connection, worker: str, found: Sequence[Turn], stationery: Stationery, now_ms: int
) -> tuple[Task, ...]:
    """Write down the tries of all who may be written to, and why the others are not; return the tries."""
    verdicts = [(turn, not_now(turn, now_ms)) for turn in found]
    refused = [(turn, verdict) for turn, verdict in verdicts if verdict is not None]
    ready = [(turn, _wanted(turn)) for turn, verdict in verdicts if verdict is None]
    letters = _letters(conn, {wanted for _, wanted in ready})
    refused += [(turn, _UNWRITTEN) for turn, wanted in ready if wanted not in letters]
    _refuse(conn, refused, now_ms)
    tasks = tuple([_task(turn, *letters[wanted]) for turn, wanted in ready if wanted in letters])
    if tasks:
        tries.begin(conn, worker, [(task.of, message_id(stationery, task.errand)) for task in tasks], now_ms)
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


_REFUSED: Final = over(schema.delivery_log, ("state", "reply", "at_ms"))


def _key(turn: Turn) -> dict[str, Any]:
    return {"notice": turn.notice.id, "person": turn.person, "channel": turn.channel}


Wanted = tuple[int, str, str, str]


def _wanted(turn: Turn) -> Wanted:
    return turn.notice.id, turn.why, spoken(turn.language), turn.zone


def _letters(conn: Connection, all_wanted: set[Wanted]) -> dict[Wanted, tuple[str, Letter]]:
    """Return for each language, zone and reason the nearest letter of that reason, with its language."""
    table = schema.letter
    key = (table.c.notice, table.c.why, table.c.language, table.c.zone)
    notices = {notice for notice, *_ in all_wanted}
    there = [tuple(row) for row in conn.execute(sa.select(*key).where(table.c.notice.in_(notices)))]
    nearest = {}
    for notice, why, language, zone in all_wanted:
        fit = [one for one in there if one[:2] == (notice, why)]
        if fit:
            best = max(fit, key=lambda one: (one[2] == language, one[3] == zone))
            nearest[notice, why, language, zone] = best
    here = sa.tuple_(*key).in_(set(nearest.values()))
    rows = conn.execute(sa.select(table).where(here))
    letters = {(row.notice, row.why, row.language, row.zone): _letter(row) for row in rows}
    return {wanted: letters[one] for wanted, one in nearest.items()}


def _letter(row: Row[Any]) -> tuple[str, Letter]:
    return row.language, Letter(row.subject, row.text, row.html)


def _task(turn: Turn, language: str, letter: Letter) -> Task:
    notice = turn.notice
    errand = Errand(
        person=turn.person,
        to=EmailAddress(turn.email),
        ref=notice.ref,
        number=notice.number,
        root=notice.kind in ("first", "escalation"),
        service=notice.service,
        service_name=notice.service,
        to_team=bool(turn.team),
        language=language,
        written_ms=notice.created_ms,
    )
    one = Try(notice.id, turn.person, turn.channel, turn.tries + 1, turn.before, turn.expires_ms)
    return Task(one, letter, errand)
