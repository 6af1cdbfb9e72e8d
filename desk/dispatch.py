"""Who is next: one transaction that writes down the last answer and the next try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.compose import Letter
from desk.envelope import Errand, Stationery, message_id, seal
from desk.outbox import MINUTE_MS, TOLD, TTL_MS
from desk.person import EmailAddress, Quiet, Zone
from desk.store import upsert
from desk.words import spoken
from model.plugin import Message

Found = Row[*tuple[Any, ...]]

LEASE_MS: Final = 2 * MINUTE_MS
PASSED_OVER_MAX: Final = 500
UNKNOWN_TRIES_MAX: Final = 3
RETRY_FIRST_MS: Final = 2_000
RETRY_MAX_MS: Final = 5 * MINUTE_MS
ORDER_WAIT_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Task:
    """One message to hand over now; the try is written down already."""

    notice: int
    person: int
    channel: str
    tries: int
    message: Message


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a task: ``state`` is accepted, retrying, unknown or failed."""

    task: Task
    state: str
    reply: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing can be sent before this moment; 0 means that nothing waits at all."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A person whose turn it is, with all that decides whether to write."""

    row: Found
    expires_ms: int
    is_retry: bool


def take(
    conn: Connection, worker: str, answer: Answer | None, stationery: Stationery, now_ms: int
) -> Task | Idle:
    """Record an answer and return the next message to send, most urgent first."""
    if answer is not None:
        record(conn, answer)
    for _ in range(PASSED_OVER_MAX):
        candidate = _due_retry(conn, now_ms) or _next_in_chunk(conn, worker, now_ms)
        if candidate is None:
            due_ms = _next_moment(conn)
            return Idle(max(due_ms, now_ms + 1) if due_ms else 0)
        refusal = _refusal(conn, candidate, now_ms)
        if refusal is None:
            task = _begin(conn, candidate, stationery, now_ms)
            if task is not None:
                return task
            refusal = ("failed", "there is no letter for this person")
        if refusal[0] != "waits":
            _log(conn, candidate.row, refusal[0], refusal[1], now_ms)
    return Idle(now_ms + 1)


def recover(conn: Connection, now_ms: int) -> None:
    """After a start, free what a dead worker held; what was in flight is in doubt and tried again."""
    log, n, chunk = schema.delivery_log, schema.notice, schema.chunk
    conn.execute(sa.update(chunk).where(chunk.c.state == "taken").values(state="queued", owner=""))
    in_flight = conn.execute(
        sa.select(log, n.c.state.label("notice_state"), n.c.expires_ms)
        .join(n, n.c.id == log.c.notice)
        .where(log.c.state == "sending")
    ).all()
    for row in in_flight:
        _log(conn, row, "unknown", "the desk ended before the answer came", now_ms)
        if row.notice_state == "queued" and row.tries < UNKNOWN_TRIES_MAX:
            _put_off(conn, row, now_ms, row.expires_ms)


def record(conn: Connection, answer: Answer) -> None:
    """Write down what became of a task, and when it is to be tried again."""
    task, log = answer.task, schema.delivery_log
    here = (log.c.notice == task.notice, log.c.person == task.person, log.c.channel == task.channel)
    accepted_ms = answer.at_ms if answer.state == "accepted" else 0
    conn.execute(
        sa.update(log)
        .where(*here)
        .values(state=answer.state, reply=answer.reply, at_ms=answer.at_ms, accepted_ms=accepted_ms)
    )
    n = schema.notice
    notice = conn.execute(sa.select(n).where(n.c.id == task.notice)).one()
    if accepted_ms and notice.kind == "first":
        i = schema.incident
        conn.execute(
            sa.update(i).where(i.c.id == notice.incident, i.c.told_ms == 0).values(told_ms=accepted_ms)
        )
    again = answer.state == "retrying" or (answer.state == "unknown" and task.tries < UNKNOWN_TRIES_MAX)
    if again and notice.state == "queued":
        due_ms = answer.at_ms + min(RETRY_MAX_MS, RETRY_FIRST_MS << min(task.tries - 1, 20))
        conn.execute(
            schema.delivery_retry.insert().values(
                notice=task.notice,
                person=task.person,
                channel=task.channel,
                due_ms=due_ms,
                expires_ms=notice.expires_ms,
            )
        )
    elif answer.state == "retrying":
        # The notice was withdrawn while this try was under way.
        conn.execute(sa.update(log).where(*here).values(state="withdrawn"))


_N, _I, _P, _C = schema.notice, schema.incident, schema.person, schema.chunk
_A, _LOG, _RETRY = schema.audience, schema.delivery_log, schema.delivery_retry
_FIRST = schema.delivery_log.alias("first_log")

