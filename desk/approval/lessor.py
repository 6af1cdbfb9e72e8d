"""Leases as they stand in the store: who asks, what the desk knows of the group, and who gives back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.approval.lease import MEMBER_FORGOTTEN_MS, Denied, Granted, Group, Request, decide
from desk.catalogue.catalogue import Catalogue
from desk.incident import records
from desk.incident.incident import WATCHDOG, Signal
from desk.store.store import upsert

SERVICES: Final = "beforehand_services"
SERVICES_MAX: Final = 200
SICK_MAX: Final = 10_000


def hear_members(conn: Connection, signals: Iterable[Signal]) -> None:
    """Note which services an agent watches, as it says beside its Watchdog."""
    for signal in signals:
        if signal.name != WATCHDOG or signal.over:
            continue
        named = [one.strip() for one in signal.annotations.get(SERVICES, "").split(",")]
        rows = [
            {"service": service, "host": signal.host, "heard_ms": signal.updated_ms}
            for service in named[:SERVICES_MAX]
            if service
        ]
        if rows:
            insert = upsert(conn, schema.member)
            newer = {"heard_ms": insert.excluded.heard_ms}
            conn.execute(insert.on_conflict_do_update(index_elements=["service", "host"], set_=newer), rows)


def ask(conn: Connection, catalogue: Catalogue, request: Request, now_ms: int) -> Granted | Denied:
    """Decide on a request and write down what was granted, in one transaction."""
    verdict = decide(request, group_of(conn, catalogue, request.service, now_ms), now_ms)
    if isinstance(verdict, Granted):
        row = {"playbook": request.playbook, "granted_ms": now_ms, "until_ms": verdict.until_ms}
        insert = upsert(conn, schema.lease).values(service=request.service, host=request.instance, **row)
        # Who holds a lease keeps the time at which it was begun.
        kept = {name: value for name, value in row.items() if name != "granted_ms"}
        table = schema.lease
        over = sa.case((table.c.until_ms <= now_ms, now_ms), else_=table.c.granted_ms)
        conn.execute(
            insert.on_conflict_do_update(
                index_elements=["service", "host"], set_={**kept, "granted_ms": over}
            )
        )
    return verdict


def give_back(conn: Connection, service: str, host: str, now_ms: int) -> bool:
    """End a lease and return whether there was one."""
    table = schema.lease
    mine = (table.c.service == service) & (table.c.host == host) & (table.c.until_ms > now_ms)
    return bool(conn.execute(sa.update(table).where(mine).values(until_ms=now_ms)).rowcount)


def group_of(conn: Connection, catalogue: Catalogue, service: str, now_ms: int) -> Group:
    """Return what the desk knows of a service's hosts now."""
    member, lease = schema.member, schema.lease
    since_ms = now_ms - MEMBER_FORGOTTEN_MS
    members = conn.execute(
        sa.select(member.c.host).where(member.c.service == service, member.c.heard_ms > since_ms)
    )
    leases = conn.execute(sa.select(lease).where(lease.c.service == service)).all()
    return Group(
        members=frozenset(members.scalars()),
        sick=_sick(conn, catalogue, service, now_ms),
        leased={row.host: row.granted_ms for row in leases if row.until_ms > now_ms},
        last_ms=max((row.granted_ms for row in leases), default=0),
        upstream=_upstream(conn, catalogue, service),
    )


def _sick(conn: Connection, catalogue: Catalogue, service: str, now_ms: int) -> dict[str, int]:
    """Return the hosts with an alert that touches the service, each with when its first one began."""
    table = schema.alert
    query = sa.select(table).where(table.c.ends_ms > now_ms).order_by(table.c.starts_ms).limit(SICK_MAX)
    found: dict[str, int] = {}
    for row in conn.execute(query):
        signal = records.signal_of(row)
        if signal.labels.get("severity") == "none":
            continue
        touched = {touch.service for touch in catalogue.touches(signal.labels)}
        if service in touched | {signal.labels.get("service")}:
            found.setdefault(signal.host, signal.starts_ms)
    return found


def _upstream(conn: Connection, catalogue: Catalogue, service: str) -> tuple[str, ...]:
    """Return the services with an open incident that this one depends on."""
    wanted = catalogue.upstream(service)
    return tuple(sorted(records.open_incidents(conn, wanted))) if wanted else ()
