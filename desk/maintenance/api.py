"""Planned work over HTTP, for staff: planned, moved, carried out and called off."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.audience.affects import Affects
from desk.catalogue.person import Text
from desk.house import House
from desk.incident.account import rfc3339
from desk.incident.episode import Outcome
from desk.intake.alerts import Refused, moment_ms
from desk.maintenance import book as maintenance_book
from desk.maintenance import plan_words
from desk.maintenance.file import overlapping
from desk.maintenance.maintenance import Maintenance, Plan
from desk.notice import caps
from desk.notice.caps import Clearance, Size
from desk.notice.lint import flaws
from desk.staff.counter import Counter, answer, body
from desk.staff.door import Handed, member_of
from desk.staff.staff import Member, Role
from desk.state import Impact
from model.decode import nearest
from model.misfit import Misfit

BODY_BYTES_MAX: Final = 64 << 10
SERVICES_MAX: Final = 100
NAME_CHARS_MAX: Final = 100


class Posted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Planned work as it is posted; a text is one in all languages, or one for each.

    Of an audience that needs humans, ``count`` is how many people they typed. Where there is staff each of
    them posts the same with a token of their own; where there is none, ``released_by`` says who one is.
    """

    start: str
    end: str
    services: list[str]
    impact: str
    title: str | dict[str, str]
    by: str = ""
    notice: str | dict[str, str] = {}
    todo: str | dict[str, str] = {}
    affects: str = "uses"
    count: int = 0
    released_by: list[str] = []


class Patched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes of planned work: its times, its services, its texts, or where it stands."""

    by: str = ""
    start: str | None = None
    end: str | None = None
    services: list[str] | None = None
    impact: str | None = None
    title: str | dict[str, str] | None = None
    notice: str | dict[str, str] | None = None
    todo: str | dict[str, str] | None = None
    state: str | None = None


class Cancelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who calls planned work off."""

    by: str = ""


