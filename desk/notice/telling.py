"""From an incident to notices: who is told, in which words, from when on; written, not yet sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.approval import approval
from desk.approval.approval import Ask
from desk.audience.audience import Affected, Why
from desk.catalogue.person import Slug, Zone, printable
from desk.catalogue.service import Service
from desk.delivery import event, outbox, sequel
from desk.delivery.outbox import MINUTE_MS, Planned, Recipient
from desk.delivery.sequel import Heard
from desk.feedback import reports
from desk.house import House
from desk.incident import findings, records
from desk.incident.incident import Incident, Signal
from desk.ledger import book
from desk.notice import leaflet
from desk.notice.compose import (
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
from desk.notice.leaflet import Leaflet
from desk.notice.words import LANGUAGES, say
from desk.state import Impact
from model.misfit import NOWHERE

_PROMISES_MS: Final = {Impact.MAJOR: 30 * MINUTE_MS, Impact.PARTIAL: 60 * MINUTE_MS}
_PROMISE_MS: Final = 120 * MINUTE_MS
ALERTS_TOLD_MAX: Final = 40
"""So many alerts of an incident stand in a letter to its team at most; of the others it has the page."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def promise_ms(impact: Impact) -> int:
    """Return how long people wait at most for the next update."""
    return _PROMISES_MS.get(impact, _PROMISE_MS)


def publish(conn: Connection, house: House, incident: Incident, kind: Kind, now_ms: int, reason: str) -> int:
    """Write an update for the page, in every language; return its number."""
    facts = facts_of(house, incident, kind, now_ms)
    texts = {language: page_text(facts, language) for language in LANGUAGES}
    book.publish(conn, incident, kind, now_ms)
    if kind == "first":
        reports.adopt(conn, house.catalogue, house.people, incident, now_ms)
    return _put(conn, incident, texts, now_ms, reason)


def publish_merged(
    conn: Connection, house: House, incident: Incident, into: Incident, now_ms: int, reason: str
) -> None:
    """Write on the page of an incident that another one tells the rest."""
    url = link(house, into)
    texts = {language: say(language, "merged", url=url) for language in LANGUAGES}
    book.publish(conn, incident, "resolved", now_ms)
    _put(conn, incident, texts, now_ms, reason)


def _put(conn: Connection, incident: Incident, texts: Mapping[str, str], now_ms: int, reason: str) -> int:
    number = outbox.next_number(conn, incident.id)
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


def reason_of(house: House, facts: Facts, one: Affected) -> str:
    """Return why somebody is affected, for staff: what is said to the person, and the evidence."""
    service = house.catalogue.services.get(one.why.via, facts.service)
    return f"{reason_said(service, facts.page, one.why)} {one.evidence}"


def word_to_team(conn: Connection, house: House, incident: Incident, reason: str, now_ms: int) -> None:
    """Write to the team that owns the service what it must know or do, beside any escalation; each once."""
    team = house.catalogue.team_of(incident.service)
    about = f"incident {incident.ref}: {reason}"
    if team is None or leaflet.is_known(conn, about):
        return
    letter = escalation_letter(_trouble(conn, house, incident, reason, now_ms), team.zone)
    letters = {("en", str(team.zone)): _marked(letter, incident)}
    until_ms = now_ms + outbox.TTL_MS["escalation"]
    person = house.people[records.person_key(team.email, team.team)]
    leaflet.put(conn, Leaflet(about, "word", (), now_ms, now_ms, until_ms, letters), [person])


def _marked(letter: Letter, incident: Incident) -> Letter:
    """Return a letter to staff, marked where nothing is really wrong."""
    return replace(letter, subject=f"[TEST] {letter.subject}") if is_drill(incident) else letter


def is_drill(incident: Incident) -> bool:
    """Tell whether all alerts of an incident belong to drills; one real one makes it real."""
    return bool(incident.signals) and all(one.labels.get("drill") == "true" for one in incident.signals)


