"""Letters that belong to no incident: planned work, summaries, words to a team; one row for each reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.catalogue.person import Quiet, Zone
from desk.delivery import suppression
from desk.delivery.envelope import Copy, Stationery, fold
from desk.delivery.event import Work, of_letter, of_work
from desk.delivery.tries import RETRY_FIRST_MS, RETRY_MAX_MS, UNKNOWN_TRIES_MAX
from desk.delivery.turns import Found
from desk.notice.compose import Letter
from desk.notice.words import spoken
from desk.ways import canary, ways
from desk.ways.ladder import next_rung
from desk.ways.ways import EMAIL, Way
from model.plugin import Event, Message

PASSED_OVER_MAX: Final = 500
ROWS_AT_ONCE: Final = 1_000

_WAITING: Final = ("queued", "retrying", "unknown", "quiet")
_COUNTED: Final = (*_WAITING, "accepted", "sending", "doubtful")


@dataclass(frozen=True, slots=True)
class Leaflet:
    """A letter to some people: ``about`` names what it is about, ``services`` whoever left them is spared."""

    about: str
    kind: str
    services: tuple[str, ...]
    created_ms: int
    not_before_ms: int
    expires_ms: int
    letters: Mapping[tuple[str, str], Letter]


@dataclass(frozen=True, slots=True)
class Folded:
    """One person's copy, to hand over now; the try is written down already."""

    leaflet: int
    person: int
    tries: int
    message: Message


