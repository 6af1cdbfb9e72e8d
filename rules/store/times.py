"""When the rows of a block were taken: the newest times as they are, older ones packed as steps."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate
from operator import sub
from typing import Final, overload

from rules.store.column import deflated, inflated

PIECE_ROWS: Final = 256
"""How many times are packed together."""
OPEN_ROWS: Final = 128
"""How many of the newest stay unpacked at least: what most rules read."""

_WIDE: Final = 8


class Times:
    """Milliseconds since 1970 that only rise; appended at one end and dropped from the other."""

    __slots__ = ("_firsts", "_gone", "_opened", "_pieces", "_tail")

    def __init__(self) -> None:
        self._tail: array[int] = array("q")
        self._firsts: array[int] = array("q")  # of each piece
        self._pieces: list[bytes] = []
        self._gone = 0  # how many times of the first piece were dropped
        self._opened: tuple[int, array[int]] | None = None

    def __len__(self) -> int:
        return len(self._pieces) * PIECE_ROWS - self._gone + len(self._tail)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> array[int]: ...
    def __getitem__(self, index: int | slice) -> int | array[int]:
        packed = len(self._pieces) * PIECE_ROWS - self._gone
        if isinstance(index, slice):
            low, high, _ = index.indices(packed + len(self._tail))
            return self._tail[low - packed : high - packed] if low >= packed else self._between(low, high)
        if index < 0:
            return self._tail[index] if self._tail else self[len(self) + index]
        if index >= packed:
            return self._tail[index - packed]
        piece, at = divmod(index + self._gone, PIECE_ROWS)
        return self._open(piece)[at]

    def append(self, at_ms: int) -> None:
        """Append one."""
        self._tail.append(at_ms)
        if len(self._tail) >= PIECE_ROWS + OPEN_ROWS:
            self._pack()

    def extend(self, times: array[int]) -> None:
        """Append many."""
        self._tail.extend(times)
        while len(self._tail) >= PIECE_ROWS + OPEN_ROWS:
            self._pack()

    def after(self, at_ms: int) -> int:
        """Return how many are not later than this one."""
        tail, packed = self._tail, len(self._pieces) * PIECE_ROWS - self._gone
        if not packed or (tail and tail[0] <= at_ms):
            return packed + bisect_right(tail, at_ms)
        piece = bisect_right(self._firsts, at_ms) - 1
        if piece < 0:
            return 0
        return max(0, piece * PIECE_ROWS - self._gone + bisect_right(self._open(piece), at_ms))

    def drop(self, count: int) -> None:
        """Forget so many of the oldest."""
        self._opened = None
        pieces, self._gone = divmod(self._gone + count, PIECE_ROWS)
        if pieces < len(self._pieces):
            del self._pieces[:pieces], self._firsts[:pieces]
        else:
            del self._tail[: (pieces - len(self._pieces)) * PIECE_ROWS + self._gone]
            del self._pieces[:], self._firsts[:]
            self._gone = 0

    def _pack(self) -> None:
        times = self._tail[:PIECE_ROWS]
        steps = array("Q", (0, *map(sub, times[1:], times)))
        self._firsts.append(times[0])
        self._pieces.append(deflated(steps.tobytes(), _WIDE))
        del self._tail[:PIECE_ROWS]

    def _between(self, low: int, high: int) -> array[int]:
        times: array[int] = array("q")
        packed = len(self._pieces) * PIECE_ROWS - self._gone
        begin, end = low + self._gone, min(high, packed) + self._gone
        while begin < end:
            piece, at = divmod(begin, PIECE_ROWS)
            until = min(PIECE_ROWS, at + end - begin)
            times.extend(self._open(piece)[at:until])
            begin += until - at
        if high > packed:
            times.extend(self._tail[: high - packed])
        return times

    def _open(self, number: int) -> array[int]:
        """Return the times of a piece; the last one asked for is kept, for it is asked for again."""
        if self._opened is None or self._opened[0] != number:
            steps = array("Q")
            steps.frombytes(inflated(self._pieces[number], _WIDE))
            steps[0] = self._firsts[number]
            self._opened = (number, array("q", accumulate(steps)))
        return self._opened[1]
