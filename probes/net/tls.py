"""TLS: how a target's certificate is judged, and what it said of itself.

The ssl module is loaded by the first target that needs it: it costs 4 MB that a host without one keeps.
"""

from __future__ import annotations

import calendar
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_CONTEXTS_MAX: Final = 16
_UTC_TIME: Final = 0x17
_TBS_VERSION: Final = 0xA0


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """How a certificate is judged, with blackbox_exporter's keys.

    ``ca_file`` replaces the system's authorities; ``server_name`` is asked for in place of the target's host.
    """

    ca_file: str = ""
    insecure_skip_verify: bool = False
    server_name: str = ""


SYSTEM_TRUST: Final = TlsConfig()


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a handshake agreed on; ``not_after_s`` is the first end of a certificate, seconds since 1970."""

    version: str
    not_after_s: float


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """Return the context that judges as configured; an OSError if the file of authorities is not there."""
    return _context(config.ca_file, config.insecure_skip_verify, _changed_ns(config.ca_file))


def handshake(plain: socket.socket, name: str, context: ssl.SSLContext) -> tuple[ssl.SSLSocket, Agreed]:
    """Turn a connected socket into a TLS one, within its timeout.

    Takes the socket over, also when it fails. Raises ``OSError`` where the target fails, ``ValueError``
    where its name or its certificate cannot be read.
    """
    secure = context.wrap_socket(plain, server_hostname=name)
    try:
        ends = [not_after_s(der) for der in _chain(secure)]
    except ValueError:
        secure.close()
        raise
    return secure, Agreed((secure.version() or "").replace("TLSv", "TLS "), min(ends))


def _chain(secure: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates as sent; before Python 3.13 only the server's own can be asked for."""
    if sys.version_info >= (3, 13):
        return secure.get_unverified_chain()
    own = secure.getpeercert(binary_form=True)
    assert own is not None, "a server that completed a handshake sent a certificate"
    return [own]


def _changed_ns(ca_file: str) -> int:
    """Tell when the authorities changed, so that a renewed file is read again."""
    import ssl  # noqa: PLC0415  # see the module's docstring

    path = ca_file or ssl.get_default_verify_paths().cafile
    return Path(path).stat().st_mtime_ns if path else 0


@lru_cache(maxsize=_CONTEXTS_MAX)
def _context(ca_file: str, insecure: bool, changed_ns: int) -> ssl.SSLContext:  # noqa: ARG001  # part of the cache's key
    """Return a client context; the system's authorities take some 20 ms to read, so it is kept."""
    import ssl  # noqa: PLC0415  # see the module's docstring

    if insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=ca_file or None)


def not_after_s(der: bytes) -> float:
    """Return the end of a certificate's validity in seconds since 1970 (RFC 5280), or raise ``ValueError``.

    Python itself tells it only of certificates that it verified.
    """
    try:
        _, certificate = next(_elements(der))
        _, signed = next(_elements(certificate))
        fields = [field for field in _elements(signed) if field[0] != _TBS_VERSION]
        _, validity = fields[3]  # after serial number, signature and issuer
        _, (tag, text) = _elements(validity)
    except (StopIteration, IndexError, ValueError):
        raise ValueError("the certificate cannot be read") from None
    digits = text.decode("ascii").rstrip("Z")
    if tag == _UTC_TIME:
        digits = ("19" if digits >= "50" else "20") + digits
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, 14, 2)]
    return float(calendar.timegm((year, *rest)))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER element that stands in these bytes (X.690)."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        if at + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[at : at + length]
        at += length