_SHOWN: Final = (
    _N.c.id.label("notice"),
    _N.c.incident,
    _N.c.number,
    _N.c.kind,
    _N.c.urgent,
    _N.c.created_ms,
    _N.c.expires_ms,
    _I.c.ref,
    _I.c.service,
    _P.c.id.label("person"),
    _P.c.email,
    _P.c.language,
    _P.c.zone,
    _P.c.quiet,
    _P.c.team,
    _P.c.gone,
    _A.c.why,
)

_DUE: Final = (
    sa.select(*_SHOWN, _RETRY.c.channel, _RETRY.c.expires_ms.label("retry_expires_ms"), _LOG.c.tries)
    .select_from(_RETRY)
    .join(_N, _N.c.id == _RETRY.c.notice)
    .join(_I, _I.c.id == _N.c.incident)
    .join(_P, _P.c.id == _RETRY.c.person)
    .join(_A, sa.and_(_A.c.incident == _N.c.incident, _A.c.person == _RETRY.c.person))
    .join(
        _LOG,
        sa.and_(
            _LOG.c.notice == _RETRY.c.notice,
            _LOG.c.person == _RETRY.c.person,
            _LOG.c.channel == _RETRY.c.channel,
        ),
    )
    .where(_RETRY.c.due_ms <= sa.bindparam("now"))
    .order_by(_RETRY.c.due_ms)
    .limit(1)
)

_CHUNK: Final = (
    sa.select(_C, _N.c.kind, _N.c.incident)
    .join(_N, _N.c.id == _C.c.notice)
    .where(
        sa.or_(
            _C.c.state == "queued",
            sa.and_(
                _C.c.state == "taken",
                sa.or_(_C.c.owner == sa.bindparam("worker"), _C.c.lease_ms < sa.bindparam("now")),
            ),
        ),
        _C.c.not_before_ms <= sa.bindparam("now"),
    )
    .order_by(_C.c.priority, _C.c.not_before_ms, _C.c.id)
    .limit(1)
)


def _people_of(own: bool) -> sa.Select[Any]:
    """Return the query for the next person of a chunk: the audience of a first notice, or those told."""
    query = (
        sa.select(*_SHOWN)
        .select_from(_A)
        .join(_P, _P.c.id == _A.c.person)
        .join(_N, _N.c.id == sa.bindparam("notice"))
        .join(_I, _I.c.id == _N.c.incident)
        .outerjoin(
            _LOG,
            sa.and_(
                _LOG.c.notice == sa.bindparam("notice"),
                _LOG.c.person == _A.c.person,
                _LOG.c.channel == sa.bindparam("channel"),
            ),
        )
        .where(
            _A.c.incident == sa.bindparam("incident"),
            _A.c.person.between(sa.bindparam("low"), sa.bindparam("high")),
            _LOG.c.notice.is_(None),
        )
    )
    if own:
        query = query.where(_A.c.notice == sa.bindparam("notice"))
    else:
        query = query.join(
            _FIRST, sa.and_(_FIRST.c.notice == _A.c.notice, _FIRST.c.person == _A.c.person)
        ).where(_A.c.grade != "owner", _FIRST.c.state.in_(TOLD))
    return query.order_by(_A.c.person).limit(1)


_OWN: Final = _people_of(own=True)
_TOLD: Final = _people_of(own=False)


def _due_retry(conn: Connection, now_ms: int) -> _Candidate | None:
    row: Found | None = conn.execute(_DUE, {"now": now_ms}).one_or_none()
    if row is None:
        return None
    conn.execute(sa.delete(_RETRY).where(_RETRY.c.notice == row.notice, _RETRY.c.person == row.person))
    return _Candidate(row, row.retry_expires_ms, is_retry=True)


def _next_in_chunk(conn: Connection, worker: str, now_ms: int) -> _Candidate | None:
    """Claim the most urgent chunk and return its next person; chunks without one are done."""
    while chunk := conn.execute(_CHUNK, {"worker": worker, "now": now_ms}).one_or_none():
        query = _OWN if chunk.kind in ("first", "escalation") else _TOLD
        place = {"notice": chunk.notice, "incident": chunk.incident, "low": chunk.low, "high": chunk.high}
        row = conn.execute(query, {**place, "channel": chunk.channel}).one_or_none()
        # One row changes, or somebody else was faster.
        claim = sa.update(_C).where(_C.c.id == chunk.id, _C.c.state == chunk.state, _C.c.owner == chunk.owner)
        if row is None:
            conn.execute(claim.values(state="done", owner=""))
            continue
        taken = claim.values(
            state="taken",
            owner=worker,
            lease_ms=now_ms + LEASE_MS,
            low=row.person + 1,
            attempts=_C.c.attempts + (chunk.owner != worker),
        )
        if conn.execute(taken).rowcount == 1:
            return _Candidate(row, row.expires_ms, is_retry=False)
    return None


def _next_moment(conn: Connection) -> int:
    chunk = sa.select(sa.func.min(_C.c.not_before_ms)).where(_C.c.state == "queued")
    retry = sa.select(sa.func.min(_RETRY.c.due_ms))
    moments = (conn.execute(query).scalar() for query in (chunk, retry))
    return min((int(moment) for moment in moments if moment), default=0)


