"""What the ledger holds, as stories: a moment is read once for all who share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.audience.audience import Why
from desk.ledger.experienced import Crowd
from desk.ledger.family import IDS_PER_QUERY, Family, batches, family, roots
from desk.ledger.story import Answer, Level, Promise, Repair, Story, Voice, Word
from desk.state import Impact, IncidentState

STORIES_MAX: Final = 5_000
_L, _I, _A, _O, _P = schema.ledger, schema.incident, schema.audience, schema.opt_out, schema.person
_M = schema.incident_more
# What was merged into another incident is told there.
_OWN: Final = ~sa.exists().where(_M.c.incident == _I.c.id, _M.c.merged_into > 0)
_SHARED: Final = (
    "onset",
    "detected",
    "drill",
    "published",
    "level",
    "promised",
    "over",
    "eligible",
    "started",
    "healed",
    "verified",
)


@dataclass(slots=True)
class _Sheet:
    """The rows of one incident and of those merged into it, by what they are about."""

    shared: dict[int, list[Row[Any]]] = field(default_factory=dict)
    queued: dict[int, int] = field(default_factory=dict)
    taken: list[Row[Any]] = field(default_factory=list)
    voices: dict[int, Voice] = field(default_factory=dict)
    audience: int = 0
    opted_out: int = 0


def stories(conn: Connection, from_ms: int, to_ms: int, service: str = "") -> list[Story]:
    """Return the incidents that were open at any time in [from_ms, to_ms), the newest of them if many."""
    query = (
        sa.select(_I)
        .where(sa.or_(_I.c.resolved_ms == 0, _I.c.resolved_ms >= from_ms), _I.c.opened_ms < to_ms, _OWN)
        .order_by(_I.c.id.desc())
        .limit(STORIES_MAX)
    )
    if service:
        query = query.where(_I.c.service == service)
    return _told(conn, conn.execute(query).all())


def stories_of(conn: Connection, incidents: Iterable[int]) -> list[Story]:
    """Return these incidents; in the place of a merged one stands the one that it is part of."""
    rows: list[Row[Any]] = []
    for some in batches(roots(conn, incidents)):
        rows += conn.execute(sa.select(_I).where(_I.c.id.in_(some), _OWN)).all()
    return _told(conn, rows)


def crowds(conn: Connection, told: Sequence[Story]) -> list[Crowd]:
    """Return who was touched by which of these incidents, as numbers of people."""
    ids = {story.incident for story in told}
    if not ids:
        return []
    of = family(conn, ids)
    query = (
        sa.select(_A.c.person, _A.c.incident)
        .where(_A.c.grade != "owner", _A.c.incident.between(min(of), max(of)))
        .order_by(_A.c.person)
    )
    denied, came = _spoken(conn, of)
    touched = conn.execution_options(yield_per=10_000).execute(query)
    counts: dict[frozenset[int], int] = {}
    for person, rows in groupby(touched, key=lambda row: int(row.person)):
        mine = {of[row.incident] for row in rows if row.incident in of}
        mine = (mine | came.pop(person, set())) - denied.get(person, set())
        if mine:
            counts[frozenset(mine)] = counts.get(frozenset(mine), 0) + 1
    for others in came.values():
        counts[frozenset(others)] = counts.get(frozenset(others), 0) + 1
    return [Crowd(incidents, people) for incidents, people in counts.items()]


def entitled(conn: Connection) -> int:
    """Return how many people there are who use anything at all."""
    query = sa.select(sa.func.count()).select_from(_P).where(_P.c.gone.is_(False), _P.c.team == "")
    return int(conn.execute(query).scalar_one())


def claimed(conn: Connection, from_ms: int, to_ms: int, service: str = "") -> int:
    """Return how many reports in [from_ms, to_ms) came of whom nobody vouches for."""
    query = sa.select(sa.func.count()).where(
        _L.c.event == "claimed", _L.c.at_ms >= from_ms, _L.c.at_ms < to_ms
    )
    if service:
        query = query.where(_L.c.incident.in_(sa.select(_I.c.id).where(_I.c.service == service)))
    return int(conn.execute(query).scalar_one())


def _spoken(conn: Connection, of: Family) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Return, by person, the incidents that they denied, and those that they claimed."""
    denied: dict[int, set[int]] = {}
    came: dict[int, set[int]] = {}
    for story, voices in _heard(conn, of).items():
        for person, voice in voices.items():
            if person and voice.affected is not None:
                (came if voice.affected else denied).setdefault(person, set()).add(story)
    return denied, came


def _told(conn: Connection, rows: Sequence[Row[Any]]) -> list[Story]:
    found: list[Story] = []
    for start in range(0, len(rows), IDS_PER_QUERY):
        some = rows[start : start + IDS_PER_QUERY]
        sheets = _sheets(conn, some)
        found += [_story(row, sheets[row.id]) for row in some if _is_real(sheets[row.id])]
    return found


