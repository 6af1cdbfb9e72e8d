"""A person's word on one request to act: what it names, and the seal by which a hand knows it.

The seal is an HMAC-SHA256 (RFC 2104) with a key that only root on the host and the desk can read, so that
whoever carries a word from a person to a hand, the agent among them, can neither make one nor change it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import astuple, dataclass, replace
from typing import Final

from model.misfit import Misfit

KEY_BYTES: Final = 32

_PURPOSE: Final = "beforehand grant 1"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person answered to one request, ``ask``, whose id is never given again.

    ``plan`` is the SHA-256 of all the steps that were shown, in hexadecimal digits, ``by`` the person and
    ``yes`` the answer. It holds for a run that begins before ``until_ms``; times are ms since 1970 in UTC.
    """

    ask: str
    host: str
    playbook: str
    plan: str
    by: str
    yes: bool
    at_ms: int
    until_ms: int
    seal: str = ""


def sealed(grant: Grant, key: bytes) -> Grant:
    """Return the grant with its seal."""
    return replace(grant, seal=_seal(grant, key))


def genuine(grant: Grant, key: bytes) -> bool:
    """Tell whether somebody who has the key made this grant as it stands."""
    # A seal from JSON can hold half a character, which cannot be encoded; it is none of ours.
    return hmac.compare_digest(_seal(grant, key).encode(), grant.seal.encode(errors="replace"))


def host_key(key: bytes, host: str) -> bytes:
    """Return the key of one host, made of the desk's: whoever has it can make none for another host."""
    return hmac.new(key, json.dumps([f"{_PURPOSE} host", host]).encode(), hashlib.sha256).digest()


def key_of(text: str) -> bytes:
    """Read a key as it stands in its file, 64 hexadecimal digits; raises ``Misfit``."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        cure = "write one with: openssl rand -hex 32"
        raise Misfit(f"a key is {2 * KEY_BYTES} hexadecimal digits", cure)
    return key


def _seal(grant: Grant, key: bytes) -> str:
    # As JSON each field has its bounds, so no two grants have one text.
    text = json.dumps([_PURPOSE, *astuple(replace(grant, seal=""))], ensure_ascii=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
