"""Where programs' requests come in: what answering them needs, how bodies are read and answers written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from desk.house import House
from desk.incident.episode import Outcome
from desk.intake.alerts import BODY_BYTES_MAX, Refused, without_nul
from desk.store.store import Store

BODY_S: Final = 10.0


@dataclass(slots=True)
class Counter:
    """Where requests come in: the store to ask, and whom to call when something is to be done.

    ``house`` is replaced whole when another catalogue comes into force.
    """

    store: Store
    house: House
    clock: Callable[[], int]
    woken: Callable[[Outcome], None]
    healthy: Callable[[], bool]


async def body(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Read the body within the limits of size and time."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > bytes_max:
                    raise Refused(413, f"the body has more than {bytes_max} bytes")
    except TimeoutError:
        raise Refused(408, f"the body did not come within {BODY_S:.0f} s") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    return without_nul(bytes(body))


def answer(value: object, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