def _is_real(sheet: _Sheet) -> bool:
    """Tell whether there is anything in the ledger of it, and it was no drill."""
    return bool(sheet.shared) and all(row.event != "drill" for rows in sheet.shared.values() for row in rows)


def _sheets(conn: Connection, rows: Sequence[Row[Any]]) -> dict[int, _Sheet]:
    """Read what belongs to some incidents, in a few queries for all of them."""
    of = family(conn, (row.id for row in rows))
    sheets = {row.id: _Sheet() for row in rows}
    here = _L.c.incident.in_(of)
    for row in conn.execute(sa.select(_L).where(here, _L.c.event.in_(_SHARED)).order_by(_L.c.id)):
        sheets[of[row.incident]].shared.setdefault(row.incident, []).append(row)
    for row in conn.execute(sa.select(_L).where(here, _L.c.event == "queued")):
        queued = sheets[of[row.incident]].queued
        queued[row.notice] = min(row.at_ms, queued.get(row.notice, row.at_ms))
    _count(conn, sheets, of)
    unwilling = _unwilling(conn, of)
    for incident, people in unwilling.items():
        sheets[incident].opted_out = len(people)
    for incident, voices in _heard(conn, of).items():
        for person, voice in voices.items():
            sheets[incident].voices[person] = replace(voice, opted_out=person in unwilling.get(incident, ()))
    return sheets


def _count(conn: Connection, sheets: Mapping[int, _Sheet], of: Family) -> None:
    """Count who was told and whom the evidence named; whoever is in several parts of one counts once."""
    sizes = Counter(of.values())
    alone = [one for one in sheets if sizes[one] == 1]
    taken = (
        sa.select(_L.c.incident, _L.c.notice, _L.c.at_ms, sa.func.count().label("people"))
        .where(_L.c.incident.in_(alone), _L.c.event == "accepted")
        .group_by(_L.c.incident, _L.c.notice, _L.c.at_ms)
    )
    for row in conn.execute(taken):
        sheets[row.incident].taken.append(row)
    invited = sa.select(_A.c.incident, sa.func.count().label("people")).where(
        _A.c.incident.in_(alone), _A.c.grade != "owner"
    )
    for row in conn.execute(invited.group_by(_A.c.incident)):
        sheets[row.incident].audience = row.people
    for root in sheets.keys() - set(alone):
        parts = [one for one, whole in of.items() if whole == root]
        first = (
            sa.select(sa.func.min(_L.c.notice).label("notice"), sa.func.min(_L.c.at_ms).label("at_ms"))
            .where(_L.c.incident.in_(parts), _L.c.event == "accepted")
            .group_by(_L.c.person)
            .subquery()
        )
        told = sa.select(first.c.notice, first.c.at_ms, sa.func.count().label("people"))
        sheets[root].taken += conn.execute(told.group_by(first.c.notice, first.c.at_ms)).all()
        everybody = sa.select(sa.func.count(sa.distinct(_A.c.person))).where(
            _A.c.incident.in_(parts), _A.c.grade != "owner"
        )
        sheets[root].audience = int(conn.execute(everybody).scalar_one())


def _unwilling(conn: Connection, of: Family) -> dict[int, set[int]]:
    """Return who of the audiences wanted no word before the incident was over, and had none of any part.

    Whoever is told of another service, which needs the failing one, can have left that one.
    """
    word = _L.alias()
    had = sa.exists().where(
        word.c.incident == _A.c.incident, word.c.event == "accepted", word.c.person == _A.c.person
    )
    query = (
        sa.select(_A.c.incident, _A.c.person, _A.c.why, _I.c.service.label("own"), _O.c.service)
        .join(_I, _I.c.id == _A.c.incident)
        .join(_O, _O.c.person == _A.c.person)
        .where(_A.c.incident.in_(of), _A.c.grade != "owner", ~had)
        .where(sa.or_(_I.c.resolved_ms == 0, _O.c.at_ms <= _I.c.resolved_ms))
    )
    found: dict[int, set[int]] = {}
    for row in conn.execute(query):
        if row.service in ("", row.own, via_of(row.why)):
            found.setdefault(of[row.incident], set()).add(row.person)
    for root, people in found.items() if len(set(of.values())) < len(of) else ():
        parts = [one for one, whole in of.items() if whole == root]
        told = sa.select(_L.c.person).where(
            _L.c.incident.in_(parts), _L.c.event == "accepted", _L.c.person.in_(sorted(people))
        )
        people.difference_update(conn.execute(told).scalars())
    return {root: people for root, people in found.items() if people}


