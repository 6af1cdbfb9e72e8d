"""How a password is proved to PostgreSQL without being sent: SCRAM-SHA-256 (RFC 5802, RFC 7677), and MD5.

Pure: the nonce is given. Loaded by the first server that asks for a proof: hashlib brings a library of 4 MB.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from typing import Final

ITERATIONS_MAX: Final = 200_000
"""How much work a server may ask for; PostgreSQL asks for 4096, 200,000 take 0.1 s."""

_HEADER: Final = b"n,,"  # no binding to a TLS channel


class Unproved(Exception):
    """The server broke the rules of the exchange, or does not know the password either."""


def md5(user: bytes, password: bytes, salt: bytes) -> bytes:
    """Return the answer to PostgreSQL's older challenge."""
    inner = hashlib.md5(password + user, usedforsecurity=False).hexdigest().encode()
    return b"md5" + hashlib.md5(inner + salt, usedforsecurity=False).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class Proof:
    """What is sent to prove the password, and what the server must then answer to prove that it knows it."""

    message: bytes
    expected: bytes


def first_message(nonce: bytes) -> bytes:
    """Return what begins the exchange; PostgreSQL takes the user from the beginning of the session."""
    return _HEADER + _bare(nonce)


def prove(password: bytes, nonce: bytes, challenge: bytes) -> Proof:
    """Return the proof that answers the server's challenge, or raise ``Unproved``."""
    fields = dict(part.partition(b"=")[::2] for part in challenge.split(b","))
    joint, iterations = fields.get(b"r", b""), fields.get(b"i", b"")
    try:
        salt = binascii.a2b_base64(fields.get(b"s", b""), strict_mode=True)
    except binascii.Error:
        salt = b""
    if not joint.startswith(nonce) or len(joint) == len(nonce) or not salt:
        raise Unproved("the server's challenge is malformed")
    if not iterations.isdigit() or not 0 < int(iterations[:9]) <= ITERATIONS_MAX:
        raise Unproved(f"the server asks for more than {ITERATIONS_MAX} rounds of work")
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, int(iterations))
    key = _mac(salted, b"Client Key")
    final = b"c=" + binascii.b2a_base64(_HEADER, newline=False) + b",r=" + joint
    said = b",".join((_bare(nonce), challenge, final))
    signature = _mac(hashlib.sha256(key).digest(), said)
    proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    expected = _mac(_mac(salted, b"Server Key"), said)
    return Proof(
        final + b",p=" + binascii.b2a_base64(proof, newline=False),
        b"v=" + binascii.b2a_base64(expected, newline=False),
    )


def verify(proof: Proof, answer: bytes) -> None:
    """Raise ``Unproved`` unless the server's last word proves that it knows the password."""
    if not hmac.compare_digest(answer.split(b",", 1)[0], proof.expected):
        raise Unproved("the server does not know the password either: it is not the one that it should be")


def prepared(password: bytes) -> bytes:
    """Return a password in the one form that stands for all ways to type it (SASLprep's normal form KC)."""
    if password.isascii():
        return password
    try:
        return unicodedata.normalize("NFKC", password.decode()).encode()
    except UnicodeDecodeError:
        return password


def _bare(nonce: bytes) -> bytes:
    return b"n=,r=" + nonce


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
