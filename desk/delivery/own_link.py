"""Links of one person's own about one incident: signed, each for one purpose, and naming nobody."""

from __future__ import annotations

import hmac
import re
from typing import Final, Literal

Purpose = Literal["answer", "seen"]

_TOKEN: Final = re.compile(r"([0-9a-f]{12})-(\d{1,9})-([0-9a-f]{32})")


def token(secret: bytes, purpose: Purpose, ref: str, person: int) -> str:
    """Return the token of an incident and a person; 128 bits of HMAC-SHA-256 guard it."""
    return f"{ref}-{person}-{_mark(secret, purpose, ref, person)}"


def read_token(secret: bytes, purpose: Purpose, text: str) -> tuple[str, int] | None:
    """Return the incident and the person of a genuine token, else None."""
    shape = _TOKEN.fullmatch(text)
    if shape is None:
        return None
    ref, person = shape[1], int(shape[2])
    genuine = hmac.compare_digest(shape[3], _mark(secret, purpose, ref, person))
    return (ref, person) if genuine else None


def _mark(secret: bytes, purpose: Purpose, ref: str, person: int) -> str:
    return hmac.digest(secret, f"{purpose} {ref} {person}".encode(), "sha256").hex()[:32]