def _heard(conn: Connection, of: Family) -> dict[int, dict[int, Voice]]:
    """Return, by incident and person, who said something; whoever gave no name is a person below 0."""
    found: dict[int, dict[int, Voice]] = {}
    for some in batches(of):
        said = sa.select(_L).where(_L.c.incident.in_(some), _L.c.event.in_(("reported", "answered")))
        for row in conn.execute(said.order_by(_L.c.id)):
            voices = found.setdefault(of[row.incident], {})
            person = row.person or -row.id
            known = voices.get(person, Voice(inside=False, named=person > 0))
            if row.event == "answered":
                voices[person] = replace(known, answer=Answer(row.note))
            else:
                first_ms = min(row.at_ms, known.reported_ms or row.at_ms)
                voices[person] = replace(known, reported_ms=first_ms)
    for some in batches({person for voices in found.values() for person in voices if person > 0}):
        _place(conn, found, of, some)
    return found


def _place(
    conn: Connection, found: Mapping[int, dict[int, Voice]], of: Family, people: Sequence[int]
) -> None:
    """Add to who spoke whether they were told, and whether the audience held them."""
    inside = sa.select(_A.c.incident, _A.c.person).where(_A.c.person.in_(people), _A.c.grade != "owner")
    for row in conn.execute(inside):
        voices = found.get(of.get(row.incident, 0), {})
        if row.person in voices:
            voices[row.person] = replace(voices[row.person], inside=True)
    told = sa.select(_L.c.incident, _L.c.person, _L.c.at_ms).where(
        _L.c.person.in_(people), _L.c.event == "accepted"
    )
    for one in conn.execute(told):
        voices = found.get(of.get(one.incident, 0), {})
        if one.person in voices:
            known = voices[one.person]
            voices[one.person] = replace(known, told_ms=min(one.at_ms, known.told_ms or one.at_ms))


def _story(row: Row[Any], sheet: _Sheet) -> Story:
    every = [one for rows in sheet.shared.values() for one in rows]
    # How it went on, and ended, is told by the incident itself; where it came from, by all of its parts.
    last = {one.event: one for one in sheet.shared.get(row.id, ())}
    begun = {event: [one.at_ms for one in every if one.event == event] for event in ("onset", "detected")}

    def at_ms(event: str) -> int:
        return int(last[event].at_ms) if event in last else 0

    levels = tuple(_levels(sheet.shared, row.id))
    return Story(
        incident=row.id,
        service=row.service,
        impact=max((level.impact for level in levels), key=_WEIGHT.index),
        onset_ms=min(begun["onset"], default=0),
        detected_ms=min(begun["detected"], default=0),
        closed_ms=row.resolved_ms,
        # What was opened again is not over, whatever was said before.
        over_ms=at_ms("over") if row.resolved_ms else 0,
        retracted=row.state == IncidentState.RETRACTED.value,
        audience=sheet.audience,
        opted_out=sheet.opted_out,
        words=tuple(
            Word(sheet.queued.get(one.notice, one.at_ms), one.at_ms, one.people) for one in sheet.taken
        ),
        voices=tuple(sheet.voices.values()),
        promises=tuple(promise for rows in sheet.shared.values() for promise in _promises(rows)),
        levels=levels,
        repair=Repair(
            any(one.event == "eligible" for one in every),
            any(one.event == "started" for one in every),
            at_ms("healed"),
            at_ms("verified"),
        ),
    )


def _levels(shared: Mapping[int, Sequence[Row[Any]]], root: int) -> Iterator[Level]:
    """Yield how heavy it was from when on: the heaviest of its parts, each until it was merged."""
    turns: list[tuple[int, int, Impact | None]] = []
    for incident, rows in shared.items():
        levels = [(one.at_ms, incident, Impact(one.note)) for one in rows if one.event == "level"]
        turns += levels
        ends = [one.at_ms for one in rows if one.event == "over"]
        if incident != root and ends:
            turns.append((max(ends[-1], levels[-1][0]), incident, None))
    now: dict[int, Impact] = {}
    for at_ms, incident, impact in sorted(turns, key=lambda turn: turn[0]):
        if impact is None:
            now.pop(incident, None)
        else:
            now[incident] = impact
        if now:
            yield Level(at_ms, max(now.values(), key=_WEIGHT.index))


def via_of(why: str) -> str:
    """Return the service by way of which somebody is touched, or nothing."""
    return Why.from_key(why).via if why else ""


_WEIGHT: Final = (Impact.UNKNOWN, Impact.MINOR, Impact.DEGRADED, Impact.PARTIAL, Impact.MAJOR)


def _promises(rows: Sequence[Row[Any]]) -> Iterator[Promise]:
    """Yield each promise with the next word on the page after it."""
    for number, row in enumerate(rows):
        if row.event == "promised":
            words = (later.at_ms for later in rows[number + 1 :] if later.event == "published")
            yield Promise(row.at_ms, next(words, 0))
