"""Whose turn it is: the tries that are due again, then the next people of the most urgent chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.delivery import sequel
from desk.delivery.outbox import MINUTE_MS
from desk.delivery.sequel import Heard
from desk.notice.compose import Kind
from desk.store.bulk import fetch
from desk.ways import ways
from desk.ways.rungs import FIRST_KINDS

LEASE_MS: Final = 2 * MINUTE_MS

Found = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Load:
    """What a courier carries: mail, what goes out on other channels, or both."""

    mail: bool = True
    others: bool = True

    def named(self) -> dict[str, bool]:
        """Return it as the queries name it."""
        return {"mail": self.mail, "others": self.others}


EVERYTHING: Final = Load()


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
    ``after_number`` is the last number that the incident had taken when it was begun; ``first`` is the state
    of the incident's first notice to this person, where that matters. The fields from ``person`` on stand in
    the order of the queries below.
    """

    notice: Notice
    channel: str
    expires_ms: int
    tries: int
    before: str
    after_number: int
    person: int
    address: str
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
_OUT, _WAY, _EVENT = schema.opt_out, schema.way, schema.notice_event
_CHANNEL: Final = sa.bindparam("channel", type_=sa.Text)

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
    _I.c.numbers,
)


def _of_person(channel: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[Any], ...]:
    """Return what a turn says of a person; where they are reached is the way on this channel."""
    return (
        _P.c.id.label("person"),
        ways.address(channel, _WAY).label("address"),
        _P.c.language,
        _P.c.zone,
        _P.c.quiet,
        _P.c.team,
        _P.c.gone,
        _A.c.why,
        ways.lost(channel, _WAY).label("returned"),
    )


