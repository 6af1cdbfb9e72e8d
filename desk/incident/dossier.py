"""What the store holds about incidents for correlation: how each stands, echoes, turns, people's words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.catalogue import Catalogue
from desk.house import House
from desk.incident import echoes, records
from desk.incident.incident import Echo, EchoKind, Incident, Turn
from desk.incident.scene import ECHO_GRACE_MS, Failure, Scene
from desk.page.view import Stretch
from desk.state import Impact, IncidentState
from desk.store.store import upsert

TURNS_KEPT_MS: Final = 2 * 3_600_000
MEMBER_FORGOTTEN_MS: Final = 24 * 3_600_000
ECHOES_TOLD_MAX: Final = 500
STRETCHES_MAX: Final = 20_000


def scene(
    conn: Connection,
    house: House,
    services: Collection[str] | None,
    now_ms: int,
    heard: Collection[str] = (),
    whole: Collection[str] = (),
) -> Scene:
    """Return what is known at this moment of these services, or of all.

    Of the alerts of incidents, and of those that other incidents account for, there are those that speak for
    the others, and those that were just heard; of the latter all, for services to be read ``whole``.
    """
    reopen_ms = house.config.reopen_within.ms
    rows = records.lately(conn, now_ms - max(reopen_ms, ECHO_GRACE_MS))
    here = [row for row in rows if services is None or row.service in services]
    mine = records.with_speakers(conn, [row for row in here if not row.resolved_ms], heard)
    found = echoes.read(conn, services, [one.id for one in mine], list(heard), whole)
    behind: dict[int, list[Echo]] = {}
    for echo in found:
        behind.setdefault(echo.incident, []).append(echo)
    turns = _turns(conn, services, now_ms)
    return Scene(
        sight=records.sight(conn, house.started_ms, now_ms),
        open={
            one.service: replace(
                one,
                echoes=tuple(behind.get(one.id, ())),
                turns=turns.get(one.service, ()),
            )
            for one in mine
        },
        past=_past([row for row in here if row.resolved_ms], now_ms - reopen_ms),
        failed=_failed(rows, now_ms),
        echoes=tuple(echo for echo in found if services is None or echo.service in services),
        turns=turns,
        hosts=_hosts(conn, house.catalogue, services, now_ms),
    )


def _past(rows: Iterable[Row[Any]], since_ms: int) -> dict[str, Incident]:
    """Return the newest incident of each service that has ended, as far as it may begin anew."""
    newest = {row.service: row for row in rows}
    return {
        service: records.incident_of(row, ())
        for service, row in newest.items()
        if _ended_by_itself(row) and row.resolved_ms > since_ms
    }


def _ended_by_itself(row: Row[Any]) -> bool:
    """Tell whether no person had a hand in the end: what people closed, they alone open again."""
    by_hand = row.merged_into or row.closed_by or row.backfilled
    return row.state == IncidentState.RESOLVED and not by_hand


def _failed(rows: Iterable[Row[Any]], now_ms: int) -> dict[str, Failure]:
    """Return which services have an incident or had one within the grace; rows come open ones first."""
    found: dict[str, Failure] = {}
    for row in rows:
        if not row.resolved_ms:
            found[row.service] = Failure(row.id)
        elif _ended_by_itself(row) and row.resolved_ms > now_ms - ECHO_GRACE_MS:
            known = found.get(row.service)
            if known is None or known.ended_ms:
                found[row.service] = Failure(row.id, row.resolved_ms)
    return found


def _turns(conn: Connection, services: Collection[str] | None, now_ms: int) -> Mapping[str, tuple[Turn, ...]]:
    table = schema.service_turn
    query = sa.select(table).where(table.c.at_ms > now_ms - TURNS_KEPT_MS).order_by(table.c.id)
    if services is not None:
        query = query.where(table.c.service.in_(services))
    found: dict[str, list[Turn]] = {}
    for row in conn.execute(query):
        found.setdefault(row.service, []).append(Turn(row.at_ms, row.came))
    return {service: tuple(turns) for service, turns in found.items()}


def _hosts(
    conn: Connection, catalogue: Catalogue, services: Collection[str] | None, now_ms: int
) -> dict[str, frozenset[str]]:
    """Return the hosts of those services for which the share of them counts."""
    counted = {
        name: frozenset(service.hosts)
        for name, service in catalogue.services.items()
        if (services is None or name in services)
        and any(rule.share is not None and rule.share.of == "hosts" for rule in service.impact)
    }
    if not counted:
        return {}
    table = schema.member
    heard = conn.execute(
        sa.select(table.c.service, table.c.host).where(
            table.c.service.in_(list(counted)), table.c.heard_ms > now_ms - MEMBER_FORGOTTEN_MS
        )
    )
    for row in heard:
        counted[row.service] |= {row.host}
    return counted


def incident_named(conn: Connection, ref: str) -> Row[Any] | None:
    """Return the row of the incident with this public name."""
    return conn.execute(records.incident_rows().where(schema.incident.c.ref == ref)).first()


def newest_incident(conn: Connection, service: str) -> int:
    """Return the number of a service's incident: the open one, else the newest; 0 where it has none."""
    table = schema.incident
    query = (
        sa.select(table.c.id)
        .where(table.c.service == service)
        .order_by(sa.case((table.c.resolved_ms == 0, 0), else_=1), table.c.resolved_ms.desc())
        .limit(1)
    )
    return int(conn.execute(query).scalar() or 0)


