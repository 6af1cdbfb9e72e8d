"""What agents hand in of what their playbooks wrote down, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.incident import findings
from desk.incident.findings import Found, Item
from desk.intake.alerts import LABELS_MAX, VALUE_BYTES_MAX, Refused, key_of
from desk.staff.counter import Counter, answer, body
from model.labels import Labels

ITEMS_MAX: Final = 64
TEXT_BYTES_MAX: Final = 96 << 10
"""How much one run may hand in: an agent stays within 64 KiB, and marks what it left out."""

_Word = Annotated[str, msgspec.Meta(max_length=256, pattern=r"\A[^\x00-\x1f]+\Z")]
_Label = Annotated[str, msgspec.Meta(max_length=VALUE_BYTES_MAX)]


class PostedItem(msgspec.Struct, forbid_unknown_fields=True):
    """What one step saw, as it is posted."""

    number: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    name: _Word
    text: str
    truncated: bool = False


class Posted(msgspec.Struct, forbid_unknown_fields=True):
    """What one run wrote down, as it is posted; ``labels`` are those that its alert is posted with."""

    labels: Annotated[dict[_Label, _Label], msgspec.Meta(min_length=1, max_length=LABELS_MAX)]
    host: _Word
    run: _Word
    playbook: _Word
    started_ms: Annotated[int, msgspec.Meta(ge=0, le=1 << 45)]
    items: Annotated[list[PostedItem], msgspec.Meta(max_length=ITEMS_MAX)]


_decoder: Final = msgspec.json.Decoder(Posted)


def evidence_routes(counter: Counter) -> list[Route]:
    """Return the route of evidence, for agents alone."""
    return [Route("/api/v1/evidence", _post(counter), methods=["POST"])]


def _post(counter: Counter) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        """Answer 200 once all of it is durable; what was handed in before is not kept twice."""
        try:
            found = _read(await body(request))
        except Refused as fact:
            return answer(fact.sentence, fact.status)
        write = partial(findings.keep, found=found, now_ms=counter.clock())
        return answer({"kept": await asyncio.wrap_future(counter.store.write(write))})

    return post


def _read(data: bytes) -> Found:
    try:
        posted = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refused(400, f"the body is no evidence: {wrong}") from None
    if sum(len(item.text.encode()) for item in posted.items) > TEXT_BYTES_MAX:
        raise Refused(413, f"the evidence has more than {TEXT_BYTES_MAX} bytes")
    return Found(
        key_of(Labels.of(posted.labels)),
        posted.host,
        posted.run,
        posted.playbook,
        posted.started_ms,
        tuple(_item(item) for item in posted.items),
    )


def _item(posted: PostedItem) -> Item:
    # PostgreSQL takes no NUL in a text.
    text = posted.text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Item(posted.number, posted.name, text, posted.truncated)