def _way_on(channel: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.and_(_WAY.c.person == _P.c.id, _WAY.c.channel == channel)


_OF_TURN_COUNT: Final = len(_of_person(_CHANNEL)) + 2


def _opted_out(service: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Tell whether somebody left the failing service, all of them, or the one that they are told of."""
    name = sa.func.replace(_OUT.c.service, "_", "|_")
    told_of = sa.and_(name != "", _A.c.why.like(sa.literal('%"via":"') + name + sa.literal('"%'), escape="|"))
    mine = sa.or_(_OUT.c.service.in_(("", service)), told_of)
    return sa.exists().where(_OUT.c.person == _P.c.id, mine).label("opted_out")


def _carried(channel: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Tell whether a courier carries what goes out on a channel."""
    mail, others = (sa.bindparam(name, type_=sa.Boolean) for name in ("mail", "others"))
    return sa.or_(sa.and_(channel == ways.EMAIL, mail), sa.and_(channel != ways.EMAIL, others))


_DUE: Final = (
    sa.select(
        *_of_person(_RETRY.c.channel),
        _opted_out(_I.c.service),
        sa.func.coalesce(_FIRST.c.state, "").label("first"),
        *_OF_NOTICE,
        _RETRY.c.channel,
        _RETRY.c.expires_ms.label("until_ms"),
        _LOG.c.tries,
        _LOG.c.state.label("before"),
        _LOG.c.after_number,
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
    .outerjoin(_WAY, _way_on(_RETRY.c.channel))
    .where(_RETRY.c.due_ms <= sa.bindparam("now"), _carried(_RETRY.c.channel))
    .order_by(_RETRY.c.due_ms, _RETRY.c.person)
    .limit(sa.bindparam("most"))
    .with_for_update(of=_RETRY, skip_locked=True)
)

# Couriers of several desks look at once: what another one is about to take is passed over.
_CHUNK: Final = (
    sa.select(_C)
    .where(
        sa.or_(
            _C.c.state == "queued",
            sa.and_(
                _C.c.state == "taken",
                sa.or_(_C.c.owner == sa.bindparam("worker"), _C.c.lease_ms < sa.bindparam("now")),
            ),
        ),
        _C.c.not_before_ms <= sa.bindparam("now"),
        _carried(_C.c.channel),
    )
    .order_by(_C.c.priority, _C.c.not_before_ms, _C.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)

_NOTICE: Final = (
    sa.select(*_OF_NOTICE, sa.func.coalesce(_EVENT.c.heard, "").label("heard"))
    .join(_I, _I.c.id == _N.c.incident)
    .outerjoin(_EVENT, _EVENT.c.notice == _N.c.id)
    .where(_N.c.id == sa.bindparam("notice"))
)


def _people_of(heard: Heard | None) -> sa.Select[Any]:
    """Return the query for the next people of a chunk: those told before, or a first notice's audience."""
    own = heard is None
    low, high = sa.bindparam("low", type_=sa.Integer), sa.bindparam("high", type_=sa.Integer)
    query = (
        sa.select(
            *_of_person(_CHANNEL),
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
                _LOG.c.channel == _CHANNEL,
                _LOG.c.person.between(low, high),
            ),
        )
        .outerjoin(_WAY, _way_on(_CHANNEL))
        .where(
            _A.c.incident == sa.bindparam("incident"), _A.c.person.between(low, high), _LOG.c.notice.is_(None)
        )
    )
    if heard is None:
        query = query.where(_A.c.notice == sa.bindparam("notice"), ways.comes_first(_CHANNEL, _WAY))
    else:
        # Who was told of the beginning on a channel is told the rest on it.
        number = sa.bindparam("number", type_=sa.Integer)
        told = sa.and_(sequel.told(_A, _FIRST), _FIRST.c.channel == _CHANNEL)
        query = query.join(_FIRST, told).where(
            sequel.before(_A, _FIRST, number), _FIRST.c.person.between(low, high)
        )
        meant = sequel.belongs(_A, heard, number)
        query = query if meant is None else query.where(meant)
    return query.order_by(_A.c.person).limit(sa.bindparam("most"))


_OWN: Final = _people_of(None)
_TOLD: Final = {heard: _people_of(heard) for heard in Heard}


def due_again(conn: Connection, now_ms: int, people_max: int, load: Load = EVERYTHING) -> list[Turn]:
    """Take out the tries that are due, the oldest first; what was answered meanwhile is left out."""
    rows = conn.execute(_DUE, {"now": now_ms, "most": people_max, **load.named()}).all()
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
            notices[row.notice],
            row.channel,
            row.until_ms,
            row.tries,
            row.before,
            row.after_number if row.before == "unknown" else row.numbers,
            *row[:_OF_TURN_COUNT],
        )
        for row in rows
        if row.before in ("retrying", "unknown", "quiet")
    ]


def next_people(
    conn: Connection, worker: str, now_ms: int, people_max: int, load: Load = EVERYTHING
) -> list[Turn]:
    """Claim the most urgent chunk and take out its next people; chunks without any are done.

    A chunk is done only with the claim after its last people, when what became of them is known.
    """
    while chunk := conn.execute(_CHUNK, {"worker": worker, "now": now_ms, **load.named()}).one_or_none():
        of = conn.execute(_NOTICE, {"notice": chunk.notice}).one()
        rows = _people(conn, chunk, of, people_max)
        claim = sa.update(_C).where(_C.c.id == chunk.id)
        if not rows:
            conn.execute(claim.values(state="done", owner=""))
            continue
        conn.execute(
            claim.values(
                state="taken",
                owner=worker,
                lease_ms=now_ms + LEASE_MS,
                low=rows[-1][0] + 1,
                attempts=_C.c.attempts + int(chunk.owner != worker),
            )
        )
        notice = _notice(of)
        return [Turn(notice, chunk.channel, of.expires_ms, 0, "", of.numbers, *row) for row in rows]
    return []


def _people(conn: Connection, chunk: Found, of: Found, people_max: int) -> list[tuple[Any, ...]]:
    """Return the next people of a chunk, each with what a turn says of a person."""
    if chunk.low > chunk.high:
        return []
    query, place = _OWN, {"notice": of.notice, "incident": of.incident, "service": of.service}
    if of.kind not in FIRST_KINDS:
        query, place = _TOLD[Heard(of.heard)], {**place, "number": of.number}
    place |= {"channel": chunk.channel, "low": chunk.low, "high": chunk.high, "most": people_max}
    return fetch(conn, query, place)


def next_ms(conn: Connection, load: Load = EVERYTHING) -> int:
    """Return when somebody's turn comes next, 0 for never."""
    chunk = sa.select(sa.func.min(_C.c.not_before_ms)).where(_C.c.state == "queued", _carried(_C.c.channel))
    retry = sa.select(sa.func.min(_RETRY.c.due_ms)).where(_carried(_RETRY.c.channel))
    moments = (conn.execute(query, load.named()).scalar() for query in (chunk, retry))
    return min((int(moment) for moment in moments if moment), default=0)


def _notice(row: Found) -> Notice:
    return Notice(row.notice, row.number, row.kind, row.urgent, row.created_ms, row.ref, row.service)
