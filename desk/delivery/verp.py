"""Whose mail came back: a token in the address that mail servers report to, so that no report can be forged.

Variable envelope return paths: ``bounce@shop.example`` becomes ``bounce+TOKEN@shop.example`` for each person.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import Message
from typing import Final

from desk.catalogue.person import LOCAL_BYTES_MAX, EmailAddress

TOKEN_CHARACTERS_MAX: Final = 42
_FIELDS: Final = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
_ADDRESSES_MAX: Final = 8


def return_path(secret: bytes, path: EmailAddress, person: int) -> str:
    """Return where mail servers report of one person's mail."""
    local, _, domain = path.rpartition("@")
    return f"{local}+{person}-{_mark(secret, person)}@{domain}"


def fits(path: EmailAddress) -> bool:
    """Tell whether there is room for a token in an address (RFC 5321, 4.5.3.1.1)."""
    return len(path.rpartition("@")[0]) + 1 + TOKEN_CHARACTERS_MAX <= LOCAL_BYTES_MAX


def person_of(secret: bytes, path: EmailAddress, address: str) -> int | None:
    """Return whose mail an address is reported to, None where its token is not genuine."""
    local, _, domain = path.rpartition("@")
    shape = re.fullmatch(
        rf"{re.escape(local)}\+(\d{{1,9}})-([0-9a-f]{{32}})@{re.escape(domain)}",
        address.strip(),
        re.IGNORECASE,
    )
    if shape is None:
        return None
    person = int(shape[1])
    return person if hmac.compare_digest(shape[2].lower(), _mark(secret, person)) else None


def reported_of(secret: bytes, path: EmailAddress, report: bytes) -> int | None:
    """Return whom a report is about by the address that it was sent to."""
    message = message_from_bytes(report, policy=policy.compat32)
    return next((one for one in _people(secret, path, message) if one is not None), None)


def _people(secret: bytes, path: EmailAddress, message: Message) -> Iterable[int | None]:
    for field in _FIELDS:
        for text in message.get_all(field, [])[:_ADDRESSES_MAX]:
            for address in re.findall(r"[^\s<>;,\"]{3,254}", str(text))[:_ADDRESSES_MAX]:
                yield person_of(secret, path, address)


def _mark(secret: bytes, person: int) -> str:
    return hmac.digest(secret, f"bounce {person}".encode(), "sha256").hex()[:32]
