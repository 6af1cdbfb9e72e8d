"""Sizes in bytes as blackbox_exporter's file has them: 1024, 10MB, 1GiB; a thousand is 1024 here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

_SHAPE: Final = re.compile(r"([0-9]{1,15})(B|[KMG](?:B|iB)?)?")
_UNITS: Final = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True, order=True)
class ByteSize:
    """A number of bytes; 0 says that there is no limit of one's own."""

    size: int

    @classmethod
    def parse(cls, text: str) -> ByteSize:
        """Read a whole number with or without a unit."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            raise Misfit(f"{text[:40]!r} is not a size", "write it like 1048576, 512KB or 10MB")
        return cls(int(shape[1]) * _UNITS[(shape[2] or "")[:1]])

    def __str__(self) -> str:
        return str(self.size)
