"""TLS: how a target's certificate is judged, what this side shows of itself, and what a handshake agreed on.

The ssl module is loaded by the first target that needs it: it costs 4 MB that a host without one keeps.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from model.conversation import RECEIVE_BYTES
from model.misfit import Misfit
from probes.net.certificate import Certificate, certificate
from probes.net.credentials import NO_SECRET, Secret

if TYPE_CHECKING:
    import ssl

TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
Problem = Literal[
    "", "expired", "not_yet_valid", "self_signed", "wrong_host", "untrusted", "weak", "refused", "other"
]

NEVER_S: Final = -62135596800.0
"""What blackbox_exporter tells for a moment that there is not: the beginning of Go's time."""

_CONTEXTS_MAX: Final = 16
_CERTIFICATES_MAX: Final = 256
_DER: Final = 2
_INNER: Final = "_sslobj"
_VERSIONS: Final = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}
_OLD: Final = ("TLS10", "TLS11")
# What OpenSSL found wrong with a certificate (x509_vfy.h).
_PROBLEMS: Final[dict[int, Problem]] = {
    9: "not_yet_valid", 10: "expired", 18: "self_signed", 19: "self_signed", 62: "wrong_host",
    64: "wrong_host", 66: "weak", 67: "weak", 68: "weak", 2: "untrusted", 20: "untrusted",
    21: "untrusted", 24: "untrusted", 26: "untrusted", 27: "untrusted", 23: "refused", 28: "refused",
}  # fmt: skip  # five to a line


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """How a certificate is judged, with blackbox_exporter's keys.

    ``ca_file``, or ``ca`` written here, replaces the system's authorities; ``server_name`` is asked for in
    place of the target's host. ``cert_file`` and ``key_file`` are shown to a target that asks who this is.
    Versions before TLS 1.2 are spoken only where ``min_version`` says so; ``insecure_skip_verify`` takes any
    certificate.
    """

    ca_file: str = ""
    ca: str = ""
    insecure_skip_verify: bool = False
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    min_version: TlsVersion | None = None
    max_version: TlsVersion | None = None
    cert: str = ""
    key: Secret = NO_SECRET

    def __post_init__(self) -> None:
        if self.cert or self.key:
            cure = "write them to files, and name those in cert_file and key_file"
            raise Misfit("a client's certificate and key are not taken from here", cure, key="cert")
        if bool(self.cert_file) is not bool(self.key_file):
            raise Misfit("cert_file and key_file go together", "name both", key="cert_file")
        if self.ca and self.ca_file:
            raise Misfit("ca and ca_file are both given", "keep one of them", key="ca")
        if self.min_version and self.max_version and self.min_version > self.max_version:
            raise Misfit("min_version is above max_version", "exchange them", key="min_version")


SYSTEM_TRUST: Final = TlsConfig()


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a handshake agreed on, and what the target showed of itself.

    ``not_after_s`` is the first end of a certificate as sent, ``chain_end_s`` that of the chain as verified,
    both in seconds since 1970. ``cipher`` is named as IANA names it, ``sha256`` is the fingerprint in hex.
    """

    version: str
    cipher: str
    protocol: str
    not_after_s: float
    chain_end_s: float
    own: Certificate
    sha256: str


def client_context(config: TlsConfig, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the context that judges as configured; an OSError where a file of it is not there.

    ``protocols`` are offered by ALPN (RFC 7301).
    """
    return _context(config, protocols, _changed_ns(config))


def agreed_by(secure: ssl.SSLObject) -> Agreed:
    """Return what a handshake that is done agreed on; ``ValueError`` where a certificate cannot be read."""
    sent, verified = _chain(secure, "unverified"), _chain(secure, "verified")
    ends = [_certificate(der).not_after_s for der in sent]
    chain_ends = [_certificate(der).not_after_s for der in verified]
    cipher = secure.cipher()
    return Agreed(
        version=_VERSIONS.get(secure.version() or "", "unknown"),
        cipher=_iana(cipher[0]) if cipher else "unknown",
        protocol=secure.selected_alpn_protocol() or "",
        not_after_s=min(ends),
        chain_end_s=min(chain_ends, default=NEVER_S),
        own=_certificate(sent[0]),
        sha256=hashlib.sha256(sent[0]).hexdigest(),
    )


def problem_of(wrong: Exception) -> Problem:
    """Return what was wrong with the certificate where that is why a handshake failed, else nothing."""
    code = getattr(wrong, "verify_code", None)
    return "" if code is None else _PROBLEMS.get(code, "other")


