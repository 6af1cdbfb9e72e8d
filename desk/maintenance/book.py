"""Planned work in the store: what was planned and changed, what time makes of it, and who is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.audience.affects import Affects, Scope
from desk.catalogue.customer import Customer, Person
from desk.catalogue.person import Slug, Zone
from desk.catalogue.service import Service
from desk.house import House
from desk.incident import waiting
from desk.incident.decision import Decision, Opened, WasOver
from desk.incident.incident import Change, Signal, weight
from desk.maintenance.maintenance import (
    Maintenance,
    Plan,
    Word,
    at,
    due_ms,
    has_room,
    hides,
    next_word,
)
from desk.maintenance.words import WorkFacts, compose_work
from desk.notice import leaflet
from desk.notice.caps import undo_ms
from desk.notice.leaflet import Leaflet
from desk.notice.words import spoken
from desk.page.view import DAY_MS
from desk.state import Impact
from desk.store.store import upsert
from model.misfit import NOWHERE

SHOWN_MS: Final = 90 * DAY_MS
WORKS_MAX: Final = 500


class Spec(msgspec.Struct, frozen=True):
    """What a row keeps of a plan beside its times."""

    services: tuple[str, ...]
    impact: str
    title: dict[str, str]
    noticed: dict[str, str]
    todo: dict[str, str]
    affects: str = "uses"


class Conflict(Exception):
    """What was asked for does not fit what is; the text says why."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom planned work touches: ids of people with their languages and zones."""

    people: tuple[tuple[int, Person], ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids alone."""
        return tuple(number for number, _ in self.people)


def audience_of(house: House, plan: Plan) -> Audience:
    """Return whom planned work touches: the same people whom trouble of its services would."""
    scope = plan.affects.scope({})
    if not isinstance(scope, Scope):
        return Audience(())
    found = {
        person.email: (house.people[person.email], person)
        for customer in house.catalogue.customers
        if _touches(customer, plan.services, scope)
        for person in customer.people
        if person.is_told and person.email in house.people
    }
    return Audience(tuple(found.values()))


def _touches(customer: Customer, services: Iterable[str], scope: Scope) -> bool:
    if scope.everyone:
        return True
    if scope.uses and not {ref.text for ref in customer.uses} & set(services):
        return False
    return all(value and customer.tag(tag) == value for tag, value in scope.tags)


def works(conn: Connection, now_ms: int) -> list[Maintenance]:
    """Return what is planned, and what was within the days that the page shows; the last first."""
    table = schema.maintenance
    query = (
        sa.select(table)
        .where(table.c.end_ms > now_ms - SHOWN_MS)
        .order_by(table.c.start_ms.desc(), table.c.id)
        .limit(WORKS_MAX)
    )
    return [_work(row) for row in conn.execute(query)]


def one_work(conn: Connection, key: str) -> Maintenance | None:
    """Return planned work by its id."""
    table = schema.maintenance
    row = conn.execute(sa.select(table).where(table.c.id == key)).one_or_none()
    return _work(row) if row else None


def known(conn: Connection) -> frozenset[str]:
    """Return the ids of all that was ever planned."""
    return frozenset(row.id for row in conn.execute(sa.select(schema.maintenance.c.id)))


def add(conn: Connection, work: Maintenance) -> None:
    """Write new planned work; a known id is a ``Conflict``."""
    if one_work(conn, work.id) is not None:
        raise Conflict(f"there is a maintenance {work.id!r} already")
    conn.execute(schema.maintenance.insert().values(id=work.id, **_columns(work)))


def change(conn: Connection, work: Maintenance) -> None:
    """Write known planned work as it is now."""
    table = schema.maintenance
    conn.execute(sa.update(table).where(table.c.id == work.id).values(_columns(work)))


def changed(old: Maintenance, plan: Plan, now_ms: int) -> Maintenance:
    """Return known work with another plan: other times or services are a move, other words are not."""
    before = old.plan
    moved = (before.start_ms, before.end_ms, before.services) != (plan.start_ms, plan.end_ms, plan.services)
    return replace(old, plan=plan, changed_ms=now_ms, sequence=old.sequence + moved)


def settle(conn: Connection, plans: Mapping[str, Plan], now_ms: int) -> int:
    """Bring the store up to the files: new work, changed work; what left them is called off; count them."""
    count = 0
    for key, plan in plans.items():
        old = one_work(conn, key)
        if old is None:
            add(conn, Maintenance(key, plan, now_ms, now_ms, source="file"))
            count += 1
        elif old.plan != plan and not old.over:
            change(conn, changed(old, plan, now_ms))
            count += 1
    table = schema.maintenance
    left = sa.select(table).where(
        table.c.source == "file", table.c.cancelled_ms == 0, table.c.completed_ms == 0
    )
    for row in conn.execute(left).all():
        if row.id not in plans:
            change(conn, replace(_work(row), cancelled_ms=now_ms, changed_ms=now_ms))
            count += 1
    return count


def called_off(conn: Connection, plans: Mapping[str, Plan], now_ms: int) -> list[str]:
    """Return the ids in these plans of what is still to come and was called off: it stays so."""
    table = schema.maintenance
    ended = conn.execute(sa.select(table.c.id).where(table.c.cancelled_ms > 0).order_by(table.c.id)).scalars()
    return [key for key in ended if key in plans and plans[key].end_ms > now_ms]


def tick(conn: Connection, house: House, now_ms: int, *, by_hand: bool = False) -> int:
    """Carry out what time means for planned work, and say what is to be said; return when to look again.

    What somebody does ``by_hand`` can be undone for a while before the first copy leaves.
    """
    table = schema.maintenance
    words: dict[str, list[tuple[int, Word, int]]] = {}
    for row in conn.execute(sa.select(schema.maintenance_word)):
        words.setdefault(row.maintenance, []).append((row.sequence, row.kind, row.at_ms))
    recent = sa.select(table).where(table.c.end_ms > now_ms - SHOWN_MS).order_by(table.c.start_ms)
    dues = []
    for row in conn.execute(recent).all():
        work = _work(row)
        later = at(work, now_ms)
        if later != work:
            work = later
            change(conn, work)
        _say(conn, house, work, words.get(work.id, []), now_ms, by_hand)
        dues.append(due_ms(work, now_ms))
    return min(filter(None, dues), default=0)


def _say(
    conn: Connection,
    house: House,
    work: Maintenance,
    said: Sequence[tuple[int, Word, int]],
    now_ms: int,
    by_hand: bool,
) -> None:
    """Say what is due of one piece of work, to whoever has not heard enough of it."""
    told_ms = min((at_ms for sequence, _, at_ms in said if sequence == work.sequence), default=0)
    word = next_word(work, [(sequence, kind) for sequence, kind, _ in said], told_ms, now_ms)
    if word is None:
        return
    values = {"maintenance": work.id, "sequence": work.sequence, "kind": word, "at_ms": now_ms}
    conn.execute(schema.maintenance_word.insert().values(values))
    about = f"maintenance {work.id}"
    if word in ("moved", "cancelled", "finished"):
        # What was true when it was written is not true any more.
        leaflet.withdraw(conn, about, f"it is {word}", now_ms)
    heard = leaflet.heard(conn, about)
    found = audience_of(house, work.plan).people
    first = word == "announced"
    people = [
        (number, person)
        for number, person in found
        # Nobody hears of a change to what he never heard of; he hears of the work itself.
        if has_room(word, heard.get(number, 0)) and (first or number in heard or word != "cancelled")
    ]
    if people:
        wait_ms = undo_ms(len(people)) if by_hand else 0
        leaflet.put(conn, _written_for(house, work, word, people, now_ms, wait_ms), dict(people))


def _written_for(
    house: House,
    work: Maintenance,
    word: Word,
    people: Sequence[tuple[int, Person]],
    now_ms: int,
    wait_ms: int,
) -> Leaflet:
    config = house.config
    url = f"{config.url}/maintenances/{work.id}"
    services = services_of(house, work.plan)
    facts = WorkFacts(word, config.name, url, work, services, now_ms, config.human, config.test_mode)
    variants = {
        (spoken(one.language or config.language, config.language), str(one.zone or config.zone))
        for _, one in people
    }
    return Leaflet(
        about=f"maintenance {work.id}",
        kind=word,
        services=work.plan.services,
        created_ms=now_ms,
        not_before_ms=now_ms + wait_ms,
        expires_ms=_expires_ms(work, word, now_ms),
        letters={(language, zone): compose_work(facts, language, Zone(zone)) for language, zone in variants},
    )


def _expires_ms(work: Maintenance, word: Word, now_ms: int) -> int:
    """Return until when a word is of use: what is ahead until it begins, what has begun until it ends."""
    if word in ("announced", "reminded_day", "reminded_hour", "moved"):
        return max(work.plan.start_ms, now_ms)
    return max(work.plan.end_ms, now_ms) if word == "started" else now_ms + DAY_MS


def services_of(house: House, plan: Plan) -> list[Service]:
    """Return the services of planned work; one that left the catalogue keeps its key as its name."""
    catalogue = house.catalogue.services
    return [catalogue.get(key) or Service(Slug(key), NOWHERE) for key in plan.services]


def under_way(conn: Connection) -> dict[str, Impact]:
    """Return the services that are worked on now, each with the worst that was declared."""
    table = schema.maintenance
    query = sa.select(table).where(table.c.begun_ms > 0, table.c.completed_ms == 0, table.c.cancelled_ms == 0)
    found: dict[str, Impact] = {}
    for row in conn.execute(query):
        plan = _work(row).plan
        for service in plan.services:
            known = found.get(service, plan.impact)
            found[service] = max(known, plan.impact, key=weight)
    return found


def unexplained(conn: Connection, decisions: Sequence[Decision]) -> list[Decision]:
    """Leave out the incidents that planned work explains; their alerts are looked at again when it ends.

    Only a beginning is ever left out: what is open already goes on, and ends, as if nobody worked on it.
    """
    if not any(isinstance(one, Opened | WasOver) for one in decisions):
        return list(decisions)
    works = under_way(conn)
    left: list[Decision] = []
    for one in decisions:
        if isinstance(one, Opened | WasOver) and hides(works, one.service, one.impact):
            rows = [{"alert": signal.key} for signal in one.signals if not signal.over]
            if rows:
                conn.execute(upsert(conn, schema.under_work).on_conflict_do_nothing(), rows)
        else:
            left.append(one)
    return left


def released(conn: Connection, house: House, now_ms: int) -> tuple[Change, ...]:
    """Return the alerts that still fire and that no planned work explains any more, as if just heard."""
    works = under_way(conn)

    def explained(signal: Signal) -> bool:
        touches = house.catalogue.touches(signal.labels)
        return any(one.impact is not None and hides(works, one.service, one.impact) for one in touches)

    grounds = waiting.digest((works, house.catalogue.marks))
    free = waiting.released(conn, schema.under_work, grounds, explained, now_ms)
    return tuple(Change(signal, fresh=True) for signal in free)


def _columns(work: Maintenance) -> dict[str, Any]:
    plan = work.plan
    spec = Spec(
        plan.services,
        plan.impact.value,
        dict(plan.title),
        dict(plan.noticed),
        dict(plan.todo),
        _written(plan.affects),
    )
    return {
        "source": work.source,
        "spec": msgspec.json.encode(spec).decode(),
        "start_ms": plan.start_ms,
        "end_ms": plan.end_ms,
        "announced_ms": work.announced_ms,
        "changed_ms": work.changed_ms,
        "sequence": work.sequence,
        "begun_ms": work.begun_ms,
        "done_ms": work.done_ms,
        "completed_ms": work.completed_ms,
        "cancelled_ms": work.cancelled_ms,
        "by": work.by,
    }


def _written(affects: Affects) -> str:
    """Return a scope as it is written; planned work has no labels in its scope."""
    if affects.everyone:
        return "everyone"
    terms = [*(["uses"] if affects.uses else []), *(f"{one.tag}={one.value}" for one in affects.where)]
    return " and ".join(terms)


def _work(row: Row[Any]) -> Maintenance:
    spec = msgspec.json.decode(row.spec, type=Spec)
    plan = Plan(
        spec.services,
        Impact(spec.impact),
        row.start_ms,
        row.end_ms,
        spec.title,
        spec.noticed,
        spec.todo,
        Affects.parse(spec.affects),
    )
    return Maintenance(
        id=row.id,
        plan=plan,
        announced_ms=row.announced_ms,
        changed_ms=row.changed_ms,
        sequence=row.sequence,
        begun_ms=row.begun_ms,
        done_ms=row.done_ms,
        completed_ms=row.completed_ms,
        cancelled_ms=row.cancelled_ms,
        source=row.source,
        by=row.by,
    )
