"""Amounts of bytes and parts of a whole, as people write them."""

from __future__ import annotations

import re
from typing import Final

from model.misfit import Misfit

_BYTES: Final = re.compile(r"([1-9][0-9]{0,11})([KMGT]?)(?:i?B)?")
_PART: Final = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,2})?|100)%")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
BYTES_MAX: Final = 1 << 50


class Bytes(int):
    """An amount of bytes; K, M, G and T count by 1024, as journald and logrotate do."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Bytes:
        """Read ``500M``, ``1GiB`` or a bare number of bytes."""
        shape = _BYTES.fullmatch(text)
        amount = int(shape[1]) * _UNITS[shape[2]] if shape else 0
        if not 1 <= amount <= BYTES_MAX:
            raise Misfit(f"{text[:40]!r} is not an amount of bytes", "write it like 500M or 2G")
        return cls(amount)


class Part(float):
    """A part of a whole, from 0 to 1."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read a percentage such as ``10%``."""
        shape = _PART.fullmatch(text)
        if shape is None:
            raise Misfit(f"{text[:40]!r} is not a percentage", "write it like 10%")
        return cls(float(shape[1]) / 100)


def sized(amount: float) -> str:
    """Return an amount of bytes for people: ``1.2 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
