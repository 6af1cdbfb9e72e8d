"""Whose turn it is: the tries that are due again, then the next people of the most urgent chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.compose import Kind
from desk.outbox import MINUTE_MS, TOLD

LEASE_MS: Final = 2 * MINUTE_MS

Found = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Notice:
    """What all messages of one notice have in common."""

    id: int
    number: int
    kind: Kind
    urgent: bool
    created_ms: int
    ref: str
    service: str


class Turn(msgspec.Struct, frozen=True):
    """One person whose turn it is, with all that decides whether to write.

    ``tries`` counts those made so far and ``before`` is what became of the last, "" for a first try;
    ``first`` is the state of the incident's first notice to this person, where that matters. The fields from
    ``person`` on stand in the order of the queries below.
    """

    notice: Notice
    channel: str
    expires_ms: int
    tries: int
    before: str
    person: int
    email: str
    language: str
    zone: str
    quiet: str
    team: str
    gone: bool
    why: str
    returned: str
    opted_out: bool
    first: str


_N, _I, _P, _C = schema.notice, schema.incident, schema.person, schema.chunk
_A, _LOG, _RETRY = schema.audience, schema.delivery_log, schema.delivery_retry
_FIRST = schema.delivery_log.alias("first_log")
_OUT = schema.opt_out

_OF_NOTICE: Final = (
    _N.c.id.label("notice"),
    _N.c.incident,
    _N.c.number,
    _N.c.kind,
    _N.c.urgent,
    _N.c.created_ms,
    _N.c.expires_ms,
    _I.c.ref,
    _I.c.service,
)
_OF_PERSON: Final = (
    _P.c.id.label("person"),
    _P.c.email,
    _P.c.language,
    _P.c.zone,
    _P.c.quiet,
    _P.c.team,
    _P.c.gone,
    _A.c.why,
    sa.func.coalesce(
        sa.select(schema.suppressed.c.because).where(schema.suppressed.c.person == _P.c.id).scalar_subquery(),
        "",
    ).label("returned"),
)


def _opted_out(service: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    left = sa.exists().where(_OUT.c.person == _P.c.id, _OUT.c.service.in_(("", service)))
    return left.label("opted_out")


_DUE: Final = (
    sa.select(
        *_OF_PERSON,
        _opted_out(_I.c.service),
        sa.func.coalesce(_FIRST.c.state, "").label("first"),
        *_OF_NOTICE,
        _RETRY.c.channel,
        _RETRY.c.expires_ms.label("until_ms"),
        _LOG.c.tries,
        _LOG.c.state.label("before"),
    )
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
    .outerjoin(
        _FIRST,
        sa.and_(
            _FIRST.c.notice == _A.c.notice,
            _FIRST.c.person == _A.c.person,
            _FIRST.c.channel == _RETRY.c.channel,
        ),
    )
    .where(_RETRY.c.due_ms <= sa.bindparam("now"))
    .order_by(_RETRY.c.due_ms, _RETRY.c.person)
    .limit(sa.bindparam("most"))
)

_CHUNK: Final = (
    sa.select(
        *_OF_NOTICE,
        _C.c.id.label("chunk"),
        _C.c.channel,
        _C.c.low,
        _C.c.high,
        _C.c.owner,
    )
    .select_from(_C)
    .join(_N, _N.c.id == _C.c.notice)
    .join(_I, _I.c.id == _N.c.incident)
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
    """Return the query for the next people of a chunk: the audience of a first notice, or those told."""
    low, high = sa.bindparam("low", type_=sa.Integer), sa.bindparam("high", type_=sa.Integer)
    query = (
        sa.select(
            *_OF_PERSON,
            _opted_out(sa.bindparam("service", type_=sa.Text)),
            sa.literal("").label("first") if own else _FIRST.c.state.label("first"),
        )
        .select_from(_A)
        .join(_P, _P.c.id == _A.c.person)
        .outerjoin(
            _LOG,
            sa.and_(
                _LOG.c.notice == sa.bindparam("notice"),
                _LOG.c.person == _A.c.person,
                _LOG.c.channel == sa.bindparam("channel"),
                _LOG.c.person.between(low, high),
            ),
        )
        .where(
            _A.c.incident == sa.bindparam("incident"), _A.c.person.between(low, high), _LOG.c.notice.is_(None)
        )
    )
    if own:
        query = query.where(_A.c.notice == sa.bindparam("notice"))
    else:
        told = sa.and_(_FIRST.c.notice == _A.c.notice, _FIRST.c.person == _A.c.person)
        query = query.join(_FIRST, told).where(
            _A.c.grade != "owner", _FIRST.c.state.in_(TOLD), _FIRST.c.person.between(low, high)
        )
    return query.order_by(_A.c.person).limit(sa.bindparam("most"))


_OWN: Final = _people_of(own=True)
_TOLD: Final = _people_of(own=False)


def due_again(conn: Connection, now_ms: int, people_max: int) -> list[Turn]:
    """Take out the tries that are due, the oldest first; what was answered meanwhile is left out."""
    rows = conn.execute(_DUE, {"now": now_ms, "most": people_max}).all()
    if not rows:
        return []
    here = sa.and_(
        *(_RETRY.c[name] == sa.bindparam(f"old_{name}") for name in ("notice", "person", "channel"))
    )
    keys = [{"old_notice": row.notice, "old_person": row.person, "old_channel": row.channel} for row in rows]
    conn.execute(sa.delete(_RETRY).where(here), keys)
    notices = {row.notice: _notice(row) for row in rows}
    return [
        Turn(
            notices[row.notice], row.channel, row.until_ms, row.tries, row.before, *row[: len(_OF_PERSON) + 2]
        )
        for row in rows
        if row.before in ("retrying", "unknown", "quiet")
    ]


def next_people(conn: Connection, worker: str, now_ms: int, people_max: int) -> list[Turn]:
    """Claim the most urgent chunk and take out its next people; chunks without any are done.

    A chunk is done only with the claim after its last people, when what became of them is known.
    """
    while chunk := conn.execute(_CHUNK, {"worker": worker, "now": now_ms}).one_or_none():
        query = _OWN if chunk.kind in ("first", "escalation") else _TOLD
        place = {name: getattr(chunk, name) for name in ("notice", "incident", "low", "high")}
        place |= {"channel": chunk.channel, "service": chunk.service, "most": people_max}
        rows = conn.execute(query, place).all()
        claim = sa.update(_C).where(_C.c.id == chunk.chunk)
        if not rows:
            conn.execute(claim.values(state="done", owner=""))
            continue
        conn.execute(
            claim.values(
                state="taken",
                owner=worker,
                lease_ms=now_ms + LEASE_MS,
                low=rows[-1].person + 1,
                attempts=_C.c.attempts + int(chunk.owner != worker),
            )
        )
        notice = _notice(chunk)
        return [Turn(notice, chunk.channel, chunk.expires_ms, 0, "", *row) for row in rows]
    return []


def next_ms(conn: Connection) -> int:
    """Return when somebody's turn comes next, 0 for never."""
    chunk = sa.select(sa.func.min(_C.c.not_before_ms)).where(_C.c.state == "queued")
    retry = sa.select(sa.func.min(_RETRY.c.due_ms))
    moments = (conn.execute(query).scalar() for query in (chunk, retry))
    return min((int(moment) for moment in moments if moment), default=0)


def _notice(row: Found) -> Notice:
    return Notice(row.notice, row.number, row.kind, row.urgent, row.created_ms, row.ref, row.service)