def believers(incident: Incident) -> Heard:
    """Return who was told that it is there and of no end since."""
    return Heard.OPEN if incident.reopened_ms else Heard.ALL


@dataclass(frozen=True, slots=True)
class Word:
    """What those hear who were told before; ``number`` is the one of the update that says it on the page.

    ``heard`` says which of them hear it; ``held`` gives a healer its time first, as for a first notice.
    """

    kind: Kind
    number: int
    heard: Heard = Heard.ALL
    held: bool = False


def tell_told(conn: Connection, house: House, incident: Incident, word: Word, now_ms: int) -> None:
    """Plan a notice for exactly those who have, or may have, the first one."""
    if not sequel.anybody(conn, incident.id, word.heard):
        return
    held = word.held and incident.impact is not Impact.MAJOR
    not_before_ms = max(now_ms, incident.begun_ms + house.config.hold.ms) if held else now_ms
    variants = sequel.variants(conn, incident.id)
    planned = Planned(
        incident=incident.id,
        number=word.number,
        kind=word.kind,
        reason="",
        urgent=incident.impact is Impact.MAJOR,
        generic=False,
        created_ms=now_ms,
        not_before_ms=not_before_ms,
        letters=letters_for(house, facts_of(house, incident, word.kind, now_ms), variants),
        event=event_of(house, incident, word.kind, word.number, now_ms),
        heard=word.heard.value,
    )
    sequel.plan(conn, planned)
    records.change_incident(conn, incident.id, {"said_ms": not_before_ms})


def escalate(conn: Connection, house: House, incident: Incident, reason: str, now_ms: int) -> None:
    """Write to the team that owns the service, once in an incident; without a team it is only recorded."""
    records.change_incident(conn, incident.id, {"escalated_ms": now_ms, "escalation": reason})
    team = house.catalogue.team_of(incident.service)
    if team is None:
        return
    person = house.people[records.person_key(team.email, team.team)]
    letter = escalation_letter(_trouble(conn, house, incident, reason, now_ms), team.zone)
    number = outbox.next_number(conn, incident.id)
    planned = Planned(
        incident=incident.id,
        number=number,
        kind="escalation",
        reason=reason,
        urgent=True,
        generic=False,
        created_ms=now_ms,
        not_before_ms=now_ms,
        letters={("en", str(team.zone), ""): _marked(letter, incident)},
        event=event_of(house, incident, "escalation", number, now_ms),
        next_way_ms=house.config.channels.next_way_after.ms,
    )
    notice = outbox.plan(conn, planned, [person])
    owner = Recipient(person, "owner", "", f"Your team owns {incident.service}.")
    outbox.address(conn, incident.id, notice, [owner])


def _trouble(conn: Connection, house: House, incident: Incident, reason: str, now_ms: int) -> Trouble:
    shown = records.first_alerts(conn, incident.id, ALERTS_TOLD_MAX) or incident.signals
    return Trouble(
        page=house.config.name,
        url=link(house, incident),
        service=incident.service,
        impact=incident.impact,
        reason=reason,
        opened_ms=incident.opened_ms,
        signals=shown,
        asides=(*_questions(conn, house, incident, now_ms), *_evidence(conn, house, incident, shown)),
    )


def unasked(house: House, incident: Incident, now_ms: int) -> str:
    """Return why people must be called to approve what they cannot be asked by a link, or nothing."""
    for signal, ask in _asks(incident, now_ms):
        service, team = approval.owner(house.catalogue, signal.labels)
        left = approval.why_not(bool(house.approval_key), team, service)
        if left:
            return approval.advice(ask.playbook, ask.ask, ask.host, left)
    return ""


def _questions(conn: Connection, house: House, incident: Incident, now_ms: int) -> Iterable[tuple[str, str]]:
    """Yield what is asked just now, and how it can be answered."""
    link = schema.ask_link
    for signal, ask in _asks(incident, now_ms):
        service, team = approval.owner(house.catalogue, signal.labels)
        sent = sa.select(sa.func.count()).where(link.c.ask == ask.ask)
        links = int(conn.execute(sent).scalar_one())
        left = approval.why_not(bool(house.approval_key), team, service) or approval.sent(links)
        yield "approval", approval.advice(ask.playbook, ask.ask, ask.host, left)


