"""How a password is proved to MySQL and MariaDB without being sent.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods.html.
Loaded by the first server that asks for a proof: hashlib brings a library of 4 MB.
"""

from __future__ import annotations

import hashlib


def native(password: bytes, challenge: bytes) -> bytes:
    """Return the answer of mysql_native_password: SHA1(p) xor SHA1(challenge, SHA1(SHA1(p)))."""
    once = _sha1(password)
    return _mixed(once, _sha1(challenge + _sha1(once)))


def caching_sha2(password: bytes, challenge: bytes) -> bytes:
    """Return caching_sha2_password's quick answer: SHA256(p) xor SHA256(SHA256(SHA256(p)), challenge)."""
    once = hashlib.sha256(password).digest()
    return _mixed(once, hashlib.sha256(hashlib.sha256(once).digest() + challenge).digest())


def _sha1(data: bytes) -> bytes:
    # The protocol's choice; the challenge keeps an answer from being used twice.
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
