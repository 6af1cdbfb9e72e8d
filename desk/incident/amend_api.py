"""What people do to incidents, over HTTP, for staff: amend, merge, take back, open again, write down."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.catalogue.person import printable
from desk.house import House
from desk.incident import amend
from desk.incident.account import accounts
from desk.incident.episode import Outcome
from desk.incident.incident import Field
from desk.incident.order import (
    BECAUSE_CHARS_MAX,
    NAME_CHARS_MAX,
    TITLE_CHARS_MAX,
    Amendment,
    Backfill,
    Conflict,
    Signed,
    Unknown,
    Wrong,
)
from desk.intake.alerts import Refused, moment_ms
from desk.notice.lint import flaws
from desk.staff.counter import Counter, answer, body
from desk.staff.door import Handed, member_of
from desk.state import Impact, IncidentState

BODY_BYTES_MAX: Final = 64 << 10
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")

_By = Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)]
_Because = Annotated[str, msgspec.Meta(max_length=BECAUSE_CHARS_MAX)]
_Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Impact = Literal["minor", "degraded", "partial", "major"]
_State = Literal["investigating", "identified", "monitoring", "resolved"]
_Texts = str | dict[str, str]


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who does it, where no token says so, and why."""

    by: _By = ""
    because: _Because = ""

    def signed(self, handed: Handed) -> Signed:
        """Return the name and the reason as they are written down."""
        name = printable(handed.by(self.by))
        if not name:
            raise Refused(400, "by: write who you are")
        return Signed(name, printable(self.because))