def set_more(conn: Connection, incident: int, values: Mapping[str, Any]) -> None:
    """Set columns of what is kept of an incident beside its own row."""
    insert = upsert(conn, schema.incident_more).values(incident=incident, **values)
    conn.execute(insert.on_conflict_do_update(index_elements=["incident"], set_=dict(values)))


def note_turn(conn: Connection, service: str, now_ms: int, *, came: bool) -> None:
    """Write down that the trouble of a service came or went; forget what is too old to matter."""
    table = schema.service_turn
    old = (table.c.service == service) & (table.c.at_ms <= now_ms - TURNS_KEPT_MS)
    conn.execute(sa.delete(table).where(old))
    conn.execute(table.insert().values(service=service, at_ms=now_ms, came=came))


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person did, with the words of before and after and the reason given."""

    by: str
    what: str
    before: str = ""
    after: str = ""
    because: str = ""


def note_edit(conn: Connection, incident: int, edit: Edit, now_ms: int) -> None:
    """Write down what a person did."""
    conn.execute(schema.incident_edit.insert().values(incident=incident, at_ms=now_ms, **asdict(edit)))


def titles(conn: Connection, incidents: Sequence[int]) -> dict[int, Mapping[str, str]]:
    """Return the titles that people gave to incidents, by language."""
    table = schema.incident_more
    query = sa.select(table.c.incident, table.c.hand).where(
        table.c.incident.in_(incidents), table.c.hand != ""
    )
    return {row.incident: records.hand_of(row.hand).title for row in conn.execute(query)}


def stretches(conn: Connection, since_ms: int) -> dict[str, list[Stretch]]:
    """Return when services were in trouble that another incident accounts for."""
    table = schema.echo
    shown = table.c.kind != EchoKind.CLOSED.value
    # What goes on is one stretch, and what came and went together is another, however many alerts it is of.
    of = (table.c.service, table.c.impact, table.c.ended_ms)
    first = sa.func.min(table.c.since_ms).label("since_ms")
    open_ = sa.select(*of, first).where(shown, table.c.ended_ms == 0).group_by(*of)
    past = sa.select(*of, table.c.since_ms).where(shown, table.c.ended_ms > since_ms).distinct()
    found: dict[str, list[Stretch]] = {}
    for row in (*conn.execute(open_), *conn.execute(past.limit(STRETCHES_MAX))):
        stretch = Stretch(Impact(row.impact).state, row.since_ms, row.ended_ms or None)
        found.setdefault(row.service, []).append(stretch)
    return found


def told(conn: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return what is kept of an incident beside its own row, as JSON for staff; ``row`` is its own."""
    more = conn.execute(records.incident_rows().where(schema.incident.c.id == row.id)).one()
    hand = records.hand_of(more.hand or "")
    cause = None
    if more.cause:
        cause = {"incident": _ref(conn, more.cause), "path": msgspec.json.decode(more.path)}
    return {
        "cause": cause,
        "echoes": _told_echoes(conn, row.id),
        "unstable": bool(more.unstable_ms),
        "reopened_ms": more.reopened_ms or None,
        "merged_into": _ref(conn, more.merged_into) if more.merged_into else None,
        "closed_by": more.closed_by or "",
        "backfilled": bool(more.backfilled),
        "title": hand.title,
        "locks": hand.locks,
        "edits": _told_edits(conn, row.id),
    }


def _ref(conn: Connection, incident: int) -> str:
    table = schema.incident
    return str(conn.execute(sa.select(table.c.ref).where(table.c.id == incident)).scalar() or "")


def _told_echoes(conn: Connection, incident: int) -> list[dict[str, Any]]:
    table, alert = schema.echo, schema.alert
    query = (
        sa.select(table, alert.c.labels)
        .outerjoin(alert, alert.c.key == table.c.alert)
        .where(table.c.incident == incident)
        .order_by(table.c.since_ms, table.c.service, table.c.alert)
        .limit(ECHOES_TOLD_MAX)
    )
    return [
        {
            "service": one.service,
            "kind": one.kind,
            "path": msgspec.json.decode(one.path),
            "impact": one.impact,
            "labels": msgspec.json.decode(one.labels or "{}"),
            "since_ms": one.since_ms,
            "ended_ms": one.ended_ms or None,
        }
        for one in conn.execute(query)
    ]


def _told_edits(conn: Connection, incident: int) -> list[dict[str, Any]]:
    table = schema.incident_edit
    shown = (table.c.at_ms, table.c.by, table.c.what, table.c.before, table.c.after, table.c.because)
    query = sa.select(*shown).where(table.c.incident == incident).order_by(table.c.id).limit(ECHOES_TOLD_MAX)
    return [dict(one) for one in conn.execute(query).mappings()]
