"""An agent that falls silent is an alert of its own, and what it alone watched is unknown.

Each agent says once a minute that it lives, and how long that may be believed (its Watchdog). When that time
is over and nothing more came, ``AgentSilent`` fires here, on the desk, until the agent speaks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.incident import records
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from desk.store.store import upsert
from model.labels import Labels

ALERT: Final = "AgentSilent"
LEASE_MS: Final = 300_000
"""How long the alert is believed without being said again; it is said at each look."""
FORGOTTEN_MS: Final = records.AGENT_FORGOTTEN_MS
SILENT_MAX: Final = 10_000
SEEN_SHARE: Final = 0.5
"""A service is unknown when fewer than so many of the agents that watch it are heard."""


@dataclass(frozen=True, slots=True)
class Beat:
    """When an agent was last heard, and how long that may be believed."""

    instance: str
    heard_ms: int
    lease_ms: int


def silent(beat: Beat, started_ms: int, now_ms: int) -> bool:
    """Tell whether an agent is overdue; while the desk itself was not there, nobody could be heard."""
    return max(beat.heard_ms, started_ms) + beat.lease_ms < now_ms < beat.heard_ms + FORGOTTEN_MS


def alert(instance: str, since_ms: int, ends_ms: int, now_ms: int) -> Signal:
    """Return the word that an agent is silent, or with an end that is past that it speaks again."""
    labels = Labels.of({"alertname": ALERT, "instance": instance, "severity": "critical"})
    words = {
        "summary": f"The agent on {instance} is not heard.",
        "description": "Nothing is known of what it watches. Its host may be down, cut off, or without it.",
    }
    return Signal(
        key_of(labels), labels, words, since_ms, ends_ms, now_ms, over=ends_ms <= now_ms, source="desk"
    )


def news(conn: Connection, started_ms: int, now_ms: int) -> tuple[Signal, ...]:
    """Return the word on each agent that is silent now, and on each that was and is no more."""
    table, known = schema.agent, schema.silent_agent
    overdue = sa.select(table).where(
        table.c.heard_ms + table.c.lease_ms < now_ms, table.c.heard_ms > now_ms - FORGOTTEN_MS
    )
    beats = [
        Beat(row.instance, row.heard_ms, row.lease_ms) for row in conn.execute(overdue.limit(SILENT_MAX))
    ]
    since = {row.instance: row.since_ms for row in conn.execute(sa.select(known))}
    gone = {one.instance: one.heard_ms for one in beats if silent(one, started_ms, now_ms)}
    found = [
        alert(instance, since.get(instance, heard_ms), now_ms + LEASE_MS, now_ms)
        for instance, heard_ms in gone.items()
    ]
    back = [instance for instance in since if instance not in gone]
    found += [alert(instance, since[instance], now_ms, now_ms) for instance in back]
    if back:
        conn.execute(sa.delete(known).where(known.c.instance.in_(back)))
    new = [{"instance": name, "since_ms": heard_ms} for name, heard_ms in gone.items() if name not in since]
    if new:
        conn.execute(upsert(conn, known).on_conflict_do_nothing(), new)
    return tuple(found)


def doubt(conn: Connection, signals: Iterable[Signal], now_ms: int) -> None:
    """Write down which services are unknown because of these silent agents."""
    hosts = {one.labels.get("instance"): one.key for one in signals if not one.over}
    if not hosts:
        return
    member, silent_agent = schema.member, schema.silent_agent
    heard_lately = member.c.heard_ms > now_ms - FORGOTTEN_MS
    quiet = {row.instance for row in conn.execute(sa.select(silent_agent.c.instance))}
    touched = sa.select(member.c.service).distinct().where(member.c.host.in_(list(hosts)), heard_lately)
    watched = conn.execute(
        sa.select(member.c.service, member.c.host).where(member.c.service.in_(touched), heard_lately)
    )
    by_service: dict[str, set[str]] = {}
    for row in watched:
        by_service.setdefault(row.service, set()).add(row.host)
    unknown = {
        service for service, watching in by_service.items() if not _seen(len(watching), len(watching & quiet))
    }
    table = schema.doubt
    conn.execute(sa.delete(table).where(table.c.alert.in_(list(hosts.values()))))
    rows = [
        {"alert": key, "service": service}
        for host, key in hosts.items()
        for service in sorted(unknown)
        if host in by_service[service]
    ]
    if rows:
        conn.execute(upsert(conn, table).on_conflict_do_nothing(), rows)


def _seen(watching: int, silent_count: int) -> bool:
    """Tell whether enough of those that watch a service are heard to say how it stands."""
    return watching - silent_count >= SEEN_SHARE * watching
