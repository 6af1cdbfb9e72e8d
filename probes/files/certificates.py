"""Certificates as they stand in files: PEM (RFC 7468), DER or PKCS#12, and how strong each is.

What strength is asked for: NIST SP 800-131A, keys of 112 bits of security and signatures without SHA-1.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final

from probes.net.certificate import Certificate, certificate, elements

CERTIFICATES_MAX: Final = 1000

_PEM: Final = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]{1,200000})"
    rb"-----END (?:X509 |TRUSTED )?CERTIFICATE-----"
)
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_VERSION: Final = 0xA0

_RSA: Final = bytes.fromhex("2a864886f70d010101")
_DSA: Final = bytes.fromhex("2a8648ce380401")
_EC: Final = bytes.fromhex("2a8648ce3d0201")
_WEAK_SIGNATURES: Final = frozenset(
    map(
        bytes.fromhex,
        (
            "2a864886f70d010102",  # MD2 with RSA
            "2a864886f70d010104",  # MD5 with RSA
            "2a864886f70d010105",  # SHA-1 with RSA
            "2b0e03021d",  # SHA-1 with RSA, by another name
            "2a8648ce380403",  # SHA-1 with DSA
            "2a8648ce3d0401",  # SHA-1 with ECDSA
        ),
    )
)
RSA_BITS_MIN: Final = 2048
EC_BITS_MIN: Final = 224


@dataclass(frozen=True, slots=True)
class Filed:
    """One certificate of a file; ``weakness`` says in words what is weak about it, or nothing."""

    told: Certificate
    self_signed: bool
    weakness: str


def is_pkcs12(data: bytes) -> bool:
    """Tell whether these bytes are a PKCS#12 store (RFC 7292): a sequence that begins with a number."""
    head = 2 + (data[1] & 0x7F if len(data) > 1 and data[1] & 0x80 else 0)
    return data[:1] == bytes((_SEQUENCE,)) and data[head : head + 1] == bytes((_INTEGER,))


def filed(data: bytes) -> list[Filed]:
    """Return the certificates of a file in PEM or DER, or raise ``ValueError`` where one cannot be read."""
    if data[:1] == bytes((_SEQUENCE,)):
        return [_judged(data)]
    blocks = _PEM.findall(data)
    if len(blocks) > CERTIFICATES_MAX:
        raise ValueError(f"there are more than {CERTIFICATES_MAX} certificates in it")
    return [_judged(_unarmoured(block)) for block in blocks]


def _unarmoured(block: bytes) -> bytes:
    try:
        return binascii.a2b_base64(block)
    except binascii.Error:
        raise ValueError("a certificate is not in base64") from None


def _judged(der: bytes) -> Filed:
    told = certificate(der)
    try:
        _, outer = next(elements(der))
        _, signed = next(elements(outer))
        fields = [content for tag, content in elements(signed) if tag != _VERSION]
        _, signature, issuer, _, subject, key = fields[:6]
        weakness = _weak_key(key)
        if not weakness and issuer != subject and _identity(signature) in _WEAK_SIGNATURES:
            weakness = "it is signed with a hash that is broken"
    except (StopIteration, IndexError, ValueError):
        raise ValueError("the certificate cannot be read") from None
    return Filed(told, issuer == subject, weakness)


def _identity(algorithm: bytes) -> bytes:
    _, identity = next(elements(algorithm))
    return identity


def _weak_key(key: bytes) -> str:
    """Return what is weak about a public key (SubjectPublicKeyInfo, RFC 5280 4.1)."""
    (_, algorithm), (_, bits) = elements(key)
    kind = _identity(algorithm)
    if kind == _DSA:
        return "its key is of DSA"
    if kind == _RSA:
        _, pair = next(elements(bits[1:]))  # after the count of unused bits
        _, modulus = next(elements(pair))
        size = int.from_bytes(modulus, "big").bit_length()
        return f"its RSA key has {size} bits" if size < RSA_BITS_MIN else ""
    if kind == _EC:
        compressed = bits[1:2] in (b"\x02", b"\x03")
        size = (len(bits) - 2) * 8 // (1 if compressed else 2)
        return f"its key is on a curve of {size} bits" if size < EC_BITS_MIN else ""
    return ""
