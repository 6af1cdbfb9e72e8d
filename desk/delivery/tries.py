"""Tries that were begun, and what became of them: the log, what is tried again, what goes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.delivery import bounce, suppression, underway
from desk.delivery.bounce import Weight
from desk.delivery.outbox import MINUTE_MS
from desk.delivery.underway import Try
from desk.ledger import book
from desk.store.bulk import New, over, put
from desk.ways import rungs, ways
from desk.ways.ladder import End
from desk.ways.rungs import Ended
from desk.ways.ways import EMAIL

UNKNOWN_TRIES_MAX: Final = 3
RETRY_FIRST_MS: Final = 2_000
RETRY_MAX_MS: Final = 5 * MINUTE_MS
UNBEGUN: Final = "unbegun"
# A hook answers from its reader's own program; every other channel passes on to somebody in between.
REACHING: Final = ("webhook",)
_LOST: Final = "the desk ended before the answer came"

_N, _I, _C = schema.notice, schema.incident, schema.chunk
_LOG, _RETRY = schema.delivery_log, schema.delivery_retry


class Answer(msgspec.Struct, frozen=True):
    """What became of a try: ``state`` is accepted, retrying, unknown, failed or unbegun.

    ``at_once`` says that another try, where there is one, need not wait, and ``after_ms`` how long it waits
    at least. ``gone`` is the address that nobody takes anything at any more, where it turned out so.
    """

    of: Try
    state: str
    reply: str
    at_ms: int
    at_once: bool = False
    after_ms: int = 0
    gone: str = ""


def begin(conn: Connection, worker: str, tries: Sequence[Try], now_ms: int) -> None:
    """Write tries down before they are made, and who has them in hand."""
    # Nobody but the log knows how often somebody was tried, so further tries stand in it at once.
    rows = (
        {
            "notice": one.notice,
            "person": one.person,
            "channel": one.channel,
            "message_id": one.message_id,
            "state": "sending",
            "tries": one.tries,
            "at_ms": now_ms,
            "reply": "",
            "after_number": one.after_number,
        }
        for one in tries
        if one.before
    )
    put(conn, _LOG, rows, _BEGUN)
    underway.hold(conn, worker, tries, now_ms)


def settle(conn: Connection, worker: str, answers: Sequence[Answer], now_ms: int) -> None:
    """Write down what became of a worker's tries; it has nothing in hand from now on.

    What it has in hand and says nothing of, it never heard of: the connection ended between a commit and
    the word of it.
    """
    answered = {one.of.key for one in answers}
    unheard = [
        Answer(one, UNBEGUN, "", now_ms) for one in underway.held(conn, worker) if one.key not in answered
    ]
    if answers or unheard:
        record(conn, [*answers, *unheard])
        underway.hold(conn, worker, (), 0)


def recover(conn: Connection, now_ms: int, held_ms: int) -> None:
    """Put in doubt what workers have had in hand for this long, for they must be dead; all of the batch.

    Which of its messages went out only the dead worker's own disk knows.
    """
    for worker, tries in underway.held_since(conn, now_ms - held_ms):
        settle(conn, worker, [in_doubt(one, now_ms) for one in tries], now_ms)


def in_doubt(one: Try, now_ms: int) -> Answer:
    """Return the answer to a try of which nobody knows whether it was made."""
    return Answer(one, "unknown", _LOST, now_ms, at_once=True)


def record(conn: Connection, answers: Sequence[Answer]) -> None:
    """Write down what became of tries, and when they are to be made again."""
    numbers = {one.of.notice for one in answers}
    notices = {row.id: row for row in conn.execute(sa.select(_N).where(_N.c.id.in_(numbers)))}
    queued = {number for number, row in notices.items() if row.state == "queued"}
    made = [one for one in answers if one.state != UNBEGUN]
    if made:
        put(conn, _LOG, (_row(one, one.of.notice in queued) for one in made), _ANSWERED)
        _say_told(conn, notices, made)
        put_off(conn, (_again(one) for one in made if one.of.notice in queued and _is_again(one)))
        _leave_the_gone(conn, made)
        begun = {number for number in queued if notices[number].kind in rungs.FIRST_KINDS}
        rungs.climb(conn, (_ended(one) for one in made if one.of.notice in begun))
    if len(made) < len(answers):
        _give_back(conn, [one for one in answers if one.state == UNBEGUN], queued)


def _leave_the_gone(conn: Connection, answers: Iterable[Answer]) -> None:
    """Write no more to addresses of which it was said at once that nobody is there."""
    for one in answers:
        if one.gone:
            suppression.lose_way(
                conn, one.of.person, ways.Way(one.of.channel, one.gone), one.reply, one.at_ms
            )
        if one.state == "failed" and one.of.channel == EMAIL:
            said = bounce.of_reply("", one.reply)
            if said.weight is Weight.HARD:
                suppression.report(conn, said, one.at_ms, of=one.of.person)


def _ended(answer: Answer) -> Ended:
    """Return how a try ended, for the ladder."""
    one = answer.of
    # What stays in doubt may be said by another way just as what stays unread.
    ends: dict[str, End] = {"accepted": "accepted", "unknown": "accepted", "retrying": "delayed"}
    end = ends.get(answer.state, "failed")
    return Ended(one.notice, one.person, one.channel, end, answer.at_ms)


def _same_try(new: New) -> sa.ColumnElement[bool]:
    """Tell whether a row of the log still waits for this answer, and nobody made a later try."""
    waits = sa.or_(_LOG.c.state == "sending", _LOG.c.state == "unknown")
    return sa.and_(_LOG.c.tries == new.tries, waits)


_BEGUN: Final = over(_LOG, ("message_id", "state", "tries", "at_ms", "reply", "after_number"))
_ANSWERED: Final = over(_LOG, ("state", "reply", "at_ms", "accepted_ms"), _same_try)
_LATER: Final = over(_RETRY, ("due_ms", "expires_ms"))


def put_off(conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write down when tries are to be made; each row has all columns of the table."""
    put(conn, _RETRY, rows, _LATER)


