"""From an incident to notices: who is told, in which words, from when on; written, not yet sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import outbox, records, schema
from desk.audience import Affected, Why, audience
from desk.catalogue import Catalogue, Service
from desk.compose import (
    Facts,
    Kind,
    Letter,
    Trouble,
    Wording,
    compose,
    escalation_letter,
    page_text,
    reason_said,
    wording,
)
from desk.config import Config
from desk.incident import Incident, weight
from desk.outbox import MINUTE_MS, Planned, Recipient
from desk.person import Slug, Zone
from desk.view import Impact
from desk.words import LANGUAGES, spoken
from model.misfit import NOWHERE

_PROMISES_MS: Final = {Impact.MAJOR: 30 * MINUTE_MS, Impact.PARTIAL: 60 * MINUTE_MS}
_PROMISE_MS: Final = 120 * MINUTE_MS
CHANNEL: Final = "email"


@dataclass(frozen=True, slots=True)
class House:
    """What every transaction needs to know of this desk; read at the start and never changed."""

    config: Config
    catalogue: Catalogue
    people: Mapping[str, int]
    secret: bytes
    started_ms: int


def promise_ms(impact: Impact) -> int:
    """Return how long people wait at most for the next update."""
    return _PROMISES_MS.get(impact, _PROMISE_MS)


def publish(conn: Connection, house: House, incident: Incident, kind: Kind, now_ms: int, reason: str) -> int:
    """Write an update for the page, in every language; return its number."""
    number = outbox.next_number(conn, incident.id)
    facts = _facts(house, incident, kind, now_ms)
    texts = {language: page_text(facts, language) for language in LANGUAGES}
    conn.execute(
        schema.update.insert().values(
            incident=incident.id,
            number=number,
            at_ms=now_ms,
            state=incident.state.value,
            impact=incident.impact.value,
            texts=msgspec.json.encode(texts).decode(),
            reason=reason,
        )
    )
    return number


def tell_affected(conn: Connection, house: House, incident: Incident, now_ms: int) -> None:
    """Plan the first notice for everybody affected who has none planned in this incident yet."""
    found = audience(house.catalogue, incident.service, incident.signals)
    table = schema.audience
    known = {
        row.person: row.grade
        for row in conn.execute(
            sa.select(table.c.person, table.c.grade).where(table.c.incident == incident.id)
        )
    }
    if found.refusals:
        records.change_incident(conn, incident.id, {"scope_refused": " ".join(found.refusals)})
    if found.refusals and not incident.escalated_ms:
        escalate(conn, house, incident, " ".join(found.refusals), now_ms)
    ids = {one.person.email: house.people[one.person.email] for one in found.people if one.person.via}
    new = [one for one in found.people if ids.get(one.person.email, -1) not in (-1, *known)]
    for one in found.people:
        person = ids.get(one.person.email, -1)
        if person in known and weight(one.grade) > weight(Impact(known[person])):
            conn.execute(
                sa.update(table)
                .where(table.c.incident == incident.id, table.c.person == person)
                .values(grade=one.grade.value)
            )
    if new:
        _plan_first(conn, house, incident, [(ids[one.person.email], one) for one in new], now_ms)


def _plan_first(
    conn: Connection, house: House, incident: Incident, people: list[tuple[int, Affected]], now_ms: int
) -> None:
    held_until_ms = incident.opened_ms + house.config.hold.ms
    not_before_ms = now_ms if incident.impact is Impact.MAJOR else max(now_ms, held_until_ms)
    facts = _facts(house, incident, "first", now_ms)
    variants = {
        (
            spoken(one.person.language or house.config.language, house.config.language),
            str(one.person.zone or house.config.zone),
            one.why.key(),
        )
        for _, one in people
    }
    planned = Planned(
        incident=incident.id,
        number=outbox.next_number(conn, incident.id),
        kind="first",
        reason="",
        urgent=incident.impact is Impact.MAJOR,
        generic=bool(_wording(house, incident).refused),
        created_ms=now_ms,
        not_before_ms=not_before_ms,
        letters=_letters(facts, variants),
    )
    notice = outbox.plan(conn, planned, [person for person, _ in people], CHANNEL)
    recipients = [
        Recipient(person, one.grade.value, one.why.key(), reason_said(facts.service, facts.page, one.why))
        for person, one in people
    ]
    outbox.address(conn, incident.id, notice, recipients)
    records.change_incident(conn, incident.id, {"said_ms": not_before_ms})


def tell_told(
    conn: Connection, house: House, incident: Incident, kind: Kind, number: int, now_ms: int
) -> None:
    """Plan a notice for exactly those who have, or may have, the first one."""
    people = outbox.told_people(conn, incident.id)
    if not people:
        return
    a, p, log = schema.audience, schema.person, schema.delivery_log
    found = conn.execute(
        sa.select(p.c.language, p.c.zone, a.c.why)
        .distinct()
        .join(p, p.c.id == a.c.person)
        .join(log, sa.and_(log.c.notice == a.c.notice, log.c.person == a.c.person))
        .where(a.c.incident == incident.id, a.c.grade != "owner", log.c.state.in_(outbox.TOLD))
    )
    variants = {(spoken(row.language, house.config.language), row.zone, row.why) for row in found}
    planned = Planned(
        incident=incident.id,
        number=number,
        kind=kind,
        reason="",
        urgent=incident.impact is Impact.MAJOR,
        generic=False,
        created_ms=now_ms,
        not_before_ms=now_ms,
        letters=_letters(_facts(house, incident, kind, now_ms), variants),
    )
    outbox.plan(conn, planned, people, CHANNEL)
    records.change_incident(conn, incident.id, {"said_ms": now_ms})


def escalate(conn: Connection, house: House, incident: Incident, reason: str, now_ms: int) -> None:
    """Write to the team that owns the service, once in an incident; without a team it is only recorded."""
    records.change_incident(conn, incident.id, {"escalated_ms": now_ms, "escalation": reason})
    team = house.catalogue.team_of(incident.service)
    if team is None:
        return
    person = house.people[records.person_key(team.email, team.team)]
    trouble = Trouble(
        page=house.config.name,
        url=link(house, incident),
        service=incident.service,
        impact=incident.impact,
        reason=reason,
        opened_ms=incident.opened_ms,
        signals=incident.signals,
    )
    planned = Planned(
        incident=incident.id,
        number=outbox.next_number(conn, incident.id),
        kind="escalation",
        reason=reason,
        urgent=True,
        generic=False,
        created_ms=now_ms,
        not_before_ms=now_ms,
        letters={("en", str(team.zone), ""): escalation_letter(trouble, team.zone)},
    )
    notice = outbox.plan(conn, planned, [person], CHANNEL)
    owner = Recipient(person, "owner", "", f"Your team owns {incident.service}.")
    outbox.address(conn, incident.id, notice, [owner])


def link(house: House, incident: Incident) -> str:
    """Return the address of an incident's page."""
    return f"{house.config.url}/incidents/{incident.ref}"


def _letters(facts: Facts, variants: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], Letter]:
    return {
        (language, zone, why): compose(facts, language, Zone(zone), Why.from_key(why))
        for language, zone, why in variants
    }


def _facts(house: House, incident: Incident, kind: Kind, now_ms: int) -> Facts:
    own = _wording(house, incident)
    return Facts(
        kind=kind,
        page=house.config.name,
        url=link(house, incident),
        service=_service(house, incident),
        impact=incident.impact,
        first_impact=incident.first_impact,
        state=incident.state,
        since_ms=incident.timeline.onset_ms,
        now_ms=now_ms,
        next_update_ms=incident.next_update_ms if kind != "resolved" else 0,
        over_ms=incident.timeline.healed_ms or now_ms,
        noticed=own.noticed,
        doing=own.doing,
        language=house.config.language,
    )


def _wording(house: House, incident: Incident) -> Wording:
    strangers = [str(name) for one in house.catalogue.customers for name in (one.customer, one.name) if name]
    return wording(incident.signals, strangers)


def _service(house: House, incident: Incident) -> Service:
    known = house.catalogue.services.get(incident.service)
    # An incident outlives the catalogue's mention of its service.
    return known or Service(Slug(incident.service), NOWHERE)
