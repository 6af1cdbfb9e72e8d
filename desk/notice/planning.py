"""First notices, planned page by page: whoever an incident affects is found, then written to.

The first page stands in the transaction that decides, each further one in a transaction of its own, so that
the first message leaves while most people are still to be found and the store stays free for alerts. How far
a plan has come is a row beside the notice: after a kill it goes on, and the end of the incident deletes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.audience.audience import Affected, judge, surer
from desk.audience.inquiry import Inquiry, Page
from desk.delivery import outbox
from desk.delivery.outbox import Planned, Recipient, When
from desk.forecast import foretold
from desk.house import House
from desk.incident import echoes, records, speakers
from desk.incident.incident import EchoKind, Incident, Signal
from desk.notice import digest, holding, releases, sparing, telling
from desk.notice.sparing import Expected
from desk.notice.words import spoken
from desk.state import Impact
from desk.store.store import upsert
from model.labels import Labels

_PLAN: Final = schema.notice_plan
_A: Final = schema.audience
_NEXT: Final = sa.select(_PLAN).order_by(_PLAN.c.at_ms, _PLAN.c.incident).limit(1)


class Plan(msgspec.Struct, frozen=True):
    """How far the plan of a first notice has come; ``notice`` is 0 until somebody is found for it."""

    incident: int
    notice: int
    after: int
    again: bool
    signals: str


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """An alert as a plan keeps it: what decides about the audience must not change between two pages."""

    key: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_ms: int
    ends_ms: int
    updated_ms: int
    guessed: bool
    over: bool
    source: str


def tell_affected(
    conn: Connection, house: House, incident: Incident, now_ms: int, *, again: bool = False
) -> None:
    """Plan the first notice for everybody affected who has none planned in this incident yet.

    ``again`` says that it is back: who was to be told before and was not is told now. Only the first page is
    planned here; ``step`` plans the others.
    """
    asked = _inquire(conn, house, incident, now_ms)
    if asked.refusals:
        records.change_incident(conn, incident.id, {"scope_refused": " ".join(asked.refusals)})
    if asked.refusals and not incident.escalated_ms:
        telling.escalate(conn, house, incident, " ".join(asked.refusals), now_ms)
    # A plan that is under way begins anew: the alerts now may affect people whom it has passed already.
    old = conn.execute(sa.select(_PLAN).where(_PLAN.c.incident == incident.id)).one_or_none()
    notice = int(old.notice) if old else 0
    plan = Plan(incident.id, notice, 0, again or bool(old and old.again), asked.signals)
    house.inquiries.open[incident.id] = asked
    _go_on(conn, house, asked, plan, now_ms)


def step(conn: Connection, house: House, now_ms: int) -> bool:
    """Plan one more page of the notice that waits longest, or of a summary; return whether there was one."""
    row = conn.execute(_NEXT).one_or_none()
    if row is None:
        house.inquiries.open.clear()
        return digest.go_on(conn, house)
    plan = Plan(row.incident, row.notice, row.after, row.again, row.signals)
    of = records.incident_rows().where(schema.incident.c.id == plan.incident)
    found = conn.execute(of).one()
    state = sa.select(schema.notice.c.state).where(schema.notice.c.id == plan.notice)
    withdrawn = plan.notice and conn.execute(state).scalar_one() == "withdrawn"
    if found.resolved_ms or withdrawn:
        _end(conn, house, plan)
        return True
    asked = house.inquiries.open.get(plan.incident)
    if asked is None or asked.signals != plan.signals or asked.incident.ref != found.ref:
        incident = records.incident_of(found, _signals(plan.signals))
        incident = replace(incident, echoes=echoes.of_incident(conn, incident.id))
        asked = _inquire(conn, house, incident, now_ms)
        house.inquiries.open[plan.incident] = asked
    _go_on(conn, house, asked, plan, now_ms)
    return True


def _go_on(conn: Connection, house: House, asked: Inquiry, plan: Plan, now_ms: int) -> None:
    """Plan a page, and note how far that is."""
    page = asked.page(plan.after)
    notice = _plan_page(conn, house, asked, plan, page, now_ms) if page.people else plan.notice
    if page.done:
        _end(conn, house, plan)
        return
    values = {"notice": notice, "after": page.last, "again": plan.again, "signals": plan.signals}
    kept = upsert(conn, _PLAN).values(incident=plan.incident, at_ms=now_ms, **values)
    newer = {**values, "at_ms": now_ms}
    conn.execute(kept.on_conflict_do_update(index_elements=["incident"], set_=newer))


def _end(conn: Connection, house: House, plan: Plan) -> None:
    conn.execute(sa.delete(_PLAN).where(_PLAN.c.incident == plan.incident))
    house.inquiries.open.pop(plan.incident, None)


def _plan_page(conn: Connection, house: House, asked: Inquiry, plan: Plan, page: Page, now_ms: int) -> int:
    """Plan the notice for those of a page who have none yet; return its id, 0 while it goes to nobody."""
    known = _known(conn, asked, page)
    settled = (
        set(outbox.told_people(conn, plan.incident, (min(page.people), page.last))) if plan.again else known
    )
    new = [(person, one) for person, one in page.people.items() if person not in settled]
    if not new:
        return plan.notice
    incident = asked.incident
    people = foretold.with_word(conn, incident.id, new, (new[0][0], new[-1][0]))
    notice = plan.notice or _announce(conn, house, asked, now_ms)
    variants = {_variant(house, one) for _, one in people} - asked.written
    outbox.enclose(conn, notice, telling.letters_for(house, asked.facts, variants))
    asked.written.update(variants)
    recipients = (
        Recipient(person, one.grade.value, one.why.key(), telling.reason_of(house, asked.facts, one))
        for person, one in people
    )
    outbox.address(conn, incident.id, notice, recipients)
    when = _when(conn, house, incident, plan.notice, now_ms)
    outbox.share_out(conn, notice, "first", [person for person, _ in people], when)
    records.change_incident(conn, incident.id, {"said_ms": when.not_before_ms})
    mine = sparing.Planned(notice, people)
    left = sparing.leave_out(conn, incident, mine, asked.storm, now_ms)
    if not plan.notice:
        roll = asked.roll
        count = 0 if page.done else asked.count()
        expected = Expected(count, len(roll.ids), roll.users(incident.service))
        _weigh(conn, house, asked, left, expected, now_ms)
    return notice


def _known(conn: Connection, asked: Inquiry, page: Page) -> Mapping[int, str]:
    """Return who of a page the incident knows already; who is affected more surely gets the new grade."""
    mine = (_A.c.incident == asked.incident.id, _A.c.person.between(min(page.people), page.last))
    known = {
        int(row.person): str(row.grade)
        for row in conn.execute(sa.select(_A.c.person, _A.c.grade).where(*mine))
    }
    for person, grade in known.items():
        one = page.people.get(person)
        if one is not None and surer(one.grade, grade):
            this = (_A.c.incident == asked.incident.id, _A.c.person == person)
            conn.execute(sa.update(_A).where(*this).values(grade=one.grade.value))
    return known


def _variant(house: House, one: Affected) -> tuple[str, str, str]:
    """Return which letter somebody reads: the language, the zone, and the reason."""
    home = house.config
    language = spoken(one.person.language or home.language, home.language)
    return language, str(one.person.zone or home.zone), one.why.key()


def _announce(conn: Connection, house: House, asked: Inquiry, now_ms: int) -> int:
    incident = asked.incident
    number = outbox.next_number(conn, incident.id)
    major = incident.impact is Impact.MAJOR
    planned = Planned(
        incident=incident.id,
        number=number,
        kind="first",
        reason="",
        urgent=major,
        generic=bool(asked.refused),
        created_ms=now_ms,
        not_before_ms=_not_before_ms(house, incident, now_ms),
        letters={},
        event=telling.event_of(house, incident, "first", number, now_ms),
        next_way_ms=house.config.channels.next_way_after.ms if major else 0,
    )
    return outbox.announce(conn, planned)


def _not_before_ms(house: House, incident: Incident, now_ms: int) -> int:
    """Return from when on people may be written to: what is not major gives a healer its time."""
    held_until_ms = incident.begun_ms + house.config.hold.ms
    return now_ms if incident.impact is Impact.MAJOR else max(now_ms, held_until_ms)


def _when(conn: Connection, house: House, incident: Incident, notice: int, now_ms: int) -> When:
    """Return how the next page goes out: as the pages before it, if a human has or had a word in it."""
    goes_ms = holding.goes_ms(conn, notice) if notice else None
    if goes_ms is None:
        return When(_not_before_ms(house, incident, now_ms))
    return When(goes_ms or _not_before_ms(house, incident, now_ms), held=not goes_ms)


def _weigh(
    conn: Connection, house: House, asked: Inquiry, first: sparing.Planned, expected: Expected, now_ms: int
) -> None:
    """Hold a notice that is too large, and tell the team what it must know of it."""
    incident = asked.incident
    held = sparing.hold_back(conn, incident, first, expected, now_ms)
    if held:
        held += f" {releases.invite(conn, house, first.notice, now_ms)}"
    words = f"The rule's own words are not shown to customers: {asked.refused}." if asked.refused else ""
    for why in (held, words):
        if why:
            telling.word_to_team(conn, house, incident, why, now_ms)


def _inquire(conn: Connection, house: House, incident: Incident, now_ms: int) -> Inquiry:
    """Return the question whom an incident touches, with what else fails at this moment in mind."""
    catalogue, share_max = house.catalogue, house.config.narrow_scope_max.value / 100
    # Where no service needs this one, nothing is lost by way of it, whatever else fails.
    needed = catalogue.is_needed(incident.service)
    if needed:
        speakers.refresh(conn, house, now_ms)
    others = {
        service: tuple(signal for signal in other.signals if signal.ends_ms > now_ms)
        for service, other in (records.open_incidents(conn) if needed else {}).items()
        if service != incident.service
    }
    behind: dict[str, list[Signal]] = {}
    for echo in incident.echoes:
        if echo.kind is not EchoKind.CLOSED:
            behind.setdefault(echo.service, []).append(echo.signal)
    roll = house.inquiries.roll(catalogue, house.people)
    return Inquiry(
        incident=incident,
        signals=_text(incident.signals),
        facts=telling.facts_of(house, incident, "unstable" if incident.unstable_ms else "first", now_ms),
        refused=telling.wording_of(house, incident).refused,
        roll=roll,
        own=judge(catalogue, incident.service, incident.signals, others, share_max),
        behind=[(name, judge(catalogue, name, theirs, None, share_max)) for name, theirs in behind.items()],
        storm=sparing.is_storm(conn, len(roll.ids), now_ms),
    )


def _text(signals: Sequence[Signal]) -> str:
    kept = [
        _Kept(
            one.key,
            dict(one.labels.pairs),
            dict(one.annotations),
            one.starts_ms,
            one.ends_ms,
            one.updated_ms,
            one.guessed,
            one.over,
            one.source,
        )
        for one in signals
    ]
    return msgspec.json.encode(kept).decode()


def _signals(text: str) -> list[Signal]:
    kept = msgspec.json.decode(text, type=list[_Kept])
    return [
        Signal(
            key=one.key,
            labels=Labels.of(one.labels),
            annotations=one.annotations,
            starts_ms=one.starts_ms,
            ends_ms=one.ends_ms,
            updated_ms=one.updated_ms,
            guessed=one.guessed,
            over=one.over,
            source=one.source,
        )
        for one in kept
    ]