def _asks(incident: Incident, now_ms: int) -> Iterable[tuple[Signal, Ask]]:
    for signal in incident.signals:
        ask = None if signal.over else approval.readable(signal.annotations, now_ms)
        if ask is not None and ask.until_ms > now_ms:
            yield signal, ask


def _evidence(
    conn: Connection, house: House, incident: Incident, shown: Sequence[Signal]
) -> Iterable[tuple[str, str]]:
    """Yield where the evidence can be read; never what it says, for a mail goes through many hands."""
    on_its_way = sum(findings.announced(signal.annotations) for signal in incident.signals)
    pieces = max(findings.count(conn, incident.id), on_its_way)
    if pieces:
        items = "1 item" if pieces == 1 else f"{pieces} items"
        address = f"http://{house.config.listen}/api/v1/incidents/{incident.ref}"
        hosts = " or ".join(sorted({signal.host for signal in shown})[:3])
        # A command is pasted, so a name that is more than a name does not come into it.
        names = [signal.name for signal in shown if _NAME.fullmatch(signal.name)]
        command = " ".join(["beforehand explain", *names[:1]])
        yield "evidence", printable(f"{items}; on {hosts}: {command}; at the desk: curl {address}")


def link(house: House, incident: Incident) -> str:
    """Return the address of an incident's page."""
    return f"{house.config.url}/incidents/{incident.ref}"


def letters_for(
    house: House, facts: Facts, variants: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Letter]:
    """Return a letter for each of these languages, zones and reasons."""
    found = {}
    for language, zone, key in variants:
        why = Why.from_key(key)
        found[language, zone, key] = compose(_seen(house, facts, why), language, Zone(zone), why)
    return found


def _seen(house: House, facts: Facts, why: Why) -> Facts:
    """Return the facts as readers see them who use another service that needs the failing one."""
    service = house.catalogue.services.get(why.via)
    # The rule's own words are about what fails, which these readers have never heard of.
    return facts if service is None else replace(facts, service=service, noticed={}, doing={})


def facts_of(house: House, incident: Incident, kind: Kind, now_ms: int) -> Facts:
    """Return what there is to say of an incident at this moment."""
    own = wording_of(house, incident)
    cause = house.catalogue.services.get(incident.cause.service) if incident.cause else None
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
        # What a person wrote stands in for what the rule says.
        noticed=incident.hand.text or own.noticed,
        doing=own.doing,
        language=house.config.language,
        said_ms=incident.told_ms,
        wrong=incident.wrong,
        drill=is_drill(incident) or house.config.test_mode,
        cause=cause,
    )


def event_of(house: House, incident: Incident, kind: Kind, number: int, now_ms: int) -> str:
    """Return what a notice says to programs, as the store keeps it."""
    service = _service(house, incident)
    over = kind in ("resolved", "retracted")
    return event.kept(
        event.Notice(
            kind=kind,
            incident=incident.ref,
            number=number,
            service=incident.service,
            service_name=service.said_in(house.config.language),
            state=incident.state.value,
            impact=incident.impact.value,
            test=is_drill(incident) or house.config.test_mode,
            started_ms=incident.timeline.onset_ms,
            ended_ms=(incident.timeline.healed_ms or now_ms) if over else 0,
            next_update_ms=0 if over else incident.next_update_ms,
            url=link(house, incident),
        )
    )


def wording_of(house: House, incident: Incident) -> Wording:
    """Return the rule's own words, as far as customers may read them."""
    return wording(incident.signals, house.inquiries.strangers(house.catalogue))


def _service(house: House, incident: Incident) -> Service:
    known = house.catalogue.services.get(incident.service)
    # An incident outlives the catalogue's mention of its service.
    return known or Service(Slug(incident.service), NOWHERE)
