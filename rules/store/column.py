"""The values of one series that changed: the newest as they are, older ones packed, none lost.

What a probe measures has few digits, so most of 8 bytes says nothing. A packed piece is a number where all
of its values are that number; else bytes, the first of which says how they are packed.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from itertools import accumulate
from operator import sub
from typing import Final, overload

PIECE_ROWS: Final = 128
"""How many values are packed together."""
OPEN_ROWS: Final = 64
"""How many of the newest values stay unpacked at least: what most rules read."""

_SCALES: Final = (1.0, 1e2, 1e3, 1e6, 1e9)
_SHIFT: Final = float(3 << 51)
_SHIFT_BITS: Final = int.from_bytes(struct.pack(">d", _SHIFT))
_WHOLE_MAX: Final = float(1 << 51)
_COUNTED: Final = range(_SHIFT_BITS - (1 << 51), _SHIFT_BITS + (1 << 51))
_HEAD: Final = struct.Struct("=BBq")
_TYPES: Final = "BHIQ"
_RAW: Final = 255
_PLANES: Final = 254
_DEFLATED: Final = 64
_RISING: Final = 32

_Piece = float | bytes


class Column:
    """Numbers that are appended at one end and dropped from the other."""

    __slots__ = ("_gone", "_opened", "_pieces", "tail")

    def __init__(self, values: array[float]) -> None:
        self.tail = values
        """The newest values; whoever appends to it sees to it that ``pack`` is called now and then."""
        self._pieces: list[_Piece] = []
        self._gone = 0  # how many values of the first piece were dropped
        self._opened: tuple[int, array[float]] | None = None
        self.pack()

    def __len__(self) -> int:
        return len(self._pieces) * PIECE_ROWS - self._gone + len(self.tail)

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> array[float]: ...
    def __getitem__(self, index: int | slice) -> float | array[float]:
        packed = len(self._pieces) * PIECE_ROWS - self._gone
        if isinstance(index, slice):
            low, high, _ = index.indices(packed + len(self.tail))
            return self.tail[low - packed : high - packed] if low >= packed else self._between(low, high)
        if index < 0:
            index += packed + len(self.tail)
        if index >= packed:
            return self.tail[index - packed]
        piece, at = divmod(index + self._gone, PIECE_ROWS)
        return self._open(piece)[at]

    def extend(self, values: array[float]) -> None:
        """Append many."""
        self.tail.extend(values)
        self.pack()

    def pack(self) -> None:
        """Pack what is not new any more."""
        tail = self.tail
        done = 0
        while len(tail) - done >= PIECE_ROWS + OPEN_ROWS:
            self._pieces.append(packed(tail[done : done + PIECE_ROWS]))
            done += PIECE_ROWS
        if done:
            del tail[:done]

    def drop(self, count: int) -> None:
        """Forget so many of the oldest."""
        self._opened = None
        pieces, self._gone = divmod(self._gone + count, PIECE_ROWS)
        if pieces < len(self._pieces):
            del self._pieces[:pieces]
        else:
            del self.tail[: (pieces - len(self._pieces)) * PIECE_ROWS + self._gone]
            self._pieces.clear()
            self._gone = 0

    def same(self) -> bool:
        """Tell whether all values are one; equal bytes keep NaN and -0 exact."""
        first = self[:1].tobytes()
        if self.tail.tobytes() != first * len(self.tail):
            return False
        return all(_bytes(piece) == first for piece in self._pieces)

    def _between(self, low: int, high: int) -> array[float]:
        values: array[float] = array("d")
        packed = len(self._pieces) * PIECE_ROWS - self._gone
        begin, end = low + self._gone, min(high, packed) + self._gone
        while begin < end:
            piece, at = divmod(begin, PIECE_ROWS)
            until = min(PIECE_ROWS, at + end - begin)
            values.extend(self._open(piece)[at:until])
            begin += until - at
        if high > packed:
            values.extend(self.tail[: high - packed])
        return values

    def _open(self, number: int) -> array[float]:
        """Return the values of a piece; the last one asked for is kept, for it is asked for again."""
        if self._opened is None or self._opened[0] != number:
            self._opened = (number, unpacked(self._pieces[number]))
        return self._opened[1]


def packed(values: array[float]) -> _Piece:
    """Return ``PIECE_ROWS`` values in fewer bytes, from which every bit of them comes back."""
    plain = values.tobytes()
    if plain == plain[:8] * len(values):
        return values[0]
    best = _whole(values, plain) or bytes((_PLANES,)) + deflated(plain, 8)
    return best if len(best) <= len(plain) else bytes((_RAW,)) + plain


def unpacked(piece: _Piece) -> array[float]:
    """Return the values of a piece."""
    values: array[float] = array("d")
    if isinstance(piece, float):
        return array("d", (piece,)) * PIECE_ROWS
    kind = piece[0]
    if kind == _RAW:
        values.frombytes(piece[1:])
        return values
    if kind == _PLANES:
        values.frombytes(inflated(piece[1:], 8))
        return values
    _, scale, base = _HEAD.unpack_from(piece)
    numbers = array(_TYPES[kind & 3])
    body = piece[_HEAD.size :]
    numbers.frombytes(inflated(body, numbers.itemsize) if kind & _DEFLATED else body)
    divisor = _SCALES[scale]
    if kind & _RISING:
        return array("d", [(base + number) / divisor for number in accumulate(numbers)])
    return array("d", [(base + number) / divisor for number in numbers])


def _whole(values: array[float], plain: bytes) -> bytes | None:
    """Pack values that are whole numbers of a thousandth or the like; None where they are not."""
    for number, scale in enumerate(_SCALES):
        if not (_fits(values[0], scale) and _fits(values[-1], scale)):
            continue
        # So far from zero the neighbouring floats are whole numbers, and their bits count up as they do.
        shifted = array("d", [value * scale + _SHIFT for value in values])
        if array("d", [(whole - _SHIFT) / scale for whole in shifted]).tobytes() == plain:
            wholes = array("q", shifted.tobytes())
            return _narrow(wholes, number) if min(wholes) in _COUNTED and max(wholes) in _COUNTED else None
    return None


def _fits(value: float, scale: float) -> bool:
    scaled = value * scale
    return abs(scaled) < _WHOLE_MAX and (scaled + _SHIFT - _SHIFT) / scale == value


def _narrow(wholes: array[int], scale: int) -> bytes:
    """Pack whole numbers as what they lie above the least, or above the one before where they only rise."""
    base, most = min(wholes), max(wholes)
    rising, above = 0, array("q")
    if wholes[0] == base and wholes[-1] == most:
        above = array("q", [0, *map(sub, wholes[1:], wholes)])
        rising = _RISING if min(above) >= 0 else 0
    if rising:
        most = base + max(above)
    else:
        above = array("q", [whole - base for whole in wholes])
    kind = next(kind for kind in range(4) if most - base < 1 << (8 << kind))
    numbers = array(_TYPES[kind], above).tobytes()
    base -= _SHIFT_BITS
    plain = _HEAD.pack(kind | rising, scale, base) + numbers
    packed = _HEAD.pack(kind | rising | _DEFLATED, scale, base) + deflated(numbers, 1 << kind)
    return min(plain, packed, key=len)


def deflated(plain: bytes, width: int) -> bytes:
    """Return the bytes of numbers packed: the first byte of each, then the second of each, and so on."""
    planes = b"".join([plain[place::width] for place in range(width)]) if width > 1 else plain
    packer = zlib.compressobj(6, wbits=-9, memLevel=1)  # a window as short as a piece is quick to set up
    return packer.compress(planes) + packer.flush()


def inflated(data: bytes, width: int) -> bytes:
    """Return what ``deflated`` packed."""
    planes = zlib.decompress(data, wbits=-15)
    plain = bytearray(len(planes))
    rows = len(planes) // width
    for place in range(width):
        plain[place::width] = planes[place * rows : (place + 1) * rows]
    return bytes(plain)


def _bytes(piece: _Piece) -> bytes:
    """Return the bytes of the one number that a piece is made of, or none."""
    return struct.pack("=d", piece) if isinstance(piece, float) else b""


assert sys.maxsize > 1 << 32, "the types of the numbers are as wide as they are on 64 bits"