def _refusal(conn: Connection, candidate: _Candidate, now_ms: int) -> tuple[str, str] | None:
    """Return why this person is not written to now, or None; judged at the last moment."""
    row = candidate.row
    if row.gone:
        return "skipped", "the person left the catalogue"
    if not row.team and _opted_out(conn, row.person, row.service):
        return "skipped", "the person wants no messages about this service"
    if now_ms > candidate.expires_ms:
        return "expired", "it is too old to be of use"
    if row.kind in ("update", "resolved"):
        too_early = _out_of_order(conn, candidate, now_ms)
        if too_early is not None:
            return too_early
    quiet_ms = _quiet_until_ms(row, now_ms)
    if quiet_ms and not candidate.is_retry:
        _put_off(conn, row, quiet_ms, quiet_ms + TTL_MS[row.kind])
        return "quiet", f"quiet hours {row.quiet}"
    return None


def _out_of_order(conn: Connection, candidate: _Candidate, now_ms: int) -> tuple[str, str] | None:
    """Return why nothing later can be said yet: nobody hears of an end before the beginning."""
    first = _first_state(conn, candidate.row)
    if first == "sending":
        _put_off(conn, candidate.row, now_ms + ORDER_WAIT_MS, candidate.expires_ms)
        _log(conn, candidate.row, "retrying", "the first message is still under way", now_ms)
        return "waits", ""
    return None if first in TOLD else ("skipped", "the first message never arrived")


def _opted_out(conn: Connection, person: int, service: str) -> bool:
    table = schema.opt_out
    query = sa.select(table.c.person).where(table.c.person == person, table.c.service.in_(("", service)))
    return conn.execute(query).first() is not None


def _first_state(conn: Connection, row: Found) -> str:
    query = (
        sa.select(_LOG.c.state)
        .join(_A, sa.and_(_A.c.notice == _LOG.c.notice, _A.c.person == _LOG.c.person))
        .where(_A.c.incident == row.incident, _A.c.person == row.person)
    )
    return str(conn.execute(query).scalar() or "")


def _quiet_until_ms(row: Found, now_ms: int) -> int:
    if not row.quiet or row.urgent or row.team:
        return 0
    return Quiet.parse(row.quiet).end_ms(now_ms, Zone(row.zone)) or 0


def _begin(conn: Connection, candidate: _Candidate, stationery: Stationery, now_ms: int) -> Task | None:
    """Write the try down, before it is made, and return it; None where there is no letter to send."""
    row = candidate.row
    letter = _letter(conn, row)
    if letter is None:
        return None
    errand = Errand(
        person=row.person,
        to=EmailAddress(row.email),
        ref=row.ref,
        number=row.number,
        root=row.kind in ("first", "escalation"),
        service=row.service,
        service_name=row.service,
        to_team=bool(row.team),
        language=letter.language,
        written_ms=row.created_ms,
    )
    tries = (row.tries if candidate.is_retry else 0) + 1
    channel = row.channel if candidate.is_retry else "email"
    values = {
        "message_id": message_id(stationery, errand),
        "state": "sending",
        "tries": tries,
        "at_ms": now_ms,
        "reply": "",
    }
    _keep(conn, {"notice": row.notice, "person": row.person, "channel": channel}, values)
    content = Letter(letter.subject, letter.text, letter.html)
    return Task(row.notice, row.person, channel, tries, seal(stationery, content, errand))


def _letter(conn: Connection, row: Found) -> Found | None:
    """Return the letter in this person's language, zone and reason, or the nearest of the same reason."""
    table, tongue = schema.letter, spoken(row.language)
    query = (
        sa.select(table)
        .where(table.c.notice == row.notice, table.c.why == row.why)
        .order_by((table.c.language == tongue).desc(), (table.c.zone == row.zone).desc())
        .limit(1)
    )
    return conn.execute(query).one_or_none()


def _log(conn: Connection, row: Found, state: str, reply: str, now_ms: int) -> None:
    channel = getattr(row, "channel", "email")
    key = {"notice": row.notice, "person": row.person, "channel": channel}
    _keep(conn, key, {"state": state, "reply": reply, "at_ms": now_ms})


def _keep(conn: Connection, key: dict[str, Any], values: dict[str, Any]) -> None:
    kept = upsert(conn, _LOG).values(**key, **values)
    conn.execute(kept.on_conflict_do_update(index_elements=["notice", "person", "channel"], set_=values))


def _put_off(conn: Connection, row: Found, due_ms: int, expires_ms: int) -> None:
    values = {"due_ms": due_ms, "expires_ms": expires_ms}
    key = {"notice": row.notice, "person": row.person, "channel": getattr(row, "channel", "email")}
    kept = upsert(conn, _RETRY).values(**key, **values)
    conn.execute(kept.on_conflict_do_update(index_elements=["notice", "person", "channel"], set_=values))
