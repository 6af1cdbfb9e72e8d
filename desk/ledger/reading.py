"""What the ledger holds, as stories: a moment is read once for all who share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from desk import schema
from desk.ledger.experienced import Crowd
from desk.ledger.story import Answer, Level, Promise, Repair, Story, Voice, Word
from desk.view import Impact, IncidentState

STORIES_MAX: Final = 5_000
IDS_PER_QUERY: Final = 500
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
    """The rows of one incident, by what they are about."""

    shared: list[Row[Any]] = field(default_factory=list)
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
    """Return these incidents."""
    rows: list[Row[Any]] = []
    for some in _batches(incidents):
        rows += conn.execute(sa.select(_I).where(_I.c.id.in_(some), _OWN)).all()
    return _told(conn, rows)


def crowds(conn: Connection, told: Sequence[Story]) -> list[Crowd]:
    """Return who was touched by which of these incidents, as numbers of people."""
    ids = {story.incident for story in told}
    if not ids:
        return []
    query = (
        sa.select(_A.c.person, _A.c.incident)
        .where(_A.c.grade != "owner", _A.c.incident.between(min(ids), max(ids)))
        .order_by(_A.c.person)
    )
    denied, came = _spoken(conn, ids)
    touched = conn.execution_options(yield_per=10_000).execute(query)
    counts: dict[frozenset[int], int] = {}
    for person, rows in groupby(touched, key=lambda row: int(row.person)):
        mine = {row.incident for row in rows} & ids
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


def _spoken(conn: Connection, ids: set[int]) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Return, by person, the incidents that they denied, and those that they claimed."""
    denied: dict[int, set[int]] = {}
    came: dict[int, set[int]] = {}
    for story, voices in _heard(conn, ids).items():
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
    return bool(sheet.shared) and all(row.event != "drill" for row in sheet.shared)


def _sheets(conn: Connection, rows: Sequence[Row[Any]]) -> dict[int, _Sheet]:
    """Read what belongs to some incidents, in a few queries for all of them."""
    ids = [row.id for row in rows]
    sheets = {one: _Sheet() for one in ids}
    here = _L.c.incident.in_(ids)
    for row in conn.execute(sa.select(_L).where(here, _L.c.event.in_(_SHARED)).order_by(_L.c.id)):
        sheets[row.incident].shared.append(row)
    for row in conn.execute(sa.select(_L).where(here, _L.c.event == "queued")):
        queued = sheets[row.incident].queued
        queued[row.notice] = min(row.at_ms, queued.get(row.notice, row.at_ms))
    taken = (
        sa.select(_L.c.incident, _L.c.notice, _L.c.at_ms, sa.func.count().label("people"))
        .where(here, _L.c.event == "accepted")
        .group_by(_L.c.incident, _L.c.notice, _L.c.at_ms)
    )
    for row in conn.execute(taken):
        sheets[row.incident].taken.append(row)
    mine = _A.c.incident.in_(ids)
    invited = sa.select(_A.c.incident, sa.func.count().label("people")).where(mine, _A.c.grade != "owner")
    for row in conn.execute(invited.group_by(_A.c.incident)):
        sheets[row.incident].audience = row.people
    unwilling = _unwilling(conn, ids)
    for incident, people in unwilling.items():
        sheets[incident].opted_out = len(people)
    for incident, voices in _heard(conn, ids).items():
        for person, voice in voices.items():
            sheets[incident].voices[person] = replace(voice, opted_out=person in unwilling.get(incident, ()))
    return sheets


def _unwilling(conn: Connection, ids: Sequence[int]) -> dict[int, set[int]]:
    """Return who of the audiences wanted no word before the incident was over, and had none."""
    word = _L.alias()
    had = sa.exists().where(
        word.c.incident == _A.c.incident, word.c.event == "accepted", word.c.person == _A.c.person
    )
    query = (
        sa.select(_A.c.incident, _A.c.person)
        .distinct()
        .join(_I, _I.c.id == _A.c.incident)
        .join(_O, sa.and_(_O.c.person == _A.c.person, _O.c.service.in_(("", _I.c.service))))
        .where(_A.c.incident.in_(ids), _A.c.grade != "owner", ~had)
        .where(sa.or_(_I.c.resolved_ms == 0, _O.c.at_ms <= _I.c.resolved_ms))
    )
    found: dict[int, set[int]] = {}
    for row in conn.execute(query):
        found.setdefault(row.incident, set()).add(row.person)
    return found


