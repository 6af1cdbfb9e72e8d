"""The link that ends messages about one service: signed, without expiry, of no effect until it is posted."""

from __future__ import annotations

import hmac
import re
from typing import Final

from sqlalchemy import Connection

from desk import schema
from desk.store.store import upsert

_TOKEN: Final = re.compile(r"(\d{1,9})-([a-z0-9_.-]{1,63})-([0-9a-f]{32})")


def token(secret: bytes, person: int, service: str) -> str:
    """Return the token of a person and a service; it names nobody, and 128 bits of HMAC guard it."""
    return f"{person}-{service}-{_mark(secret, person, service)}"


def read_token(secret: bytes, text: str) -> tuple[int, str] | None:
    """Return the person and the service of a genuine token, else None."""
    shape = _TOKEN.fullmatch(text)
    if shape is None:
        return None
    person, service = int(shape[1]), shape[2]
    return (person, service) if hmac.compare_digest(shape[3], _mark(secret, person, service)) else None


def opt_out(conn: Connection, person: int, service: str, now_ms: int) -> None:
    """Write down that a person wants no more of a service; a second time changes nothing."""
    table = schema.opt_out
    conn.execute(
        upsert(conn, table).values(person=person, service=service, at_ms=now_ms).on_conflict_do_nothing()
    )


def _mark(secret: bytes, person: int, service: str) -> str:
    return hmac.digest(secret, f"unsubscribe {person} {service}".encode(), "sha256").hex()[:32]
