"""What is expected, in the store: heard, told to whoever asked for it, and taken back when it has passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.catalogue.catalogue import Touch
from desk.forecast import forecast
from desk.forecast import telling as forecast_telling
from desk.forecast.forecast import UNSEEN_MAX_MS, Outlook, Surroundings, expected_ms, next_step
from desk.forecast.telling import Case
from desk.house import House
from desk.incident import records
from desk.incident.correlate import is_alive
from desk.incident.incident import Change, Signal, weight
from desk.incident.scene import Sight
from desk.maintenance import book as maintenance_book
from desk.maintenance.maintenance import hides
from desk.notice import holding
from desk.notice.holding import Human, NotHeld
from desk.page.view import DAY_MS
from desk.state import Impact
from desk.store.store import upsert

KEPT_MS: Final = 730 * DAY_MS
SHOWN_MAX: Final = 200

_F, _A, _R = schema.forecast, schema.forecast_alert, schema.forecast_release


def hear(conn: Connection, house: House, changes: Iterable[Change], now_ms: int) -> bool:
    """Take in the alerts that foretell trouble of a service; tell whether there was any."""
    found = [
        (change.signal, touch)
        for change in changes
        for touch in house.catalogue.foretells(change.signal.labels)
    ]
    for signal, touch in found:
        if signal.ends_ms > now_ms:
            _join(conn, signal, touch, now_ms)
    return bool(found)


def _join(conn: Connection, signal: Signal, touch: Touch, now_ms: int) -> None:
    """Add an alert to what is expected of its service; the sooner moment and the heavier impact count."""
    assert touch.forecast is not None, "asked only of what is foretold"
    assert touch.impact is not None, "a forecast names its impact"
    at_ms = expected_ms(signal, touch.forecast, now_ms)
    chance = round(touch.forecast.chance.value) if touch.forecast.chance else 0
    row = conn.execute(sa.select(_F).where(_F.c.service == touch.service, _F.c.over_ms == 0)).one_or_none()
    if row is None:
        values = {"service": touch.service, "impact": touch.impact.value, "expected_ms": at_ms}
        made = conn.execute(_F.insert().values(**values, chance=chance, heard_ms=now_ms))
        assert made.inserted_primary_key is not None, "an insert of one row names its key"
        number = int(made.inserted_primary_key[0])
    else:
        number = row.id
        known = sa.select(_A.c.alert).where(_A.c.forecast == number, _A.c.alert == signal.key)
        # The words of a known alert move with every look at it; what was said of it stands.
        if conn.execute(known).first() is None:
            heavier = max(Impact(row.impact), touch.impact, key=weight)
            values = {"impact": heavier.value, "expected_ms": min(at_ms, row.expected_ms)}
            conn.execute(
                sa.update(_F).where(_F.c.id == number).values(**values, chance=max(chance, row.chance))
            )
    link = upsert(conn, _A).values(forecast=number, alert=signal.key)
    conn.execute(link.on_conflict_do_nothing())


def tick(conn: Connection, house: House, now_ms: int) -> int:
    """Do what is to be done of everything that is expected; return when to look again, 0 for never."""
    rows = conn.execute(sa.select(_F).where(_F.c.over_ms == 0).order_by(_F.c.id)).all()
    if not rows:
        return 0
    sight = records.sight(conn, house.started_ms, now_ms)
    works = maintenance_book.under_way(conn)
    dues = []
    for row in rows:
        case = _case(conn, house, _outlook(row), sight, now_ms)
        outlook = _do(conn, house, case, _around(conn, case, works, now_ms), now_ms)
        ends = [one.ends_ms for one in case.signals]
        dues += [forecast.due_ms(outlook), *ends, *(end_ms + UNSEEN_MAX_MS for end_ms in ends)]
    return min((due for due in dues if due > now_ms), default=0)


def _case(conn: Connection, house: House, outlook: Outlook, sight: Sight, now_ms: int) -> Case:
    links = conn.execute(sa.select(_A).where(_A.c.forecast == outlook.id).order_by(_A.c.alert)).all()
    known = records.known_signals(conn, [row.alert for row in links])
    signals = tuple(known[row.alert] for row in links if row.alert in known)
    alive = tuple(
        one
        for one in signals
        if is_alive(one, now_ms, sight)
        # The catalogue may mean something else by it by now.
        and any(touch.service == outlook.service for touch in house.catalogue.foretells(one.labels))
    )
    living = {one.key for one in alive}
    unsaid = tuple(row.alert for row in links if not row.said_ms and row.alert in living)
    return Case(outlook, signals, alive, unsaid)


def _around(conn: Connection, case: Case, works: Mapping[str, Impact], now_ms: int) -> Surroundings:
    i, echo = schema.incident, schema.echo
    service = case.outlook.service
    own = sa.select(i.c.id).where(i.c.service == service, i.c.resolved_ms == 0)
    behind = (
        sa.select(i.c.id)
        .join(echo, echo.c.incident == i.c.id)
        .where(echo.c.service == service, echo.c.ended_ms == 0, i.c.resolved_ms == 0)
    )
    last_ms = max((one.ends_ms for one in case.alive), default=0)
    return Surroundings(
        foretold=bool(case.alive),
        failing=any(conn.execute(query.limit(1)).first() is not None for query in (own, behind)),
        worked_on=hides(works, service, case.outlook.impact),
        unsaid=bool(case.unsaid),
        unseen_ms=last_ms if last_ms <= now_ms else 0,
    )


def _do(conn: Connection, house: House, case: Case, around: Surroundings, now_ms: int) -> Outlook:
    outlook = case.outlook
    step = next_step(outlook, around, now_ms)
    if step is None:
        return outlook
    if step.word == "tell":
        forecast_telling.tell(conn, house, case, now_ms)
    elif step.word in ("pass", "lose"):
        forecast_telling.take_back(conn, house, case, now_ms, seen=step.word == "pass")
    else:
        outlook = replace(outlook, calm_ms=now_ms if step.word == "calm" else 0)
        forecast_telling.change(conn, outlook.id, {"calm_ms": outlook.calm_ms})
    return outlook


def release(conn: Connection, house: House, number: int, human: Human, count: int, now_ms: int) -> Outlook:
    """Write down one human's word; with the last that it takes, those who wait for it are told."""
    outlook = one(conn, number)
    if outlook.over_ms or outlook.came or not outlook.needs:
        raise NotHeld("the forecast waits for nobody")
    holding.check(human, outlook.needs)
    if count != outlook.people:
        raise NotHeld(f"it goes to {outlook.people} people, not to {count}; type the number that it goes to")
    names = conn.execute(sa.select(_R.c.by).where(_R.c.forecast == number)).scalars().all()
    if human.by.casefold() in {name.casefold() for name in names}:
        raise NotHeld(f"{human.by} has said so already; it takes {outlook.needs} different people")
    conn.execute(_R.insert().values(forecast=number, by=human.by, at_ms=now_ms))
    if len(names) + 1 >= outlook.needs:
        conn.execute(sa.update(_A).where(_A.c.forecast == number).values(said_ms=0))
        tick(conn, house, now_ms)
    return one(conn, number)


