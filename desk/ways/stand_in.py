"""Who is told in the place of a customer's people, where none of them can be reached by any way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.audience.audience import Why
from desk.catalogue.customer import Customer, Person
from desk.delivery import outbox
from desk.delivery.outbox import Planned, Recipient
from desk.house import House
from desk.incident import records
from desk.incident.incident import Incident
from desk.notice import telling
from desk.notice.compose import Letter
from desk.notice.words import say, spoken
from desk.state import Impact
from desk.store.bulk import once, put
from desk.ways import ways
from desk.ways.ways import EMAIL

CUSTOMERS_AT_ONCE = 500
_OVER = ("failed", "expired")
_SENT = ("accepted", "unknown", "skipped")


@dataclass(frozen=True, slots=True)
class Tried:
    """How one way to somebody stands; ``returned`` says that mail to them came back, or that a
    hook takes nothing now, ``left`` that they want no messages."""

    person: int
    channel: str
    state: str
    returned: bool
    left: bool

    @property
    def lost(self) -> bool:
        """Whether nothing arrives this way any more."""
        # What a hook took it has, though it takes nothing more; mail that was taken may yet come back.
        sent = _SENT if self.channel == EMAIL else ("skipped",)
        return self.state in _OVER or (self.returned and self.state in sent)


def unreached(tried: Sequence[Tried]) -> bool:
    """Tell whether nobody of these can be reached; who wants no messages is not asked."""
    wanted = [one for one in tried if not one.left]
    return bool(wanted) and all(one.lost for one in wanted)


def tick(conn: Connection, house: House, now_ms: int) -> None:
    """Tell those who stand in for customers of whom nobody can be reached, once in each incident."""
    by_name = {str(one.customer): one for one in house.catalogue.customers if one.alternate}
    if not by_name:
        return
    for incident, customers in _unreached(conn, list(by_name)).items():
        open_ones = {one.id: one for one in records.open_incidents(conn).values()}
        if incident in open_ones:
            for customer in customers:
                _tell(conn, house, open_ones[incident], by_name[customer], now_ms)


def _unreached(conn: Connection, names: Sequence[str]) -> Mapping[int, list[str]]:
    """Return by incident the customers whom nobody of has, and who have nobody in their place yet."""
    found: dict[tuple[int, str], list[Tried]] = {}
    for start in range(0, len(names), CUSTOMERS_AT_ONCE):
        for row in conn.execute(_tries_of(names[start : start + CUSTOMERS_AT_ONCE])):
            one = Tried(row.person, row.channel or "", row.state or "", bool(row.returned), bool(row.left))
            found.setdefault((row.incident, row.customer), []).append(one)
    lost: dict[int, list[str]] = {}
    for (incident, customer), tried in found.items():
        if unreached(tried):
            lost.setdefault(incident, []).append(customer)
    return lost


def _tries_of(names: Sequence[str]) -> sa.Select[tuple[object, ...]]:
    a, i, p, log = schema.audience, schema.incident, schema.person, schema.delivery_log
    out, instead = schema.opt_out, schema.stand_in
    left = sa.exists().where(out.c.person == p.c.id, out.c.service.in_(("", i.c.service)))
    way = schema.way
    returned = ways.lost(log.c.channel, way) != ""
    done = sa.exists().where(instead.c.incident == i.c.id, instead.c.customer == p.c.customer)
    return (
        sa.select(a.c.incident, p.c.customer, p.c.id.label("person"), log.c.channel, log.c.state)
        .add_columns(returned.label("returned"), left.label("left"))
        .join(i, i.c.id == a.c.incident)
        .join(p, p.c.id == a.c.person)
        .outerjoin(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .outerjoin(way, sa.and_(way.c.person == log.c.person, way.c.channel == log.c.channel))
        .where(
            i.c.resolved_ms == 0, p.c.customer.in_(names), p.c.gone.is_(False), a.c.grade != "owner", ~done
        )
    )


def _tell(conn: Connection, house: House, incident: Incident, customer: Customer, now_ms: int) -> None:
    """Plan a first notice for whoever stands in, with the reason in its first line."""
    alternate = customer.alternate
    person = house.people.get(str(alternate.email)) if alternate else None
    if alternate is None or person is None:
        return
    name = str(customer.name or customer.customer)
    a, p = schema.audience, schema.person
    query = (
        sa.select(a.c.why, a.c.grade)
        .join(p, p.c.id == a.c.person)
        .where(a.c.incident == incident.id, p.c.customer == str(customer.customer))
        .order_by(a.c.person)
    )
    known = conn.execute(query.limit(1)).one()
    number = outbox.next_number(conn, incident.id)
    urgent = incident.impact is Impact.MAJOR
    planned = Planned(
        incident=incident.id,
        number=number,
        kind="first",
        reason="",
        urgent=urgent,
        generic=False,
        created_ms=now_ms,
        not_before_ms=now_ms,
        letters=dict(_letters(house, incident, alternate, name, known.why, now_ms)),
        event=telling.event_of(house, incident, "first", number, now_ms),
        next_way_ms=house.config.channels.next_way_after.ms if urgent else 0,
    )
    reason = f"None of the people of {name} can be reached."
    row = {"incident": incident.id, "customer": str(customer.customer), "person": person}
    put(conn, schema.stand_in, [{**row, "reason": reason, "at_ms": now_ms}], once)
    notice = outbox.plan(conn, planned, [person])
    outbox.address(conn, incident.id, notice, [Recipient(person, known.grade, known.why, reason)])


def _letters(
    house: House, incident: Incident, alternate: Person, name: str, why: str, now_ms: int
) -> Iterable[tuple[tuple[str, str, str], Letter]]:
    home = house.config
    tongue = spoken(alternate.language or home.language, home.language)
    facts = telling.facts_of(house, incident, "first", now_ms)
    variant = (tongue, str(alternate.zone or home.zone), Why.from_key(why).key())
    for key, letter in telling.letters_for(house, facts, [variant]).items():
        yield key, opened(letter, say(tongue, "stand_in", customer=name))


def opened(letter: Letter, sentence: str) -> Letter:
    """Return a letter that begins with one more sentence."""
    before, first, after = letter.html.partition("<p ")
    shown = f'<p style="margin:0 0 12px">{escape(sentence)}</p>\n'
    return replace(letter, text=f"{sentence}\n\n{letter.text}", html=f"{before}{shown}{first}{after}")