class PostedMerge(_Signed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An incident to become part of another one."""

    into: _Ref


class PostedRetraction(_Signed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An incident that never was; ``wrong`` is why, in the words of the letter."""

    wrong: Wrong = "measured"


class PostedReopening(_Signed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An incident that is not over after all."""


class PostedAmendment(_Signed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fields that a person sets, or gives back to automation; a text is one for all, or by language."""

    title: _Texts = ""
    impact: _Impact | None = None
    state: _State | None = None
    text: _Texts = ""
    unlock: frozenset[Field] = frozenset()
    notify: bool = True


class PostedBackfill(
    _Signed, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}
):
    """An incident that no alert told of; without ``to`` it goes on."""

    service: _Ref
    impact: _Impact
    from_: str
    to: str = ""
    title: _Texts = ""
    text: _Texts = ""
    notify: bool = False


Change = Callable[[Connection, House, str, Handed, int], str]


def amend_routes(counter: Counter) -> list[Route]:
    """Return the routes by which people change incidents, for staff alone."""
    one = "/api/v1/incidents/{id}"
    return [
        Route("/api/v1/incidents", _changing(counter, _backfill, 201), methods=["POST"]),
        Route(one, _changing(counter, _amend), methods=["PATCH"]),
        Route(f"{one}/merge", _changing(counter, _merge), methods=["POST"]),
        Route(f"{one}/retract", _changing(counter, _retract), methods=["POST"]),
        Route(f"{one}/reopen", _changing(counter, _reopen), methods=["POST"]),
    ]


def _changing(
    counter: Counter, change: Change, status: int = 200
) -> Callable[[Request], Awaitable[Response]]:
    async def changing(request: Request) -> Response:
        """Answer with the incident as it is, once that is durable with every notice that follows from it."""
        # A form of a page elsewhere cannot send this type without being asked about it first.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return answer("the content type must be application/json", 415)
        ref, now_ms = str(request.path_params.get("id", "")), counter.clock()
        try:
            handed = Handed(await body(request, BODY_BYTES_MAX), member_of(request))
            write = partial(_told, change=change, house=counter.house, ref=ref, handed=handed, now_ms=now_ms)
            told = await asyncio.wrap_future(counter.store.write(write))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        except Unknown as fact:
            return answer(str(fact), 404)
        except Conflict as fact:
            return answer(str(fact), 409)
        counter.woken(Outcome(True, now_ms))
        return answer(told, status)

    return changing


def _told(
    conn: Connection, change: Change, house: House, ref: str, handed: Handed, now_ms: int
) -> dict[str, Any]:
    found = accounts(conn, house.catalogue, ref=change(conn, house, ref, handed, now_ms))
    return found[0]


_MERGE: Final = msgspec.json.Decoder(PostedMerge)
_RETRACTION: Final = msgspec.json.Decoder(PostedRetraction)
_REOPENING: Final = msgspec.json.Decoder(PostedReopening)
_AMENDMENT: Final = msgspec.json.Decoder(PostedAmendment)
_BACKFILL: Final = msgspec.json.Decoder(PostedBackfill)


def _read(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:  # the callers name the type
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refused(400, f"the body is not what is asked for: {wrong}") from None


def _merge(conn: Connection, house: House, ref: str, handed: Handed, now_ms: int) -> str:
    posted: PostedMerge = _read(_MERGE, handed.data)
    amend.merge(conn, house, ref, posted.into, posted.signed(handed), now_ms)
    return ref


def _retract(conn: Connection, house: House, ref: str, handed: Handed, now_ms: int) -> str:
    posted: PostedRetraction = _read(_RETRACTION, handed.data)
    if not posted.because.strip():
        raise Refused(400, "because: write why it is taken back")
    amend.retract(conn, house, ref, posted.signed(handed), posted.wrong, now_ms)
    return ref


def _reopen(conn: Connection, house: House, ref: str, handed: Handed, now_ms: int) -> str:
    posted: PostedReopening = _read(_REOPENING, handed.data)
    amend.reopen(conn, house, ref, posted.signed(handed), now_ms)
    return ref


def _amend(conn: Connection, house: House, ref: str, handed: Handed, now_ms: int) -> str:
    posted: PostedAmendment = _read(_AMENDMENT, handed.data)
    order = Amendment(
        title=_texts(house, "title", posted.title, TITLE_CHARS_MAX),
        impact=Impact(posted.impact) if posted.impact else None,
        state=IncidentState(posted.state) if posted.state else None,
        text=_texts(house, "text", posted.text),
        unlock=posted.unlock,
        notify=posted.notify,
    )
    if not any((order.title, order.impact, order.state, order.text, order.unlock)):
        raise Refused(400, "nothing is to change: give title, impact, state, text or unlock")
    amend.amend(conn, house, ref, order, posted.signed(handed), now_ms)
    return ref


def _backfill(conn: Connection, house: House, _ref: str, handed: Handed, now_ms: int) -> str:
    posted: PostedBackfill = _read(_BACKFILL, handed.data)
    order = Backfill(
        service=posted.service,
        impact=Impact(posted.impact),
        from_ms=_moment("from", posted.from_, now_ms),
        until_ms=_moment("to", posted.to, now_ms) if posted.to else 0,
        title=_texts(house, "title", posted.title, TITLE_CHARS_MAX),
        text=_texts(house, "text", posted.text),
        notify=posted.notify,
    )
    if order.until_ms and order.until_ms <= order.from_ms:
        raise Refused(400, "to: it ends before it begins")
    if order.until_ms and order.notify:
        raise Refused(400, "notify: it is over, and nobody is written to of what is over")
    return amend.backfill(conn, house, order, posted.signed(handed), now_ms)


def _moment(key: str, text: str, now_ms: int) -> int:
    found = moment_ms(text)
    if not found:
        raise Refused(400, f"{key}: {text[:40]!r} is not a time of RFC 3339")
    if found > now_ms:
        raise Refused(400, f"{key}: it lies ahead")
    return found


def _texts(house: House, key: str, posted: _Texts, chars_max: int = 0) -> Mapping[str, str]:
    """Return words by language, or refuse what must not be said to customers."""
    home = str(house.config.language)
    texts = ({home: posted} if posted else {}) if isinstance(posted, str) else posted
    strangers = [str(name) for who in house.catalogue.customers for name in (who.customer, who.name) if name]
    for language, text in texts.items():
        if not _LANGUAGE.fullmatch(language):
            raise Refused(400, f"{key}: {language[:20]!r} is not a language, write it like en")
        if not printable(text) or (chars_max and len(text) > chars_max):
            raise Refused(400, f"{key}: it is empty or too long")
        for flaw in flaws(text, language, strangers):
            raise Refused(422, f"{key}: {flaw.sentence}; {flaw.cure}")
    return {language: printable(text) for language, text in texts.items()}
