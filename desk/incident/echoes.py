"""Alerts that make no incident of their own, in the store: one of each likeness speaks for the others.

So what fails behind a service that has an incident costs as much as its batches, however much of it is
there. Such alerts are all read only when they are to become something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.house import House
from desk.incident import records
from desk.incident.incident import Echo, EchoKind
from desk.incident.likeness import is_current, is_rough, reach
from desk.incident.records import KEYS_PER_QUERY
from desk.incident.speakers import LIKENESSES_MAX, liveliest
from desk.state import Impact
from desk.store.bulk import over, put

PAGE_ROWS: Final = 2_000

_E, _ALERT = schema.echo, schema.alert
# As literals, so that the index of those that speak is taken.
_OPEN: Final = _E.c.ended_ms == sa.literal_column("0")
_SPEAKS: Final = sa.and_(_E.c.speaks > sa.literal_column("0"), _OPEN)
_ECHOES: Final = (
    sa.select(_E.c.incident, _E.c.service, _E.c.kind, _E.c.path, _E.c.impact)
    .add_columns(_E.c.since_ms.label("echo_ms"), _ALERT)
    .join(_ALERT, _ALERT.c.key == _E.c.alert)
)
_NEWER: Final = over(
    _E,
    ("kind", "path", "impact", "since_ms", "ended_ms", "likeness", "speaks"),
    keys=_E.primary_key.columns.keys(),
)


def read(
    conn: Connection,
    services: Collection[str] | None,
    incidents: Collection[int],
    heard: Sequence[str] = (),
    whole: Collection[str] = (),
) -> list[Echo]:
    """Return the echoes of services, or of all, and of incidents: those that speak, and those just heard.

    Of services that are to be read ``whole`` there are all.
    """
    near: sa.ColumnElement[bool] = sa.true()
    if services is not None:
        near = sa.or_(_E.c.service.in_(services), _E.c.incident.in_(incidents))
    which = [_SPEAKS]
    which += [
        sa.and_(_OPEN, _E.c.alert.in_(heard[start : start + KEYS_PER_QUERY]))
        for start in range(0, len(heard), KEYS_PER_QUERY)
    ]
    if whole:
        which.append(sa.and_(_OPEN, _E.c.service.in_(whole)))
    found = {
        (row.key, row.incident, row.service): row
        for one in which
        for row in conn.execute(_ECHOES.where(near, one))
    }
    return [_echo(row) for _, row in sorted(found.items(), key=lambda one: one[0])]


def _echo(row: Row[Any]) -> Echo:
    return Echo(
        signal=records.signal_of(row),
        service=row.service,
        incident=row.incident,
        path=tuple(msgspec.json.decode(row.path, type=list[str])),
        impact=Impact(row.impact),
        since_ms=row.echo_ms,
        kind=EchoKind(row.kind),
    )


def of_incident(conn: Connection, incident: int) -> tuple[Echo, ...]:
    """Return the alerts that speak for those that one incident accounts for at this moment."""
    return tuple(read(conn, (), [incident]))


def note(conn: Connection, house: House, echoes: Sequence[Echo], now_ms: int) -> bool:
    """Write down alerts of one service as echoes of one incident, and of no other.

    Tell whether any may touch people whom none of its echoes touched before.
    """
    if not echoes:
        return False
    incident, service = echoes[0].incident, echoes[0].service
    end(conn, service, [one.signal.key for one in echoes], now_ms)
    speaking = set(conn.execute(sa.select(_E.c.likeness).where(*_of(incident, service), _SPEAKS)).scalars())
    rows, news = [], False
    for one in echoes:
        found = _like(house, one, speaking)
        news = news or is_rough(found) or found not in speaking
        rows.append(_row(one, found, speaks=found not in speaking))
        speaking.add(found)
    put(conn, _E, rows, _NEWER)
    return news


def _like(house: House, echo: Echo, speaking: Collection[str]) -> str:
    found = reach(house.catalogue, echo.service, echo.signal)
    if found in speaking or len(speaking) < LIKENESSES_MAX:
        return found
    return reach(house.catalogue, echo.service, echo.signal, rough=True)


def _row(one: Echo, likeness: str, *, speaks: bool) -> Mapping[str, Any]:
    return {
        "incident": one.incident,
        "alert": one.signal.key,
        "service": one.service,
        "kind": one.kind.value,
        "path": msgspec.json.encode(one.path).decode(),
        "impact": one.impact.value,
        "since_ms": one.since_ms,
        "ended_ms": 0,
        "likeness": likeness,
        "speaks": int(speaks),
    }


def _of(incident: int, service: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return (_E.c.incident == incident, _E.c.service == service)


def end(conn: Connection, service: str, alerts: Collection[str], now_ms: int) -> None:
    """Write down that alerts of a service are echoes no more; others speak for those that are alike."""
    keys, left = list(alerts), set()
    for start in range(0, len(keys), KEYS_PER_QUERY):
        mine = (_E.c.service == service, _OPEN, _E.c.alert.in_(keys[start : start + KEYS_PER_QUERY]))
        spoke = conn.execute(sa.select(_E.c.incident, _E.c.likeness).where(*mine, _E.c.speaks > 0))
        left |= {(row.incident, row.likeness) for row in spoke}
        if start or left or _any(conn, mine):
            conn.execute(sa.update(_E).where(*mine).values(ended_ms=now_ms))
    for incident, likeness in sorted(left):
        alike = (*_of(incident, service), _E.c.likeness == likeness)
        heir = conn.execute(sa.select(_E.c.alert).where(*alike, _OPEN).limit(1)).scalar()
        if heir is not None:
            conn.execute(sa.update(_E).where(*alike, _E.c.alert == heir).values(speaks=1))


def _any(conn: Connection, which: Sequence[sa.ColumnElement[bool]]) -> bool:
    return conn.execute(sa.select(_E.c.alert).where(*which).limit(1)).first() is not None


def fade(conn: Connection, echo: Echo, now_ms: int) -> None:
    """Write down that the alert of an echo has ended; with one that speaks all are over that are alike.

    For ``refresh`` lets nobody speak who has ended while any that is alike goes on.
    """
    mine = (*_of(echo.incident, echo.service), _E.c.alert == echo.signal.key)
    row = conn.execute(sa.select(_E.c.likeness, _E.c.speaks).where(*mine, _OPEN)).first()
    if row is not None and row.speaks and row.likeness:
        alike = (*_of(echo.incident, echo.service), _E.c.likeness == row.likeness, _OPEN)
        conn.execute(sa.update(_E).where(*alike).values(ended_ms=now_ms))
    else:
        conn.execute(sa.update(_E).where(*mine, _OPEN).values(ended_ms=now_ms))


def refresh(conn: Connection, house: House, now_ms: int, services: Collection[str] | None = None) -> None:
    """Let others speak for those that fell silent, and ask all anew where the catalogue has changed."""
    query = (
        sa.select(_E.c.incident, _E.c.service, _E.c.alert, _E.c.likeness, _ALERT.c.ends_ms)
        .join(_ALERT, _ALERT.c.key == _E.c.alert)
        .where(_SPEAKS)
    )
    if services is not None:
        query = query.where(_E.c.service.in_(services))
    rows = conn.execute(query).all()
    outdated = {
        (row.incident, row.service)
        for row in rows
        if not is_current(house.catalogue, row.service, row.likeness)
    }
    for incident, service in sorted(outdated):
        _rebuild(conn, house, incident, service)
    for row in conn.execute(query).all() if outdated else rows:
        if row.ends_ms > now_ms:
            continue
        alike = (*_of(row.incident, row.service), _E.c.likeness == row.likeness, _OPEN)
        heir = conn.execute(
            sa.select(_E.c.alert)
            .join(_ALERT, _ALERT.c.key == _E.c.alert)
            .where(*alike)
            .order_by(*liveliest(house, now_ms))
            .limit(1)
        ).scalar()
        if heir != row.alert:
            conn.execute(sa.update(_E).where(*alike).values(speaks=sa.case((_E.c.alert == heir, 1), else_=0)))


def _rebuild(conn: Connection, house: House, incident: int, service: str) -> None:
    """Ask each echo anew whom it touches."""
    speaking: set[str] = set()
    mine = (_E.c.incident == sa.bindparam("in"), _E.c.service == sa.bindparam("by"))
    change = sa.update(_E).where(*mine, _E.c.alert == sa.bindparam("of"))
    for page in _pages(conn, incident, service):
        rows = []
        for one in page:
            found = _like(house, one, speaking)
            named = {"in": incident, "by": service, "of": one.signal.key}
            rows.append({**named, "new": found, "as": int(found not in speaking)})
            speaking.add(found)
        conn.execute(change.values(likeness=sa.bindparam("new"), speaks=sa.bindparam("as")), rows)


def _pages(conn: Connection, incident: int, service: str) -> Iterator[list[Echo]]:
    """Yield the echoes of a service by their keys, never all of them at once."""
    after = ""
    query = _ECHOES.where(*_of(incident, service), _OPEN).order_by(_E.c.alert).limit(PAGE_ROWS)
    while page := [_echo(row) for row in conn.execute(query.where(_E.c.alert > after))]:
        yield page
        after = page[-1].signal.key