class Secured:
    """One end of TLS between what is said and what goes over the wire."""

    def __init__(self, context: object, name: str) -> None:
        import ssl  # noqa: PLC0415  # see the module's docstring

        assert isinstance(context, ssl.SSLContext), "that is what was asked for"
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._waits = ssl.SSLWantReadError
        self.end: ssl.SSLObject = context.wrap_bio(self._in, self._out, server_hostname=name or None)

    def shake_hands(self) -> bool:
        """Go on with the handshake; True when it is done, False while more must come in."""
        try:
            self.end.do_handshake()
        except self._waits:
            return False
        return True

    def out(self) -> bytes:
        """Return what is to be sent."""
        return self._out.read()

    def take_in(self, data: bytes) -> None:
        """Take what came over the wire; nothing stands for its end."""
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def sealed(self, data: bytes) -> bytes:
        """Return these bytes as they go over the wire."""
        self.end.write(data)
        return self.out()

    def opened(self) -> bytes | None:
        """Return what was said, nothing at its end, and None while more must come in."""
        try:
            return self.end.read(RECEIVE_BYTES)
        except self._waits:
            return None


def _chain(secure: ssl.SSLObject, which: Literal["verified", "unverified"]) -> list[bytes]:
    """Return the certificates as sent, or those from the target's own to an authority's."""
    import ssl  # noqa: PLC0415  # see the module's docstring

    if which == "verified" and secure.context.verify_mode == ssl.CERT_NONE:
        return []
    if sys.version_info >= (3, 13):
        return secure.get_verified_chain() if which == "verified" else secure.get_unverified_chain()
    # Before Python 3.13 only what is within can be asked for more than the target's own certificate.
    ask = getattr(getattr(secure, _INNER, None), f"get_{which}_chain", None)
    if ask is not None:
        return [one.public_bytes(_DER) for one in ask()]
    own = secure.getpeercert(binary_form=True)
    assert own is not None, "a server that completed a handshake sent a certificate"
    return [own]


@lru_cache(maxsize=_CERTIFICATES_MAX)
def _certificate(der: bytes) -> Certificate:
    """Read a certificate; targets show the same ones at each check."""
    return certificate(der)


def _iana(cipher: str) -> str:
    """Return the name of a cipher suite in IANA's form, which Go tells; those of TLS 1.3 have it already."""
    exchange, found, kind = cipher.partition("AES")
    if cipher.endswith("CHACHA20-POLY1305"):
        exchange, kind = cipher.removesuffix("CHACHA20-POLY1305"), "CHACHA20_POLY1305_SHA256"
    elif found:
        kind = f"AES_{kind.replace('-', '_')}"
        kind = kind if "GCM" in kind or "CCM" in kind else kind.replace("_SHA", "_CBC_SHA")
    if not kind or cipher.startswith("TLS_"):
        return cipher
    return f"TLS_{exchange.strip('-').replace('-', '_') or 'RSA'}_WITH_{kind}"


def _changed_ns(config: TlsConfig) -> tuple[int, ...]:
    """Tell when each file changed, so that a renewed one is read again."""
    import ssl  # noqa: PLC0415  # see the module's docstring

    authorities = config.ca_file or ("" if config.ca else ssl.get_default_verify_paths().cafile)
    paths = (authorities, config.cert_file, config.key_file)
    return tuple(Path(path).stat().st_mtime_ns if path else 0 for path in paths)


@lru_cache(maxsize=_CONTEXTS_MAX)
def _context(
    config: TlsConfig,
    protocols: tuple[str, ...],
    changed_ns: tuple[int, ...],  # noqa: ARG001  # part of the key
) -> ssl.SSLContext:
    """Return a client context; the system's authorities take some 20 ms to read, so it is kept."""
    import ssl  # noqa: PLC0415  # see the module's docstring

    if config.insecure_skip_verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cafile=config.ca_file or None, cadata=config.ca or None)
    versions = {
        "TLS10": ssl.TLSVersion.TLSv1,
        "TLS11": ssl.TLSVersion.TLSv1_1,
        "TLS12": ssl.TLSVersion.TLSv1_2,
        "TLS13": ssl.TLSVersion.TLSv1_3,
    }
    context.minimum_version = versions[config.min_version or "TLS12"]
    if config.min_version in _OLD:
        # Their digests are below what OpenSSL takes by itself; who names an old version wants to speak it.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if config.max_version:
        context.maximum_version = versions[config.max_version]
    if config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