def one(conn: Connection, number: int) -> Outlook:
    """Return an outlook by its number; raises ``NotHeld`` where there is none."""
    row = conn.execute(sa.select(_F).where(_F.c.id == number)).one_or_none()
    if row is None:
        raise NotHeld("there is no such forecast")
    return _outlook(row)


def outlooks(conn: Connection, since_ms: int) -> list[Outlook]:
    """Return what is expected, and what was since a moment, the newest first."""
    query = sa.select(_F).where(sa.or_(_F.c.over_ms == 0, _F.c.over_ms > since_ms)).order_by(_F.c.id.desc())
    return [_outlook(row) for row in conn.execute(query.limit(SHOWN_MAX))]


def forget(conn: Connection, now_ms: int) -> int:
    """Delete what is over for years; return how much that was."""
    old = sa.select(_F.c.id).where(_F.c.over_ms.between(1, now_ms - KEPT_MS))
    for table in (_A, _R):
        conn.execute(sa.delete(table).where(table.c.forecast.in_(old)))
    return int(conn.execute(sa.delete(_F).where(_F.c.over_ms.between(1, now_ms - KEPT_MS))).rowcount)


def _outlook(row: Row[Any]) -> Outlook:
    return Outlook(
        id=row.id,
        service=row.service,
        impact=Impact(row.impact),
        expected_ms=row.expected_ms,
        chance=row.chance,
        heard_ms=row.heard_ms,
        told_ms=row.told_ms,
        came=row.came,
        calm_ms=row.calm_ms,
        over_ms=row.over_ms,
        people=row.people,
        needs=row.needs,
        note=row.note,
    )
