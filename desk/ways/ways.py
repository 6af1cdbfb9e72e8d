"""By which ways somebody is told, in the order that they want; kept in the store beside the people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Person, Team
from desk.store.bulk import put

EMAIL: Final = "email"
BESIDE_MAIL: Final = ("sms", "webhook")
"""The channels besides mail by which people at customers are told."""
TOLD: Final = ("accepted", "unknown", "sending")
"""The states of a try after which somebody has a message, or may have it."""
PEOPLE_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Way:
    """One way to somebody: a channel, and the address there."""

    channel: str
    address: str


def ways_of(person: Person) -> tuple[Way, ...]:
    """Return the ways of somebody at a customer, the first one first."""
    addresses = {EMAIL: person.email, "sms": person.addresses.sms, "webhook": person.addresses.webhook}
    return tuple(Way(channel, str(addresses[channel])) for channel in person.via)


def ways_of_team(team: Team) -> tuple[Way, ...]:
    """Return the ways of a team; that to a chat is the chat's name in desk.yaml, never its address."""
    addresses = {EMAIL: team.email, "chat": team.chat}
    return tuple(Way(channel, str(addresses[channel])) for channel in team.via)


def beside_mail(catalogue: Catalogue) -> bool:
    """Tell whether anybody is told otherwise than by mail."""
    people = (person.via for _, person in catalogue.everybody())
    teams = (team.via for team in catalogue.teams.values())
    return any(set(via) - {EMAIL} for each in (people, teams) for via in each)


def settle(conn: Connection, catalogue: Catalogue, people: Mapping[str, int]) -> None:
    """Bring the table up to the catalogue; who is told by mail alone has no row in it."""
    named = [(str(person.email), ways_of(person)) for _, person in catalogue.everybody()]
    named += [(f"{team.team}/{team.email}", ways_of_team(team)) for team in catalogue.teams.values()]
    rows = (
        {"person": people[name], "channel": way.channel, "rung": rung, "address": way.address}
        for name, ways in named
        if name in people and not _is_ordinary(ways)
        for rung, way in enumerate(ways)
    )
    conn.execute(sa.delete(schema.way))
    put(conn, schema.way, rows)


def _is_ordinary(ways: Sequence[Way]) -> bool:
    return tuple(way.channel for way in ways) == (EMAIL,)


def of_people(conn: Connection, people: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return the channels, in their order, of those of these people who have others than mail alone."""
    table = schema.way
    found: dict[int, list[str]] = {}
    numbers = list(dict.fromkeys(people))
    for start in range(0, len(numbers), PEOPLE_AT_ONCE):
        some = numbers[start : start + PEOPLE_AT_ONCE]
        near = max(some) - min(some) < PEOPLE_AT_ONCE * 10
        # People of a chunk stand close together, and few of them have other ways than mail.
        mine = table.c.person.between(min(some), max(some)) if near else table.c.person.in_(some)
        query = sa.select(table.c.person, table.c.channel).where(mine)
        for row in conn.execute(query.order_by(table.c.person, table.c.rung)):
            found.setdefault(row.person, []).append(row.channel)
    return {person: tuple(channels) for person, channels in found.items()}


def all_of(conn: Connection, person: int, email: str) -> tuple[Way, ...]:
    """Return the ways of one person, that by mail where there is no other."""
    table = schema.way
    query = sa.select(table.c.channel, table.c.address).where(table.c.person == person).order_by(table.c.rung)
    return tuple(Way(row.channel, row.address) for row in conn.execute(query)) or (Way(EMAIL, email),)


def sound(ways: Sequence[Way], begin: str, lost: Collection[str], silent: Collection[str] = ()) -> Way | None:
    """Return the first way, from the channel ``begin`` on, that leads somewhere; None where none does.

    ``lost`` are the channels on which this person cannot be reached. A ``silent`` channel is taken only
    where no other is left.
    """
    channels = [way.channel for way in ways]
    left = [
        way for way in ways[channels.index(begin) if begin in channels else 0 :] if way.channel not in lost
    ]
    return next((way for way in left if way.channel not in silent), left[0] if left else None)


def by_first(conn: Connection, people: Sequence[int]) -> dict[str, list[int]]:
    """Return people by the channel on which they are told first."""
    table = schema.way
    if not people:
        return {}
    known = sa.select(table.c.person, table.c.channel, table.c.rung)
    within = known.where(table.c.person.between(min(people), max(people)))
    # Whoever has a way other than mail has a first one.
    first = {row.person: row.channel for row in conn.execute(within.where(table.c.rung == 0))}
    found: dict[str, list[int]] = {}
    for person in people:
        found.setdefault(first.get(person, EMAIL), []).append(person)
    return found


def leads(channel: str, low: sa.ColumnElement[int], high: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Tell whether anybody between two ids may be told on a channel besides mail."""
    table = schema.way
    return sa.exists().where(table.c.person.between(low, high), table.c.channel == channel)


def address(channel: sa.ColumnElement[str], way: sa.Table) -> sa.ColumnElement[str]:
    """Return where somebody is reached on a channel, empty where they are not; ``way`` is joined."""
    mail = sa.case((channel == EMAIL, schema.person.c.email), else_="")
    return sa.func.coalesce(way.c.address, mail)


def lost(channel: sa.ColumnElement[str], way: sa.Table) -> sa.ColumnElement[str]:
    """Return why nothing is sent to somebody on a channel any more, empty where it is; ``way`` is joined.

    What was said of an address holds for it alone: another one in the catalogue is a new beginning.
    """
    mail, other = schema.suppressed, schema.lost_way
    back = sa.select(mail.c.because).where(mail.c.person == schema.person.c.id).scalar_subquery()
    same = (
        other.c.person == way.c.person,
        other.c.channel == way.c.channel,
        other.c.address == way.c.address,
    )
    gone = sa.select(other.c.because).where(*same).scalar_subquery()
    return sa.func.coalesce(sa.case((channel == EMAIL, back), else_=gone), "")


def comes_first(channel: sa.ColumnElement[str], way: sa.Table) -> sa.ColumnElement[bool]:
    """Tell whether somebody is told first on this channel; ``way`` is joined on it."""
    other = schema.way.alias()
    elsewhere = sa.exists().where(other.c.person == schema.person.c.id)
    return sa.or_(way.c.rung == 0, sa.and_(channel == EMAIL, way.c.rung.is_(None), ~elsewhere))
