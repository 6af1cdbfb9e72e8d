"""Who hears of what is expected, in which words: before it begins, and when it has passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.audience.audience import Affected, audience
from desk.catalogue.person import Slug, Zone
from desk.catalogue.service import Service
from desk.delivery import outbox
from desk.forecast import forecast, foretold
from desk.forecast.forecast import Outlook
from desk.forecast.words import Expectation, compose_forecast, team_letter
from desk.house import House
from desk.incident import records
from desk.incident.incident import Signal
from desk.notice import attention, caps, leaflet
from desk.notice.leaflet import Leaflet
from desk.notice.words import spoken
from desk.page.view import DAY_MS
from model.misfit import NOWHERE

KIND: Final = "forecast"

_F, _A, _R = schema.forecast, schema.forecast_alert, schema.forecast_release


@dataclass(frozen=True, slots=True)
class Case:
    """One outlook with its alerts, those that still foretell it, and those of which nobody was told yet."""

    outlook: Outlook
    signals: tuple[Signal, ...]
    alive: tuple[Signal, ...]
    unsaid: tuple[str, ...]

    @property
    def about(self) -> str:
        """What its letters are about."""
        return foretold.about(self.outlook.id)

    @property
    def drill(self) -> bool:
        """Whether all of its alerts belong to drills; one real one makes it real."""
        return bool(self.signals) and all(one.labels.get("drill") == "true" for one in self.signals)


def tell(conn: Connection, house: House, case: Case, now_ms: int) -> None:
    """Tell whoever asked for it and was not told yet, if no human must let it go first."""
    outlook = case.outlook
    share_max = house.config.narrow_scope_max.value / 100
    found = audience(house.catalogue, outlook.service, case.alive, None, share_max)
    people, spared = _asked(conn, house, case, found.people, now_ms)
    said = sa.update(_A).where(_A.c.forecast == outlook.id, _A.c.alert.in_(case.unsaid))
    conn.execute(said.values(said_ms=now_ms))
    note = " ".join(found.refusals)
    if found.refusals and not people:
        _say_to_team(conn, house, case, f"Customers were not told: {note}", now_ms)
    elif people:
        note = _send(conn, house, case, people, now_ms)
    elif not note:
        note = "everybody has heard enough for today" if spared else "nobody whom it would touch asked for it"
    change(conn, outlook.id, {"note": note})


def _asked(
    conn: Connection, house: House, case: Case, people: Iterable[Affected], now_ms: int
) -> tuple[list[tuple[int, Affected]], int]:
    """Return who asked to hear of it and has not heard too much, and how many have."""
    known = leaflet.heard(conn, case.about)
    wanting = {
        house.people[one.person.email]: one
        for one in people
        if "email" in one.person.via
        and one.person.email in house.people
        and house.catalogue.wants_forecasts(one.customer, one.person)
    }
    new = {number: one for number, one in wanting.items() if number not in known}
    full = leaflet.many(conn, KIND, now_ms - DAY_MS, forecast.PER_DAY)
    full |= attention.over(conn, new.keys(), case.outlook.impact, storm=False, now_ms=now_ms)
    return [(number, one) for number, one in new.items() if number not in full], len(full & new.keys())


def _send(
    conn: Connection, house: House, case: Case, people: Sequence[tuple[int, Affected]], now_ms: int
) -> str:
    """Put the letters out, or ask for people's word; return why nobody is told yet, if so."""
    outlook = case.outlook
    before = len(leaflet.heard(conn, case.about))
    size = caps.size(house.catalogue, outlook.service, [one for _, one in people], before)
    clearance = caps.clearance(size, outlook.impact)
    released = conn.execute(sa.select(sa.func.count()).where(_R.c.forecast == outlook.id)).scalar_one()
    if clearance.needs > released:
        change(conn, outlook.id, {"people": len(people), "needs": clearance.needs})
        ask = f"POST /api/v1/forecasts/{outlook.id}/release with by, and count {len(people)}."
        humans = "one human" if clearance.needs == 1 else f"{clearance.needs} humans"
        reason = f"A notice waits for the word of {humans}: {clearance.reason}."
        _say_to_team(conn, house, case, f"{reason} {ask}", now_ms)
        return reason
    _put(conn, house, case, people, now_ms)
    change(
        conn, outlook.id, {"told_ms": outlook.told_ms or now_ms, "people": before + len(people), "needs": 0}
    )
    many = "1 person" if len(people) == 1 else f"{len(people)} people"
    _say_to_team(conn, house, case, f"{many} who asked for it are told that you are at work on it.", now_ms)
    return ""


