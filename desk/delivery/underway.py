"""What couriers have in hand: the tries of a batch, written down together before the first of them is made.

A first try has no row in the log until it is answered: a row for each person before and another write after
would cost more than all the rest of the way. Whoever asks who may have a message calls ``write_down`` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.store.bulk import once, over, put

_BATCH, _LOG, _N = schema.batch, schema.delivery_log, schema.notice
_HELD: Final = over(_BATCH, ("taken_ms", "tries"))
_TAKEN: Final = _BATCH.c.tries != "[]"


class Try(msgspec.Struct, frozen=True, array_like=True):
    """One try to reach one person; ``before`` is what became of the try before it, "" for the first.

    ``tries`` counts it, ``expires_ms`` is when it is of no use any more. ``after_number`` is the last number
    that the incident had taken when it was begun; a try whose forerunner is in doubt has that one's.
    """

    notice: int
    person: int
    channel: str
    tries: int
    before: str
    expires_ms: int
    message_id: str = ""
    after_number: int = 0

    @property
    def key(self) -> tuple[int, int, str, int]:
        """What no other try has."""
        return self.notice, self.person, self.channel, self.tries


def hold(conn: Connection, worker: str, tries: Sequence[Try], taken_ms: int) -> None:
    """Write down what a worker has in hand from now on, in the place of what it had."""
    text = msgspec.json.encode(tries).decode()
    put(conn, _BATCH, [{"worker": worker, "taken_ms": taken_ms, "tries": text}], _HELD)


def held(conn: Connection, worker: str) -> list[Try]:
    """Return the tries that a worker has in hand."""
    found = conn.execute(sa.select(_BATCH.c.tries).where(_BATCH.c.worker == worker)).scalar()
    return _read(found or "[]")


def held_since(conn: Connection, taken_ms: int) -> list[tuple[str, list[Try]]]:
    """Return the workers that took a batch at this time or before and still have it, each with its tries."""
    query = sa.select(_BATCH.c.worker, _BATCH.c.tries).where(_TAKEN, _BATCH.c.taken_ms <= taken_ms)
    return [(str(row.worker), _read(row.tries)) for row in conn.execute(query)]


def write_down(conn: Connection, incident: int) -> None:
    """Give the first tries of an incident that are in hand their rows in the log, as ``sending``."""
    rows = conn.execute(sa.select(_BATCH.c.taken_ms, _BATCH.c.tries).where(_TAKEN)).all()
    first = [(one, int(row.taken_ms)) for row in rows for one in _read(row.tries) if not one.before]
    if first:
        own = set(conn.execute(sa.select(_N.c.id).where(_N.c.incident == incident)).scalars())
        put(conn, _LOG, _sending([one for one in first if one[0].notice in own]), once)


def _sending(tries: Iterable[tuple[Try, int]]) -> Iterable[dict[str, object]]:
    return (
        {
            "notice": one.notice,
            "person": one.person,
            "channel": one.channel,
            "message_id": one.message_id,
            "state": "sending",
            "tries": one.tries,
            "at_ms": taken_ms,
            "after_number": one.after_number,
        }
        for one, taken_ms in tries
    )


def _read(tries: str) -> list[Try]:
    return msgspec.json.decode(tries, type=list[Try])
