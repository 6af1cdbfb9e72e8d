"""Asks the kernel for its clock by adjtimex(2), without setting anything."""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass
from typing import Final

_STA_NANO: Final = 0x2000
_TIME_ERROR: Final = 5


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2); ``modes`` stays 0, which asks and changes nothing."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_fraction", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("_padding", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """What adjtimex(2) says; ``numbers`` are its fields in the kernel's units, ``fraction_s`` is their unit.

    The unit is that of ``offset``, ``jitter`` and the fraction of the time: a microsecond, or a nanosecond
    where the status says so.
    """

    synchronised: bool
    time_s: float
    fraction_s: float
    numbers: dict[str, int]


_libc: Final = ctypes.CDLL(None, use_errno=True)


def clock() -> Clock | None:
    """Return the kernel's clock, or None where a sandbox does not let it be asked."""
    timex = _Timex()
    state: int = _libc.adjtimex(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        if number in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            return None
        raise OSError(number, os.strerror(number))
    fraction_s = 1e-9 if timex.status & _STA_NANO else 1e-6
    numbers = {name: getattr(timex, name) for name, *_ in _Timex._fields_ if not name.startswith("_")}
    time_s = timex.time_s + timex.time_fraction * fraction_s
    return Clock(state != _TIME_ERROR, time_s, fraction_s, numbers)
