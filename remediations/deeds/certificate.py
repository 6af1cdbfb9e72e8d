"""Renew a certificate, and prove it by the file: it must be valid for longer than before.

A certificate's end is the second time of its ``validity`` (RFC 5280, 4.1); the encoding is DER (X.690).
"""

from __future__ import annotations

import binascii
import os
import re
import stat
from collections.abc import Iterator
from typing import Final

from model.deed import RenewCertificate
from model.step import Exec, Result
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused

FILE_BYTES_MAX: Final = 1 << 20
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION: Final = 0xA0
_SEQUENCE: Final = 0x30
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def do(step: RenewCertificate, doing: Doing) -> Result:
    """Read the end before, run the program, and read the end after."""
    try:
        before = ends(step.certificate)
        if doing.check:
            return Result(ok=True, diff=f"would {step}, which is valid until {before or 'unknown'}")
        done = doing.exec(Exec(step.argv, timeout_s=step.timeout_s))
        if not done.ok:
            return done
        after = ends(step.certificate)
    except Refused as refused:
        return Result(ok=False, reason=str(refused))
    if after <= before:
        reason = f"{step.certificate} is valid until {after or 'unknown'} as before; it was not renewed"
        return Result(ok=False, reason=reason, output=done.output, rc=done.rc)
    told = f"{step.certificate} is valid until {after}, before until {before or 'unknown'}"
    return Result(ok=True, output=done.output or told, rc=done.rc, changed=True, diff=told)


def ends(path: str) -> str:
    """Return when the first certificate of a file ends, as YYYYMMDDHHMMSSZ; '' where there is none yet."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    except OSError as wrong:
        raise Refused(f"{path} cannot be read: {wrong.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Refused(f"{path} is not a regular file")
        data = os.read(fd, FILE_BYTES_MAX)
    finally:
        os.close(fd)
    found = _PEM.search(data)
    try:
        return not_after(binascii.a2b_base64(found[1]) if found else data)
    except (ValueError, IndexError, StopIteration):
        raise Refused(f"{path} holds no certificate that can be read") from None


def not_after(der: bytes) -> str:
    """Return the end of a certificate in DER; raise ``ValueError``, ``IndexError`` or ``StopIteration``."""
    certificate = next(_values(der))[1]
    inner = [one for one in _values(next(_values(certificate))[1]) if one[0] != _VERSION]
    kind, validity = inner[3]
    if kind != _SEQUENCE:
        raise ValueError("this is not a certificate")
    kind, end = list(_values(validity))[1]
    text = end.decode("ascii")
    if kind == _UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError("this is not a time")
    if not re.fullmatch(r"[0-9]{14}Z", text):
        raise ValueError("this is not a time")
    return text


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each value that stands here."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length > 0x80:
            size = length & 0x7F
            if size > 4:
                raise ValueError("this is too long")
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        if at + length > len(der):
            raise ValueError("this ends too early")
        yield tag, der[at : at + length]
        at += length