_posted: Final = msgspec.json.Decoder(Posted)
_patched: Final = msgspec.json.Decoder(Patched)
_cancelled: Final = msgspec.json.Decoder(Cancelled)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Planned work that is not planned yet, because more people must say so; why, as a sentence."""

    sentence: str


def maintenance_routes(counter: Counter) -> list[Route]:
    """Return the routes of planned work, for staff alone."""
    base = "/api/v1/maintenances"
    return [
        Route(base, _changing(counter, _post), methods=["POST"]),
        Route(base, _list(counter), methods=["GET"]),
        Route(f"{base}/{{id}}", _changing(counter, _patch), methods=["PATCH"]),
        Route(f"{base}/{{id}}/cancel", _changing(counter, _cancel), methods=["POST"]),
    ]


Change = Callable[[Connection, House, str, Handed, int], Maintenance | Waiting]


def _changing(counter: Counter, change: Change) -> Callable[[Request], Awaitable[Response]]:
    async def changing(request: Request) -> Response:
        """Answer with the work as it is once that is durable, and everything said that follows from it."""
        now_ms = counter.clock()
        key = str(request.path_params.get("id", ""))
        try:
            handed = Handed(await body(request, BODY_BYTES_MAX), member_of(request))
            write = partial(
                _carried_out, change=change, house=counter.house, key=key, handed=handed, now_ms=now_ms
            )
            work = await asyncio.wrap_future(counter.store.write(write))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        except maintenance_book.Conflict as fact:
            return answer(str(fact), 409)
        except Misfit as wrong:
            return answer(f"{wrong.sentence}; {wrong.cure}", 400)
        except msgspec.MsgspecError as wrong:
            return answer(f"the body is not what is asked for: {wrong}", 400)
        if isinstance(work, Waiting):
            return answer(work.sentence, 202)
        counter.woken(Outcome(True, now_ms))
        return answer(shown(work))

    return changing


def _carried_out(
    conn: Connection, change: Change, house: House, key: str, handed: Handed, now_ms: int
) -> Maintenance | Waiting:
    work = change(conn, house, key, handed, now_ms)
    if isinstance(work, Waiting):
        return work
    maintenance_book.tick(conn, house, now_ms, by_hand=True)
    return maintenance_book.one_work(conn, work.id) or work


def _list(counter: Counter) -> Callable[[Request], Response]:
    def listed(_: Request) -> Response:
        with counter.store.reading() as conn:
            return answer([shown(work) for work in maintenance_book.works(conn, counter.clock())])

    return listed


def _post(conn: Connection, house: House, _key: str, handed: Handed, now_ms: int) -> Maintenance | Waiting:
    posted = _posted.decode(handed.data)
    by = _name(handed.by(posted.by))
    plan = _plan(house, posted, now_ms)
    _fits(conn, plan, "", now_ms)
    waiting = _cleared(conn, house, plan, (posted, handed.member), now_ms)
    if waiting is not None:
        return waiting
    seed = msgspec.json.encode([by, now_ms, plan.services, plan.start_ms, len(maintenance_book.known(conn))])
    key = hashlib.blake2b(seed, digest_size=6, key=house.secret[:64]).hexdigest()
    work = Maintenance(key, plan, now_ms, now_ms, by=by)
    maintenance_book.add(conn, work)
    return work


def _patch(conn: Connection, house: House, key: str, handed: Handed, now_ms: int) -> Maintenance:
    patched = _patched.decode(handed.data)
    work = _open(conn, key)
    by = _name(handed.by(patched.by))
    plan = _changed(work.plan, patched)
    if plan != work.plan:
        if work.source == "file":
            raise maintenance_book.Conflict("it stands in a file; change it there")
        _sound(house, plan)
        if plan.end_ms <= now_ms:
            raise Misfit("it would lie in the past", "give it an end ahead, or set its state", key="end")
        _fits(conn, plan, key, now_ms)
        work = maintenance_book.changed(work, plan, now_ms)
    work = replace(_standing(work, patched.state, now_ms), by=by, changed_ms=now_ms)
    maintenance_book.change(conn, work)
    return work


def _cancel(conn: Connection, _house: House, key: str, handed: Handed, now_ms: int) -> Maintenance:
    by = _name(handed.by(_cancelled.decode(handed.data).by))
    work = replace(_open(conn, key), cancelled_ms=now_ms, changed_ms=now_ms, by=by)
    maintenance_book.change(conn, work)
    return work


def _open(conn: Connection, key: str) -> Maintenance:
    work = maintenance_book.one_work(conn, key) if len(key) < 65 else None
    if work is None:
        raise Refused(404, "there is no such maintenance")
    if work.over:
        raise maintenance_book.Conflict(f"it is {work.state.value} already")
    return work


def _standing(work: Maintenance, state: str | None, now_ms: int) -> Maintenance:
    """Return the work where staff says it stands; it never goes back."""
    if state is None:
        return work
    order = ("scheduled", "in_progress", "verifying", "completed")
    if state not in order:
        raise Misfit(f"{state[:40]!r} is no state", f"write one of {', '.join(order)}", key="state")
    if order.index(state) < order.index(work.state.value):
        raise maintenance_book.Conflict(f"it is {work.state.value} already and does not go back to {state}")
    begun_ms = work.begun_ms or (now_ms if state != "scheduled" else 0)
    done_ms = work.done_ms or (now_ms if state in ("verifying", "completed") else 0)
    return replace(
        work, begun_ms=begun_ms, done_ms=done_ms, completed_ms=now_ms if state == "completed" else 0
    )


def _plan(house: House, posted: Posted, now_ms: int) -> Plan:
    try:
        affects = Affects.parse(posted.affects)
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, key="affects") from None
    plan = Plan(
        services=tuple(dict.fromkeys(posted.services)),
        impact=_impact(posted.impact),
        start_ms=_moment(posted.start),
        end_ms=_moment(posted.end),
        title=_texts(posted.title),
        noticed=_texts(posted.notice),
        todo=_texts(posted.todo),
        affects=affects,
    )
    _sound(house, plan)
    if plan.end_ms <= now_ms:
        raise Misfit("it lies in the past", "write the right day", key="end")
    return plan


def _changed(plan: Plan, patched: Patched) -> Plan:
    return replace(
        plan,
        services=plan.services if patched.services is None else tuple(dict.fromkeys(patched.services)),
        impact=plan.impact if patched.impact is None else _impact(patched.impact),
        start_ms=plan.start_ms if patched.start is None else _moment(patched.start),
        end_ms=plan.end_ms if patched.end is None else _moment(patched.end),
        title=plan.title if patched.title is None else _texts(patched.title),
        noticed=plan.noticed if patched.notice is None else _texts(patched.notice),
        todo=plan.todo if patched.todo is None else _texts(patched.todo),
    )


def _sound(house: House, plan: Plan) -> None:
    """Raise ``Misfit`` for what is wrong with a plan by itself and with the catalogue."""
    known = house.catalogue.services
    if not 1 <= len(plan.services) <= SERVICES_MAX:
        raise Misfit("it touches no service, or too many", f"name 1 to {SERVICES_MAX}", key="services")
    for service in plan.services:
        if service not in known:
            raise Misfit(
                f"there is no service {service[:63]!r}", nearest(service[:63], known), key="services"
            )
    if plan.end_ms <= plan.start_ms:
        raise Misfit("it ends before it begins", "give it an end after its start", key="end")
    if not plan.title:
        raise Misfit("it has no title", "write one", key="title")
    if any(condition.label for condition in plan.affects.where):
        raise Misfit("planned work has no labels", "write a fixed value", key="affects")
    strangers = [str(name) for who in house.catalogue.customers for name in (who.customer, who.name) if name]
    for texts in (plan.title, plan.noticed, plan.todo):
        for language, text in texts.items():
            for flaw in flaws(text, language, strangers):
                raise Misfit(flaw.sentence, flaw.cure)


def _fits(conn: Connection, plan: Plan, key: str, now_ms: int) -> None:
    others = {
        one.id: one.plan for one in maintenance_book.works(conn, now_ms) if not one.over and one.id != key
    }
    other = overlapping(plan, others)
    if other:
        raise maintenance_book.Conflict(f"it overlaps with {other!r} for one of its services")


def _cleared(
    conn: Connection, house: House, plan: Plan, by: tuple[Posted, Member | None], now_ms: int
) -> Waiting | None:
    """Return what is still to be waited for where so many are written to only at the word of humans.

    Raises ``Conflict`` where these do not know the number, or nobody knows who they are.
    """
    posted, member = by
    needs = needed(house, plan)
    if not needs.needs:
        return None
    if member is None and needs.needs > 1:
        raise maintenance_book.Conflict(f"{needs.reason}; it takes {needs.needs} people, {_NO_PROOF}")
    people = len(maintenance_book.audience_of(house, plan).people)
    if posted.count != people or (member is None and not posted.released_by):
        how = "released_by, and with count" if house.staff is None else "count"
        raise maintenance_book.Conflict(
            f"{needs.reason}; {needs.needs} of you must let it go: repeat it with {how},"
            f" the number of people ({people})"
        )
    if member is None:
        return None
    if posted.released_by:
        raise maintenance_book.Conflict("released_by: names prove nobody; each repeats it with a token")
    if Role.APPROVER not in member.may:
        raise Refused(403, f"{needs.reason}; this takes the role approver, which your token does not have")
    seed = msgspec.structs.replace(posted, by="")
    digest = hashlib.sha256(msgspec.json.encode(seed, order="deterministic")).hexdigest()
    said = plan_words.put(conn, digest, member, now_ms)
    if len(said) >= needs.needs:
        return None
    names = " and ".join(said)
    return Waiting(
        f"{needs.reason}; {names} said so, and it takes {needs.needs} people: another one repeats"
        " the same request with a token of their own within an hour"
    )


_NO_PROOF: Final = (
    "and names prove nobody: name staff in desk.yaml and send tokens, or plan it in a file of maintenance"
)


def needed(house: House, plan: Plan) -> Clearance:
    """Return how many humans it takes to plan this work."""
    everybody = sum(1 for _, person in house.catalogue.people() if person.is_told)
    people = len(maintenance_book.audience_of(house, plan).people)
    return caps.clearance(Size(people, everybody, people, plan.affects.everyone), Impact.MINOR)


def _impact(text: str) -> Impact:
    known = [one.value for one in Impact if one is not Impact.UNKNOWN]
    if text not in known:
        raise Misfit(f"{text[:40]!r} is no impact", f"write one of {', '.join(known)}", key="impact")
    return Impact(text)


def _moment(text: str) -> int:
    found = moment_ms(text)
    if not found:
        raise Misfit(f"{text[:40]!r} is not a moment", "write it like 2026-11-25T02:00:00+01:00")
    return found


def _texts(posted: str | dict[str, str]) -> dict[str, str]:
    texts = {"en": posted} if isinstance(posted, str) else posted
    return {language: str(Text.parse(text)) for language, text in texts.items()}


def _name(text: str) -> str:
    name = str(Text.parse(text))
    if len(name) > NAME_CHARS_MAX:
        raise Misfit("the name of who does it is too long", f"keep it within {NAME_CHARS_MAX}", key="by")
    return name


def shown(work: Maintenance) -> dict[str, Any]:
    """Return planned work as JSON shows it to staff."""
    plan = work.plan
    return {
        "id": work.id,
        "state": work.state.value,
        "services": list(plan.services),
        "impact": plan.impact.value,
        "start": rfc3339(plan.start_ms),
        "end": rfc3339(plan.end_ms),
        "title": dict(plan.title),
        "notice": dict(plan.noticed),
        "todo": dict(plan.todo),
        "sequence": work.sequence,
        "source": work.source,
        "by": work.by,
    }
