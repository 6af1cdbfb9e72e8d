"""Summaries: what need not be a message of its own, once a day to whoever wants it, or when too much came."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.person import Zone, printable
from desk.config import Config
from desk.delivery.outbox import TOLD
from desk.house import House
from desk.notice import leaflet
from desk.notice.compose import Letter, Line, customer_letter, said_length, said_time
from desk.notice.leaflet import Leaflet
from desk.notice.words import say, spoken
from desk.page.view import DAY_MS
from desk.state import Impact
from desk.store.store import upsert

HOUR_MS: Final = 3_600_000
MORNING_HOUR: Final = 8
LINES_MAX: Final = 50
PEOPLE_AT_ONCE: Final = 1_000
TEST_MARK: Final = "[TEST] "
_PLAN: Final = schema.digest_plan


@dataclass(frozen=True, slots=True)
class Noted:
    """One line of a summary: what happened to which service; ``over_ms`` 0 while it lasts."""

    kind: str
    service: str
    name: str
    impact: Impact
    since_ms: int
    over_ms: int


def put_off(conn: Connection, incident: int, people: Iterable[int], now_ms: int) -> None:
    """Note for people who have heard enough for now what goes into the summary of the next full hour."""
    due_ms = (now_ms // HOUR_MS + 1) * HOUR_MS
    _note(conn, incident, [(person, due_ms) for person in people], "many", now_ms)


def healed(conn: Connection, house: House, incident: int, now_ms: int) -> None:
    """Note what was over before they were told, for those whom it would have concerned and who want it.

    The first page of them is noted here; ``go_on`` notes the others.
    """
    _note_page(conn, house, incident, 0, now_ms)


def go_on(conn: Connection, house: House) -> bool:
    """Note it for one more page of people; return whether there was one."""
    row = conn.execute(sa.select(_PLAN).order_by(_PLAN.c.at_ms, _PLAN.c.incident).limit(1)).one_or_none()
    if row is not None:
        _note_page(conn, house, row.incident, row.after, row.at_ms)
    return row is not None


def _note_page(conn: Connection, house: House, incident: int, after: int, over_ms: int) -> None:
    daily = house.inquiries.roll(house.catalogue, house.people).daily
    start = bisect_right(daily, after)
    page = daily[start : start + PEOPLE_AT_ONCE]
    if page:
        a, p, log = schema.audience, schema.person, schema.delivery_log
        told = sa.exists().where(
            log.c.notice == a.c.notice, log.c.person == a.c.person, log.c.state.in_(TOLD)
        )
        query = (
            sa.select(p.c.id, p.c.zone)
            .join(a, a.c.person == p.c.id)
            .where(a.c.incident == incident, a.c.person.in_(page), a.c.grade != "owner", ~told)
        )
        rows = [(row.id, morning_ms(over_ms, Zone(row.zone))) for row in conn.execute(query)]
        _note(conn, incident, rows, "healed", over_ms)
    conn.execute(sa.delete(_PLAN).where(_PLAN.c.incident == incident))
    if start + len(page) < len(daily):
        conn.execute(_PLAN.insert().values(incident=incident, after=page[-1], at_ms=over_ms))


def morning_ms(now_ms: int, zone: Zone) -> int:
    """Return the next morning on the clocks of a zone, at eight."""
    local = zone.at(now_ms)
    at = local.replace(hour=MORNING_HOUR, minute=0, second=0, microsecond=0)
    if at <= local:
        at += timedelta(days=1)
    return int(at.timestamp() * 1000)


def _note(conn: Connection, incident: int, rows: Sequence[tuple[int, int]], kind: str, now_ms: int) -> None:
    if not rows:
        return
    values = [
        {"person": person, "incident": incident, "kind": kind, "at_ms": now_ms, "due_ms": due_ms}
        for person, due_ms in rows
    ]
    conn.execute(upsert(conn, schema.digest_line).on_conflict_do_nothing(), values)


def tick(conn: Connection, catalogue: Catalogue, config: Config, now_ms: int) -> int:
    """Write the summaries that are due, one for each person; return when the next is due, 0 for never."""
    table = schema.digest_line
    due = sa.select(table.c.person).distinct().where(table.c.due_ms <= now_ms).limit(PEOPLE_AT_ONCE)
    people = [row.person for row in conn.execute(due)]
    if people:
        _write(conn, catalogue, config, people, now_ms)
        conn.execute(sa.delete(table).where(table.c.person.in_(people)))
    return int(conn.execute(sa.select(sa.func.min(table.c.due_ms))).scalar() or 0)


def _write(
    conn: Connection, catalogue: Catalogue, config: Config, people: Collection[int], now_ms: int
) -> None:
    table, i, p = schema.digest_line, schema.incident, schema.person
    query = (
        sa.select(table.c.kind, p.c.id, p.c.language, p.c.zone, i)
        .join(i, i.c.id == table.c.incident)
        .join(p, p.c.id == table.c.person)
        .where(table.c.person.in_(people))
        .order_by(p.c.id, i.c.onset_ms)
    )
    found: dict[int, list[Row[Any]]] = {}
    for row in conn.execute(query):
        found.setdefault(row[1], []).append(row)
    for person, rows in found.items():
        tongue, zone = spoken(rows[0].language, config.language), rows[0].zone
        noted = [_noted(catalogue, row, tongue) for row in rows[:LINES_MAX]]
        content = compose_digest(config, noted, tongue, Zone(zone), now_ms)
        services = tuple(dict.fromkeys(one.service for one in noted))
        leaflet.put(
            conn,
            Leaflet("digest", "digest", services, now_ms, now_ms, now_ms + DAY_MS, {(tongue, zone): content}),
            [person],
        )


def _noted(catalogue: Catalogue, row: Row[Any], language: str) -> Noted:
    service = catalogue.services.get(row.service)
    name = service.said_in(language) if service else row.service
    over_ms = (row.healed_ms or row.resolved_ms) if row.resolved_ms else 0
    return Noted(row.kind, row.service, name, Impact(row.first_impact), row.onset_ms, over_ms)


def compose_digest(config: Config, noted: Sequence[Noted], language: str, zone: Zone, now_ms: int) -> Letter:
    """Return one summary in a language, which ships; a line for each thing that happened, in its order."""
    lines = [Line(_said(one, language, zone, now_ms), language) for one in noted]
    lines.append(Line(say(language, "need_nothing"), language))
    day = f"{zone.at(now_ms):%Y-%m-%d}"
    mark = TEST_MARK if config.test_mode else ""
    subject = printable(f"{mark}[{config.name}] {say(language, 'digest_stem', date=day)}")
    many = any(one.kind == "many" for one in noted)
    why = say(language, "digest_many" if many else "digest_daily")
    return customer_letter(subject, lines, language, str(config.url), (why, noted[0].name))


def _said(one: Noted, language: str, zone: Zone, now_ms: int) -> str:
    time = said_time(one.since_ms, now_ms, language, zone)
    length = said_length(one.over_ms - one.since_ms, language)
    if one.kind == "healed":
        return say(language, "digest_healed", service=one.name, time=time, length=length)
    impact = Impact.MINOR if one.impact is Impact.UNKNOWN else one.impact
    stem = say(language, f"stem_{impact.value}", service=one.name)
    return say(language, "digest_over" if one.over_ms else "digest_open", stem=stem, time=time, length=length)