def _is_again(answer: Answer) -> bool:
    """Tell whether an answer calls for another try."""
    doubtful = answer.state == "unknown" and answer.of.tries < UNKNOWN_TRIES_MAX
    return answer.state == "retrying" or doubtful


def _row(answer: Answer, queued: bool) -> dict[str, Any]:
    # Where the notice was withdrawn while this try was under way, nobody tries again.
    state = "withdrawn" if answer.state == "retrying" and not queued else answer.state
    return {
        "notice": answer.of.notice,
        "person": answer.of.person,
        "channel": answer.of.channel,
        "message_id": answer.of.message_id,
        "tries": answer.of.tries,
        "state": state,
        "reply": answer.reply,
        "at_ms": answer.at_ms,
        "accepted_ms": answer.at_ms if answer.state == "accepted" else 0,
        "after_number": answer.of.after_number,
    }


def _again(answer: Answer) -> dict[str, Any]:
    wait_ms = max(answer.after_ms, min(RETRY_MAX_MS, RETRY_FIRST_MS << min(answer.of.tries - 1, 20)))
    return _due(answer.of, 0 if answer.at_once else wait_ms, answer.at_ms)


def _due(one: Try, wait_ms: int, at_ms: int) -> dict[str, Any]:
    key = {"notice": one.notice, "person": one.person, "channel": one.channel}
    return {**key, "due_ms": at_ms + wait_ms, "expires_ms": one.expires_ms}


def _say_told(conn: Connection, notices: Mapping[int, Row[Any]], answers: Iterable[Answer]) -> None:
    """Note who was told by a first notice, and when the first of an incident's people was."""
    told: dict[int, list[tuple[int, int]]] = {}
    reached: dict[int, list[tuple[int, int]]] = {}
    for one in answers:
        if one.state == "accepted" and notices[one.of.notice].kind == "first":
            told.setdefault(one.of.notice, []).append((one.of.person, one.at_ms))
            if one.of.channel in REACHING:
                reached.setdefault(one.of.notice, []).append((one.of.person, one.at_ms))
    for notice, people in told.items():
        incident = notices[notice].incident
        at_ms = min(at_ms for _, at_ms in people)
        untold = sa.and_(_I.c.id == incident, _I.c.told_ms == 0)
        conn.execute(sa.update(_I).where(untold).values(told_ms=at_ms))
        book.accepted(conn, incident, notice, people)
        book.delivered(conn, incident, notice, reached.get(notice, ()))


_HERE: Final = sa.and_(
    *(_LOG.c[name] == sa.bindparam(f"of_{name}") for name in ("notice", "person", "channel", "tries")),
    _LOG.c.state == "sending",
)
_FORGET: Final = sa.delete(_LOG).where(_HERE)
_RESTORE: Final = sa.update(_LOG).where(_HERE)


def _give_back(conn: Connection, answers: Sequence[Answer], queued: set[int]) -> None:
    """Undo what was written for tries that were never made: it is these people's turn again at once."""
    first = [one for one in answers if not one.of.before]
    again = [one for one in answers if one.of.before]
    if first:
        conn.execute(_FORGET, [_named(one.of) for one in first])
        _lower(conn, [one.of for one in first if one.of.notice in queued])
    if again:
        values = {"state": sa.bindparam("was"), "tries": _LOG.c.tries - 1, "at_ms": sa.bindparam("now")}
        rows = [
            {**_named(one.of), "was": _restored(one.of, one.of.notice in queued), "now": one.at_ms}
            for one in again
        ]
        conn.execute(_RESTORE.values(values), rows)
        put_off(conn, (_due(one.of, 0, one.at_ms) for one in again if one.of.notice in queued))


def _named(one: Try) -> dict[str, Any]:
    names = {"of_notice": one.notice, "of_person": one.person, "of_channel": one.channel}
    return {**names, "of_tries": one.tries}


def _restored(one: Try, queued: bool) -> str:
    return one.before if queued or one.before == "unknown" else "withdrawn"


def _lower(conn: Connection, tries: Iterable[Try]) -> None:
    """Let chunks begin again at their first person who was not written to; the log knows who was."""
    lowest: dict[tuple[int, str], int] = {}
    for one in tries:
        place = (one.notice, one.channel)
        lowest[place] = min(one.person, lowest.get(place, one.person))
    for (notice, channel), person in lowest.items():
        here = (_C.c.notice == notice, _C.c.channel == channel)
        # Chunks do not overlap, so the one that holds a person is the first that ends behind him.
        chunk = sa.select(_C.c.id).where(*here, _C.c.high >= person).order_by(_C.c.high).limit(1)
        reopened = sa.case((_C.c.state == "done", "queued"), else_=_C.c.state)
        conn.execute(
            sa.update(_C)
            .where(_C.c.id == chunk.scalar_subquery(), _C.c.low > person)
            .values(low=person, state=reopened)
        )
