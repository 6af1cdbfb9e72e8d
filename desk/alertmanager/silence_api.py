"""Silences over HTTP, as Alertmanager's API v2 has them: what is answered 200 is on disk."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.alertmanager import silence_book
from desk.alertmanager.ask import filters
from desk.alertmanager.silence import Silence, SilenceState, Unsound, in_order, wanted
from desk.catalogue.person import printable
from desk.incident.account import rfc3339
from desk.intake.alerts import Refused, moment_ms
from desk.staff.counter import Counter, answer, body
from desk.staff.door import member_of, name_of
from desk.staff.staff import Member
from model.matcher import Matcher
from model.misfit import Misfit

TEXT_BYTES_MAX: Final = 4 << 10

_OPERATORS: Final = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
_WIRE: Final = {"starts_at": "startsAt", "ends_at": "endsAt", "created_by": "createdBy"}


class PostedMatcher(msgspec.Struct, frozen=True, rename={"is_regex": "isRegex", "is_equal": "isEqual"}):
    """One condition as it is posted."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class PostedSilence(msgspec.Struct, frozen=True, rename=_WIRE):
    """A silence as it is posted; unknown fields are ignored, as in Alertmanager."""

    matchers: list[PostedMatcher]
    starts_at: str
    ends_at: str
    created_by: str
    comment: str
    id: str = ""
    annotations: dict[str, str] = {}


_decoder: Final = msgspec.json.Decoder(PostedSilence)


def silence_routes(counter: Counter) -> list[Route]:
    """Return the routes of silences, for staff and their programs alone."""
    return [
        Route("/api/v2/silences", _post(counter), methods=["POST"]),
        Route("/api/v2/silences", _list(counter), methods=["GET"]),
        Route("/api/v2/silence/{id}", _one(counter), methods=["GET"]),
        Route("/api/v2/silence/{id}", _expire(counter), methods=["DELETE"]),
    ]


def _post(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        """Answer with the id once the silence is durable."""
        now_ms = counter.clock()
        try:
            posted = read_silence(await body(request), now_ms)
            posted = replace(posted, created_by=author(member_of(request), posted.created_by))
            write = partial(silence_book.put, posted=posted, fresh_id=str(uuid.uuid4()), now_ms=now_ms)
            key = await asyncio.wrap_future(counter.store.write(write))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        except Unsound as wrong:
            return answer(f"invalid silence: {wrong}", 400)
        except silence_book.Unknown:
            return answer("silence not found", 404)
        except silence_book.Full as wrong:
            return answer(str(wrong), 429)
        return answer({"silenceID": key})

    return post


def _list(counter: Counter) -> Callable[[Request], Response]:
    def every(request: Request) -> Response:
        try:
            chosen = filters(request)
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        left_out = {
            state for state in SilenceState if request.query_params.get(state.value, "true") == "false"
        }
        now_ms = counter.clock()
        with counter.store.reading() as conn:
            found = [one for one in silence_book.silences(conn) if wanted(one, chosen)]
        shown = [one for one in in_order(found, now_ms) if one.state_at(now_ms) not in left_out]
        return answer([told(one, now_ms) for one in shown])

    return every


def _one(counter: Counter) -> Callable[[Request], Response]:
    def one(request: Request) -> Response:
        with counter.store.reading() as conn:
            found = silence_book.one_silence(conn, str(request.path_params["id"]))
        return answer(told(found, counter.clock())) if found else Response(status_code=404)

    return one


def _expire(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def expire(request: Request) -> Response:
        """End a silence; one that is over already is left as it is."""
        key = str(request.path_params["id"])
        by = name_of(member_of(request))
        write = partial(silence_book.expire, key=key, now_ms=counter.clock(), by=by)
        try:
            await asyncio.wrap_future(counter.store.write(write))
        except silence_book.Unknown:
            return Response(status_code=404)
        return Response(status_code=200)

    return expire


def read_silence(data: bytes, now_ms: int) -> Silence:
    """Return a silence that was posted, or raise ``Refused``."""
    try:
        posted = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refused(400, f"the body is not a silence: {wrong}") from None
    starts_ms, ends_ms = (moment_ms(text) for text in (posted.starts_at, posted.ends_at))
    if starts_ms is None or ends_ms is None:
        raise Refused(400, "startsAt and endsAt are times of RFC 3339")
    texts = [posted.created_by, posted.comment, *posted.annotations, *posted.annotations.values()]
    if any(len(text.encode()) > TEXT_BYTES_MAX for text in texts):
        raise Refused(400, f"a text has more than {TEXT_BYTES_MAX} bytes")
    return Silence(
        posted.id,
        tuple(_matcher(one) for one in posted.matchers),
        starts_ms,
        ends_ms,
        now_ms,
        posted.created_by,
        posted.comment,
        posted.annotations,
    )


def author(member: Member | None, claimed: str) -> str:
    """Return who is written down for a silence; clients name whoever they think they run for."""
    if member is None:
        return claimed
    if not printable(claimed) or claimed.casefold() == member.name.casefold():
        return str(member.name)
    return f"{printable(claimed)} via {member.name}"


def _matcher(posted: PostedMatcher) -> Matcher:
    operator: Any = _OPERATORS[posted.is_regex, posted.is_equal]
    if not posted.name:
        raise Refused(400, "a matcher names a label")
    try:
        return Matcher(posted.name, operator, posted.value)
    except Misfit as wrong:
        raise Refused(400, f"bad matcher for {posted.name[:40]!r}: {wrong.sentence}") from None


def told(silence: Silence, now_ms: int) -> dict[str, Any]:
    """Return a silence in the form of Alertmanager's API, and who ended it where that is known."""
    ended = {"endedBy": silence.ended_by} if silence.ended_by else {}
    return {
        "id": silence.id,
        "status": {"state": silence.state_at(now_ms).value},
        "updatedAt": rfc3339(silence.updated_ms),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": rfc3339(silence.ends_ms),
        "startsAt": rfc3339(silence.starts_ms),
        "matchers": [
            {
                "isEqual": one.operator in ("=", "=~"),
                "isRegex": one.operator.endswith("~"),
                "name": one.label,
                "value": one.value,
            }
            for one in silence.matchers
        ],
        "annotations": dict(silence.annotations),
        **ended,
    }