def put(conn: Connection, leaflet: Leaflet, people: Iterable[int]) -> int:
    """Store a leaflet for these people; return its id."""
    key = conn.execute(
        schema.leaflet.insert().values(
            about=leaflet.about,
            kind=leaflet.kind,
            services=msgspec.json.encode(leaflet.services).decode(),
            created_ms=leaflet.created_ms,
            expires_ms=leaflet.expires_ms,
        )
    ).inserted_primary_key
    assert key is not None, "an insert of one row names its key"
    number = int(key[0])
    letters = [
        {"leaflet": number, "language": language, "zone": zone}
        | {"subject": letter.subject, "text": letter.text, "html": letter.html, "calendar": letter.calendar}
        for (language, zone), letter in leaflet.letters.items()
    ]
    conn.execute(schema.leaflet_letter.insert(), letters)
    rows = [
        {"leaflet": number, "person": person, "state": "queued", "due_ms": leaflet.not_before_ms}
        for person in people
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        conn.execute(schema.leaflet_log.insert(), rows[start : start + ROWS_AT_ONCE])
    return number


def withdraw(conn: Connection, about: str, reason: str, now_ms: int) -> int:
    """Take back what nobody has yet of the leaflets about something; return how many copies that were."""
    log, leaflet = schema.leaflet_log, schema.leaflet
    mine = sa.select(leaflet.c.id).where(leaflet.c.about == about)
    waiting = (log.c.leaflet.in_(mine), log.c.state.in_(("queued", "retrying", "quiet")))
    values = {"state": "withdrawn", "reply": reason, "at_ms": now_ms}
    return int(conn.execute(sa.update(log).where(*waiting).values(values)).rowcount)


def heard(conn: Connection, about: str) -> dict[int, int]:
    """Return how many leaflets about something each person has, or may have, or will have."""
    log, leaflet = schema.leaflet_log, schema.leaflet
    query = (
        sa.select(log.c.person, sa.func.count())
        .join(leaflet, leaflet.c.id == log.c.leaflet)
        .where(leaflet.c.about == about, log.c.state.in_(_COUNTED))
        .group_by(log.c.person)
    )
    return {int(person): int(count) for person, count in conn.execute(query)}


def reached(
    conn: Connection, about: str, kind: str, between: tuple[int, int] | None = None
) -> dict[int, int]:
    """Return who has, or may have, a leaflet of a kind about something, each with its date.

    Of all people, or of those between two ids.
    """
    log, leaflet = schema.leaflet_log, schema.leaflet
    query = (
        sa.select(log.c.person, sa.func.min(leaflet.c.created_ms))
        .join(leaflet, leaflet.c.id == log.c.leaflet)
        .where(leaflet.c.about == about, leaflet.c.kind == kind)
        .where(log.c.state.in_(("accepted", "sending", "unknown", "doubtful")))
        .group_by(log.c.person)
    )
    if between:
        query = query.where(log.c.person.between(*between))
    return {int(person): int(at_ms) for person, at_ms in conn.execute(query)}


def many(conn: Connection, kind: str, since_ms: int, count: int) -> set[int]:
    """Return who has, or will have, so many leaflets of a kind since a moment."""
    log, leaflet = schema.leaflet_log, schema.leaflet
    query = (
        sa.select(log.c.person)
        .join(leaflet, leaflet.c.id == log.c.leaflet)
        .where(leaflet.c.kind == kind, leaflet.c.created_ms > since_ms, log.c.state.in_(_COUNTED))
        .group_by(log.c.person)
        .having(sa.func.count() >= count)
    )
    return {int(person) for person in conn.execute(query).scalars()}


def is_known(conn: Connection, about: str) -> bool:
    """Tell whether there is a leaflet about something."""
    return (
        conn.execute(sa.select(schema.leaflet.c.id).where(schema.leaflet.c.about == about)).first()
        is not None
    )


_LOG, _L, _P = schema.leaflet_log, schema.leaflet, schema.person
_NEXT: Final = (
    sa.select(
        _L.c.id,
        _L.c.about,
        _L.c.services,
        _L.c.created_ms,
        _L.c.expires_ms,
        _LOG.c.person,
        _LOG.c.state,
        _LOG.c.tries,
        _LOG.c.channel,
        _L.c.kind,
        _P.c.email,
        _P.c.language,
        _P.c.zone,
        _P.c.quiet,
        _P.c.team,
        _P.c.gone,
    )
    .join(_L, _L.c.id == _LOG.c.leaflet)
    .join(_P, _P.c.id == _LOG.c.person)
    .where(_LOG.c.state.in_(_WAITING), _LOG.c.due_ms <= sa.bindparam("now"))
    .order_by(_LOG.c.due_ms, _LOG.c.leaflet, _LOG.c.person)
    .limit(1)
)


def take(conn: Connection, stationery: Stationery, now_ms: int) -> Folded | None:
    """Write down the next try and return its message; whoever is not to have it now is passed over."""
    for _ in range(PASSED_OVER_MAX):
        row: Found | None = conn.execute(_NEXT, {"now": now_ms}).one_or_none()
        if row is None:
            return None
        values = _not_now(conn, row, now_ms)
        letter = None if values else _letter(conn, row)
        way = _way(conn, row)
        if way is None and values is None:
            values = _returned(conn, row)
        if letter is None or way is None:
            _change(conn, row, values or {"state": "failed", "reply": "there is no letter"}, now_ms)
            continue
        begun = {"state": "sending", "tries": row.tries + 1, "channel": way.channel, "reply": ""}
        _change(conn, row, begun, now_ms)
        services = msgspec.json.decode(row.services, type=tuple[str, ...])
        content = Letter(letter.subject, letter.text, letter.html, letter.calendar)
        copy = Copy(
            leaflet=row.id,
            person=row.person,
            to=way.address,
            service=services[0] if services and not row.team else "",
            language=letter.language,
            written_ms=row.created_ms,
            channel=way.channel,
            event=_event(conn, row, services, stationery.url) if way.channel != EMAIL else None,
        )
        message = fold(stationery, content, copy)
        return Folded(row.id, row.person, row.tries + 1, message)
    return None


def _not_now(conn: Connection, row: Found, now_ms: int) -> dict[str, Any] | None:
    """Return what to write down where this person does not get it now, or None."""
    if row.gone:
        return {"state": "skipped", "reply": "the person left the catalogue"}
    if now_ms > row.expires_ms:
        return {"state": "expired", "reply": "it is too old to be of use"}
    if not row.team and _left(conn, row.person, msgspec.json.decode(row.services, type=list[str])):
        return {"state": "skipped", "reply": "the person wants no messages about this service"}
    if row.quiet and not row.team and row.state == "queued":
        until_ms = Quiet.parse(row.quiet).end_ms(now_ms, Zone(row.zone))
        if until_ms is not None:
            return {"state": "quiet", "reply": f"quiet hours {row.quiet}", "due_ms": until_ms}
    return None


def _way(conn: Connection, row: Found) -> Way | None:
    """Return by which way this person gets it, None where none leads anywhere."""
    lost = {EMAIL} if suppression.suppressed(conn, [row.person]) else set()
    lost |= suppression.lost_ways(conn, row.person).keys()
    found = ways.all_of(conn, row.person, row.email)
    return ways.sound(found, row.channel, lost, canary.silent_channels(conn))


def _returned(conn: Connection, row: Found) -> dict[str, Any]:
    because = suppression.suppressed(conn, [row.person]).get(row.person)
    if because is None:
        ended = [f"{channel}: {said}" for channel, said in suppression.lost_ways(conn, row.person).items()]
        return {
            "state": "skipped",
            "reply": f"no way is left; {'; '.join(ended)}" if ended else "no way is left",
        }
    return {"state": "skipped", "reply": f"mail to this address came back: {because}"}


def _event(conn: Connection, row: Found, services: tuple[str, ...], url: str) -> Event:
    """Return what a leaflet says to programs."""
    work, name = schema.maintenance, row.about.partition(" ")[2]
    if row.about.startswith("maintenance "):
        found = conn.execute(sa.select(work.c.start_ms, work.c.end_ms).where(work.c.id == name)).one_or_none()
        if found is not None:
            page = f"{url}/maintenance/{name}"
            return of_work(Work(row.kind, name, services, found.start_ms, found.end_ms, page))
    return of_letter(row.kind, services, f"{url}/")


def _left(conn: Connection, person: int, services: Sequence[str]) -> bool:
    """Tell whether a person wants to hear nothing, or of none of these services."""
    table = schema.opt_out
    query = sa.select(table.c.service).where(table.c.person == person, table.c.service.in_(("", *services)))
    left = {row.service for row in conn.execute(query)}
    return "" in left or bool(services and left >= set(services))


def _letter(conn: Connection, row: Found) -> Found | None:
    """Return the letter in this person's language and zone, or the nearest."""
    table = schema.leaflet_letter
    query = (
        sa.select(table)
        .where(table.c.leaflet == row.id)
        .order_by((table.c.language == spoken(row.language)).desc(), (table.c.zone == row.zone).desc())
        .limit(1)
    )
    return conn.execute(query).one_or_none()


def record(conn: Connection, folded: Folded, state: str, reply: str, at_ms: int, after_ms: int = 0) -> None:
    """Write down what became of a copy, and when it is to be tried again: after ``after_ms`` at least."""
    if state == "unknown" and folded.tries >= UNKNOWN_TRIES_MAX:
        state = "doubtful"
    wait_ms = max(after_ms, min(RETRY_MAX_MS, RETRY_FIRST_MS << min(folded.tries - 1, 20)))
    if state == "failed" and (following := _next_way(conn, folded)):
        values = {"state": "retrying", "channel": following, "reply": reply, "at_ms": at_ms, "due_ms": at_ms}
        mine = (_LOG.c.leaflet == folded.leaflet, _LOG.c.person == folded.person)
        conn.execute(sa.update(_LOG).where(*mine).values(values))
        return
    values = {
        "state": state,
        "reply": reply,
        "at_ms": at_ms,
        "due_ms": at_ms + wait_ms,
        "accepted_ms": at_ms if state == "accepted" else 0,
    }
    mine = (_LOG.c.leaflet == folded.leaflet, _LOG.c.person == folded.person)
    conn.execute(sa.update(_LOG).where(*mine).values(values))


def _next_way(conn: Connection, folded: Folded) -> str:
    """Return the channel that follows the one that failed, empty where none does."""
    channels = ways.of_people(conn, [folded.person]).get(folded.person, ())
    rung = next_rung(channels, folded.message.channel, "failed", 0, 0)
    return rung.channel if rung else ""


def recover(conn: Connection, now_ms: int, held_ms: int = 0) -> None:
    """Try again what a dead worker had in flight; beside other workers, what is older than ``held_ms``."""
    values = {"state": "unknown", "due_ms": now_ms, "reply": "the desk ended before the answer came"}
    lost = (_LOG.c.state == "sending", _LOG.c.at_ms <= now_ms - held_ms)
    conn.execute(sa.update(_LOG).where(*lost).values(values))


def next_ms(conn: Connection) -> int:
    """Return when the next copy is due, 0 for never."""
    query = sa.select(sa.func.min(_LOG.c.due_ms)).where(_LOG.c.state.in_(_WAITING))
    return int(conn.execute(query).scalar() or 0)


def _change(conn: Connection, row: Found, values: Mapping[str, Any], now_ms: int) -> None:
    mine = (_LOG.c.leaflet == row.id, _LOG.c.person == row.person)
    conn.execute(sa.update(_LOG).where(*mine).values({**values, "at_ms": now_ms}))
