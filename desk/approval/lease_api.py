"""What agents ask of the desk before they touch a host: leases, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from desk.approval import lease, lessor
from desk.intake.alerts import Refused
from desk.staff.counter import Counter, answer, body

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Share = Annotated[str, msgspec.Meta(pattern=r"\A(|[1-9][0-9]{0,3}|([1-9][0-9]?|100)%)\Z")]


class Posted(msgspec.Struct, forbid_unknown_fields=True):
    """A request for a lease, or its end, as it is posted."""

    service: _Word
    host: _Word
    playbook: _Word
    hosts_at_once: _Share = ""


_decoder: Final = msgspec.json.Decoder(Posted)


def lease_routes(counter: Counter) -> list[Route]:
    """Return the routes of leases, for agents alone."""
    return [
        Route("/api/v1/leases", _ask(counter), methods=["POST"]),
        Route("/api/v1/leases/end", _end(counter), methods=["POST"]),
    ]


def _ask(counter: Counter) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def ask(request: HttpRequest) -> Response:
        """Answer 200 with the verdict, once it is durable; a no is as good an answer as a yes."""
        try:
            posted = _read(await body(request))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        asked = lease.Request(posted.service, posted.host, posted.playbook, posted.hosts_at_once)
        catalogue, now_ms = counter.house.catalogue, counter.clock()
        write = partial(lessor.ask, catalogue=catalogue, request=asked, now_ms=now_ms)
        verdict = await asyncio.wrap_future(counter.store.write(write))
        if isinstance(verdict, lease.Granted):
            return answer({"granted": True, "until_ms": verdict.until_ms})
        denied = {"reason": verdict.reason, "retry_at_ms": verdict.retry_at_ms, "page": verdict.page}
        return answer({"granted": False, **denied})

    return ask


def _end(counter: Counter) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def end(request: HttpRequest) -> Response:
        """Take a lease back; that there was none is no mistake, since it may have run out."""
        try:
            posted = _read(await body(request))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        write = partial(lessor.give_back, service=posted.service, host=posted.host, now_ms=counter.clock())
        return answer({"ended": await asyncio.wrap_future(counter.store.write(write))})

    return end


def _read(data: bytes) -> Posted:
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refused(400, f"the body is not a request for a lease: {wrong}") from None
