"""How reports of people come in over HTTP: from the portal, the mail gateway, or staff on their behalf."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.catalogue.person import printable
from desk.feedback import reports
from desk.feedback.reports import Intake, Kind, Report, TooMany
from desk.intake.alerts import Refused
from desk.staff.counter import Counter, answer, body
from desk.staff.door import Handed, member_of

BODY_BYTES_MAX: Final = 32 << 10
TEXT_CHARS_MAX: Final = 2_000
LISTED_MAX: Final = 500
AHEAD_MAX_MS: Final = 60_000
BEHIND_MAX_MS: Final = 14 * 86_400_000
"""A report that reaches us later changes no figure any more."""


class Posted(msgspec.Struct, forbid_unknown_fields=True):
    """A report as it is posted: ``who`` is the sender's address, or "" for somebody unknown.

    ``service`` is what they think it is about, ``received_ms`` when it reached the gateway. ``proven`` says
    that whoever posts it knows the sender; with staff, that counts where a token says who posts it.
    """

    kind: Kind
    who: Annotated[str, msgspec.Meta(max_length=254)] = ""
    service: Annotated[str, msgspec.Meta(max_length=63)] = ""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_CHARS_MAX)] = ""
    intake: Intake = "staff"
    received_ms: Annotated[int, msgspec.Meta(ge=0, le=1 << 45)] = 0
    proven: bool = True


_decoder: Final = msgspec.json.Decoder(Posted)


def report_routes(counter: Counter) -> list[Route]:
    """Return the routes of reports, for staff and gateways alone: whoever posts one says who sent it."""
    return [
        Route("/api/v1/reports", _post(counter), methods=["POST"]),
        Route("/api/v1/reports", _list(counter), methods=["GET"]),
    ]


def _post(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        """Answer 200 with how it stands once the report is durable."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return answer("the content type must be application/json", 415)
        now_ms = counter.clock()
        try:
            handed = Handed(await body(request, BODY_BYTES_MAX), member_of(request))
            report = _read(counter, handed, now_ms)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        house = counter.house
        write = partial(
            reports.take,
            catalogue=house.catalogue,
            report=report,
            fallback=house.config.language,
            now_ms=now_ms,
        )
        try:
            reply = await asyncio.wrap_future(counter.store.write(write))
        except TooMany as fact:
            return answer(str(fact), 429)
        url = f"{house.config.url}/incidents/{reply.incident}" if reply.incident else f"{house.config.url}/"
        known = bool(report.person and report.proven)
        return answer({**asdict(reply), "known": known, "proven": report.proven, "url": url})

    return post


def _read(counter: Counter, handed: Handed, now_ms: int) -> Report:
    """Return what was posted as a report, or raise ``Refused``."""
    try:
        posted = _decoder.decode(handed.data)
    except msgspec.MsgspecError as wrong:
        raise Refused(400, f"this is no report: {wrong}") from None
    received_ms = posted.received_ms or now_ms
    if not now_ms - BEHIND_MAX_MS <= received_ms <= now_ms + AHEAD_MAX_MS:
        raise Refused(400, "received_ms is not within the last 14 days")
    catalogue = counter.house.catalogue
    if posted.service and posted.service not in catalogue.services:
        raise Refused(400, "the catalogue has no such service; leave it out where nobody knows")
    who = posted.who.strip().lower()
    known = next(
        ((one, person) for one, person in catalogue.people() if who and str(person.email).lower() == who),
        None,
    )
    # Of a sender whom nobody vouches for, nothing may be told that only that person may know. Where there
    # is no staff, whoever reaches the staff address is believed, as in everything else there.
    proven = posted.proven and (handed.member is not None or counter.house.config.staff is None)
    return Report(
        # An address that is nobody's here is not kept.
        person=counter.house.people.get(known[1].email, 0) if known else 0,
        uses=frozenset(ref.text for ref in known[0].uses) if known and proven else frozenset(),
        language=str(known[1].language or "") if known and proven else "",
        service=posted.service,
        kind=posted.kind,
        intake=posted.intake,
        text=printable(posted.text),
        received_ms=min(received_ms, now_ms),
        proven=proven,
    )


def _list(counter: Counter) -> Callable[[Request], Response]:
    def listed(request: Request) -> Response:
        text = request.query_params.get("limit", "50")
        limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
        if not 1 <= limit <= LISTED_MAX:
            return answer(f"limit must be a number from 1 to {LISTED_MAX}", 400)
        with counter.store.reading() as conn:
            return answer({"reports": reports.newest(conn, limit)})

    return listed