def _put(
    conn: Connection, house: House, case: Case, people: Sequence[tuple[int, Affected]], now_ms: int
) -> None:
    by_service: dict[str, list[tuple[int, Affected]]] = {}
    for number, one in people:
        by_service.setdefault(one.why.via or case.outlook.service, []).append((number, one))
    for name, group in by_service.items():
        facts = _facts(house, case, name, now_ms)
        variants = {_variant(house, str(one.person.language or ""), one.person.zone) for _, one in group}
        letters = {key: compose_forecast(facts, key[0], Zone(key[1])) for key in variants}
        made = Leaflet(case.about, KIND, (name,), now_ms, now_ms, case.outlook.expected_ms, letters)
        leaflet.put(conn, made, [number for number, _ in group])


def _variant(house: House, language: str, zone: Zone | None) -> tuple[str, str]:
    own = house.config.language
    return spoken(language or own, own), str(zone or house.config.zone)


def _facts(house: House, case: Case, service: str, now_ms: int) -> Expectation:
    outlook = case.outlook
    return Expectation(
        "may",
        house.config.name,
        str(house.config.url),
        house.catalogue.services.get(service) or Service(Slug(service), NOWHERE),
        outlook.impact,
        outlook.expected_ms,
        outlook.chance,
        now_ms,
        test=house.config.test_mode or case.drill,
    )


def _say_to_team(conn: Connection, house: House, case: Case, reason: str, now_ms: int) -> None:
    """Write to the team that owns the service, once of each thing; customers read that it is at work."""
    team = house.catalogue.team_of(case.outlook.service)
    about = f"{case.about}: {reason}"
    if team is None or leaflet.is_known(conn, about):
        return
    facts = _facts(house, case, case.outlook.service, now_ms)
    letters = {("en", str(team.zone)): team_letter(facts, reason, case.alive, team.zone)}
    person = house.people[records.person_key(team.email, team.team)]
    leaflet.put(conn, Leaflet(about, "word", (), now_ms, now_ms, case.outlook.expected_ms, letters), [person])


def take_back(conn: Connection, house: House, case: Case, now_ms: int, *, seen: bool) -> None:
    """Say that it has passed, to exactly those who were told and heard of no incident since.

    Where nobody has ``seen`` that, they read so, and no more.
    """
    outlook = case.outlook
    leaflet.withdraw(conn, case.about, "it has passed" if seen else "nobody sees it any more", now_ms)
    told = leaflet.reached(conn, case.about, KIND)
    heard = outbox.told_people(conn, outlook.came) if outlook.came else []
    word: Literal["passed", "passed_by", "unseen"] = "passed_by" if outlook.came else "passed"
    word = word if seen else "unseen"
    for copy, people in _copies(conn, house, case.about, told.keys() - set(heard)).items():
        facts = replace(_facts(house, case, copy.service, now_ms), word=word, said_ms=copy.said_ms)
        letters = {(copy.language, copy.zone): compose_forecast(facts, copy.language, Zone(copy.zone))}
        made = Leaflet(case.about, word, (copy.service,), now_ms, now_ms, now_ms + DAY_MS, letters)
        leaflet.put(conn, made, people)
    note = {} if seen else {"note": "nobody could see whether it came", "calm_ms": 0}
    change(conn, outlook.id, {"over_ms": now_ms, **note})


@dataclass(frozen=True, slots=True)
class _Copy:
    """What decides the words that it has passed: of which service, told when, in whose tongue and zone."""

    service: str
    said_ms: int
    language: str
    zone: str


def _copies(conn: Connection, house: House, about: str, people: set[int]) -> dict[_Copy, list[int]]:
    letter, log, p = schema.leaflet, schema.leaflet_log, schema.person
    query = (
        sa.select(letter.c.services, letter.c.created_ms, p.c.id, p.c.language, p.c.zone)
        .join(log, log.c.leaflet == letter.c.id)
        .join(p, p.c.id == log.c.person)
        .where(letter.c.about == about, letter.c.kind == KIND)
        .order_by(letter.c.id.desc(), p.c.id)
    )
    found: dict[int, _Copy] = {}
    for row in conn.execute(query):
        if row.id in people:
            service = msgspec.json.decode(row.services, type=tuple[str, ...])[0]
            tongue = spoken(row.language, house.config.language)
            found[row.id] = _Copy(service, row.created_ms, tongue, row.zone)
    groups: dict[_Copy, list[int]] = {}
    for person, copy in found.items():
        groups.setdefault(copy, []).append(person)
    return groups


def change(conn: Connection, outlook: int, values: Mapping[str, object]) -> None:
    """Write down what changed of an outlook."""
    conn.execute(sa.update(_F).where(_F.c.id == outlook).values(values))