def _heard(conn: Connection, ids: Iterable[int]) -> dict[int, dict[int, Voice]]:
    """Return, by incident and person, who said something; whoever gave no name is a person below 0."""
    found: dict[int, dict[int, Voice]] = {}
    for some in _batches(ids):
        said = sa.select(_L).where(_L.c.incident.in_(some), _L.c.event.in_(("reported", "answered")))
        for row in conn.execute(said.order_by(_L.c.id)):
            voices = found.setdefault(row.incident, {})
            person = row.person or -row.id
            known = voices.get(person, Voice(inside=False, named=person > 0))
            if row.event == "answered":
                voices[person] = replace(known, answer=Answer(row.note))
            else:
                first_ms = min(row.at_ms, known.reported_ms or row.at_ms)
                voices[person] = replace(known, reported_ms=first_ms)
        _place(conn, found, some)
    return found


def _place(conn: Connection, found: dict[int, dict[int, Voice]], ids: Sequence[int]) -> None:
    """Add to who spoke whether they were told, and whether the audience held them."""
    spoke = sa.select(_L.c.incident, _L.c.person).where(
        _L.c.incident.in_(ids), _L.c.event.in_(("reported", "answered")), _L.c.person > 0
    )
    pairs = spoke.distinct().subquery()
    both = sa.and_(pairs.c.incident == _A.c.incident, pairs.c.person == _A.c.person)
    inside = sa.select(_A.c.incident, _A.c.person).join(pairs, both).where(_A.c.grade != "owner")
    for row in conn.execute(inside):
        voices = found[row.incident]
        voices[row.person] = replace(voices[row.person], inside=True)
    word = sa.and_(pairs.c.incident == _L.c.incident, pairs.c.person == _L.c.person)
    told = sa.select(_L.c.incident, _L.c.person, _L.c.at_ms).join(pairs, word).where(_L.c.event == "accepted")
    for one in conn.execute(told):
        voices = found[one.incident]
        known = voices[one.person]
        voices[one.person] = replace(known, told_ms=min(one.at_ms, known.told_ms or one.at_ms))


def _story(row: Row[Any], sheet: _Sheet) -> Story:
    last = {one.event: one for one in sheet.shared}
    retracted = row.state == IncidentState.RETRACTED.value

    def at_ms(event: str) -> int:
        return int(last[event].at_ms) if event in last else 0

    levels = tuple(Level(one.at_ms, Impact(one.note)) for one in sheet.shared if one.event == "level")
    return Story(
        incident=row.id,
        service=row.service,
        impact=max((level.impact for level in levels), key=_WEIGHT.index),
        onset_ms=at_ms("onset"),
        detected_ms=at_ms("detected"),
        closed_ms=row.resolved_ms,
        # What was opened again is not over, whatever was said before.
        over_ms=at_ms("over") if row.resolved_ms else 0,
        retracted=retracted,
        audience=sheet.audience,
        opted_out=sheet.opted_out,
        words=tuple(
            Word(sheet.queued.get(one.notice, one.at_ms), one.at_ms, one.people) for one in sheet.taken
        ),
        voices=tuple(sheet.voices.values()),
        promises=tuple(_promises(sheet.shared)),
        levels=levels,
        repair=Repair("eligible" in last, "started" in last, at_ms("healed"), at_ms("verified")),
    )


_WEIGHT: Final = (Impact.UNKNOWN, Impact.MINOR, Impact.DEGRADED, Impact.PARTIAL, Impact.MAJOR)


def _promises(rows: Sequence[Row[Any]]) -> Iterator[Promise]:
    """Yield each promise with the next word on the page after it."""
    for number, row in enumerate(rows):
        if row.event == "promised":
            words = (later.at_ms for later in rows[number + 1 :] if later.event == "published")
            yield Promise(row.at_ms, next(words, 0))


def _batches(ids: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(sorted(ids))
    while some := list(islice(rest, IDS_PER_QUERY)):
        yield some
