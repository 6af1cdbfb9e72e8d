"""The store's memory across restarts: an append-only log of its rows, in segments.

Format of a segment, all numbers little-endian: ``BHROWS1\\n``, then records. A record is the length and the
CRC-32 of its body (``II``), then the body: key id, time in ms, and the number of definitions, of changed
values and of ended series (``IqIII``); each definition (id and byte count ``II``, then the label pairs as
JSON); the changed ids, their values as doubles, the ended ids. Ids belong to one segment, and the first row
of a key in a segment carries every value, so that each segment stands alone and the oldest can be deleted.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from operator import ne
from pathlib import Path
from typing import Final

from model.labels import Labels
from rules.store.store import Store

MAGIC: Final = b"BHROWS1\n"
SEGMENTS: Final = 8
"""The log is deleted in parts of this share of its bounds."""

_FRAME: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<IqIII")
_DEFINITION: Final = struct.Struct("<II")


@dataclass(slots=True)
class _Key:
    """What the log last said of one block: its live series, their ids and the bits of their values."""

    id: int
    labels: Sequence[Labels] = ()
    ids: Sequence[int] = ()
    bits: Sequence[int] = ()


class StoreLog:
    """Writes each row of a store to the operating system at once, and reads them back after a restart.

    Its ``record`` is the store's sink. A kill loses at most what is being written: one row, or those that
    are written ``together``; the torn or corrupt tail of a segment is cut off and counted. A full disk costs
    rows, which are counted, and never raises.

    Rows are kept on disk for ``kept_ms``, or for as long as the store keeps them where that is longer.
    """

    def __init__(self, directory: Path, bytes_max: int, kept_ms: int = 0) -> None:
        self.rows_unwritten = 0
        self.tails_cut = 0
        self._directory = directory
        self._segment_bytes_max = max(bytes_max // SEGMENTS, 4096)
        self._bytes_max = bytes_max
        self._retention_ms = 0
        self._kept_ms = kept_ms
        self._newest_ms: dict[Path, int] = {}
        self._file: int | None = None
        self._path = directory
        self._size = 0
        self._opened_ms = 0
        self._ids: dict[Labels, int] = {}
        self._keys: dict[Labels, _Key] = {}
        self._gathered: list[bytes] | None = None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def replay(self, store: Store, now_ms: int) -> int:
        """Give a new store every row that its retention still wants; return how many rows there were.

        Rows from the future are left out: they would make the store refuse the present.
        """
        self._retention_ms = store.retention_ms
        self._kept_ms = max(self._kept_ms, store.retention_ms)
        count = 0
        for path in self._segments():
            written_ms = path.stat().st_mtime_ns // 1_000_000
            if written_ms <= now_ms - store.retention_ms:
                self._newest_ms[path] = written_ms  # It is kept for others to look back at.
                continue
            for key, at_ms, labels, values in self._read(path):
                self._newest_ms[path] = max(self._newest_ms.get(path, 0), min(at_ms, now_ms))
                if now_ms - store.retention_ms < at_ms <= now_ms:
                    store.restore(key, at_ms, labels, values)
                    count += 1
        self._delete_old(now_ms)
        return count

    def record(self, key: Labels, at_ms: int, labels: Sequence[Labels], values: Sequence[float]) -> None:
        """Append one row: what changed in it since the last row of the same key."""
        try:
            if self._file is None or self._full(at_ms):
                self._rotate(at_ms)
            self._append(self._body(key, at_ms, labels, values))
        except OSError:
            self._lose(1)
        else:
            self._newest_ms[self._path] = at_ms

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all rows that are recorded inside in one piece, at the end."""
        self._gathered = []
        try:
            yield
        finally:
            self._settle()
            self._gathered = None

    def _settle(self) -> None:
        """Write what was gathered."""
        if self._gathered:
            rows, self._gathered = self._gathered, []
            try:
                self._write(b"".join(rows))
            except OSError:
                self._lose(len(rows))

    def _lose(self, rows: int) -> None:
        self.rows_unwritten += rows
        if self._gathered:
            self.rows_unwritten += len(self._gathered)
            self._gathered.clear()
        self.close()

    def close(self) -> None:
        """Close the segment; the next row opens another one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _full(self, at_ms: int) -> bool:
        span_ms = self._retention_ms // SEGMENTS
        return self._size >= self._segment_bytes_max or 0 < span_ms <= at_ms - self._opened_ms

    def _rotate(self, at_ms: int) -> None:
        self._settle()
        self.close()
        paths = self._segments()
        number = int(paths[-1].stem) + 1 if paths else 1
        self._path = self._directory / f"{number:010}.rows"
        self._ids, self._keys = {}, {}
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._size, self._opened_ms = 0, at_ms
        self._write(MAGIC)
        self._size = len(MAGIC)
        self._delete_old(at_ms)

    def _append(self, data: bytes) -> None:
        if self._gathered is None:
            self._write(data)
        else:
            self._gathered.append(data)
        self._size += len(data)

    def _write(self, data: bytes) -> None:
        assert self._file is not None, "a segment is open"
        if os.write(self._file, data) != len(data):
            raise OSError("the disk took only a part of the row")

    def _delete_old(self, now_ms: int) -> None:
        """Delete the oldest segments while they pass the bounds; the open one stays."""
        paths = [path for path in self._segments() if path != self._path]
        sizes = {path: path.stat().st_size for path in paths}
        total = self._size + self._segment_bytes_max + sum(sizes.values())
        for path in paths:
            expired = self._newest_ms.get(path, 0) <= now_ms - self._kept_ms
            if not (expired and self._kept_ms) and total <= self._bytes_max:
                break
            total -= sizes[path]
            path.unlink()
            self._newest_ms.pop(path, None)

    def _segments(self) -> list[Path]:
        return segments(self._directory)

    def _body(self, key: Labels, at_ms: int, labels: Sequence[Labels], values: Sequence[float]) -> bytes:
        """Return the framed record of one row."""
        definitions: list[bytes] = []
        state = self._keys.get(key)
        if state is None:
            state = self._keys[key] = _Key(self._id(key, definitions))
        ended: Sequence[int] = ()
        # As whole numbers, because their bits tell -0 from 0 and find NaN equal to itself.
        bits = _bits(len(values), values)
        if state.labels is labels:
            differs: Iterable[bool] = map(ne, bits, state.bits)
        else:
            known = dict(zip(state.ids, state.bits, strict=True))
            state.labels, state.ids = labels, [self._known(each, definitions) for each in labels]
            differs = [known.pop(number, None) != now for number, now in zip(state.ids, bits, strict=True)]
            ended = list(known)
        state.bits = bits
        changed = tuple(differs)
        ids, numbers = tuple(compress(state.ids, changed)), tuple(compress(values, changed))
        pack = _packing(len(ids), len(ended))
        body = pack(state.id, at_ms, len(definitions), len(ids), len(ended), *ids, *numbers, *ended)
        if definitions:
            body = b"".join((body[: _HEAD.size], *definitions, body[_HEAD.size :]))
        return _FRAME.pack(len(body), zlib.crc32(body)) + body

    def _known(self, labels: Labels, definitions: list[bytes]) -> int:
        number = self._ids.get(labels)
        return self._id(labels, definitions) if number is None else number

    def _id(self, labels: Labels, definitions: list[bytes]) -> int:
        number = self._ids[labels] = len(self._ids)
        pairs = json.dumps(labels.pairs).encode()
        definitions.append(_DEFINITION.pack(number, len(pairs)) + pairs)
        return number

    def _read(self, path: Path) -> Iterator[tuple[Labels, int, list[Labels], list[float]]]:
        """Yield the rows of a segment; cut it off behind the last whole one."""
        data = path.read_bytes()
        reader, good = _Reader(), _begin(data)
        while good and (body := _framed(data, good)) is not None:
            try:
                row = reader.take(body)
            except (struct.error, ValueError, LookupError, TypeError):
                break
            yield row
            good += _FRAME.size + len(body)
        if good < len(data):
            self.tails_cut += 1
            os.truncate(path, good)


def segments(directory: Path) -> list[Path]:
    """Return the segments of a log, oldest first."""
    return sorted(path for path in directory.glob("*.rows") if path.stem.isdecimal())


def read_changes(path: Path) -> Iterator[tuple[Change, Mapping[int, Labels]]]:
    """Yield what each whole record of a segment says, with the label sets of all ids known by then.

    It only reads: another process may be writing.
    """
    data = path.read_bytes()
    reader, start = _Reader(), _begin(data)
    while start and (body := _framed(data, start)) is not None:
        try:
            change = reader.change(body)
        except (struct.error, ValueError, LookupError, TypeError):
            break
        start += _FRAME.size + len(body)
        yield change, reader.labels


def _begin(data: bytes) -> int:
    return len(MAGIC) if data.startswith(MAGIC) else 0


def _framed(data: bytes, start: int) -> bytes | None:
    """Return the body of the record that starts here, or None where no whole one does."""
    if start + _FRAME.size > len(data):
        return None
    length, checksum = _FRAME.unpack_from(data, start)
    body = data[start + _FRAME.size : start + _FRAME.size + length]
    return body if len(body) == length and zlib.crc32(body) == checksum else None


@dataclass(frozen=True, slots=True)
class Change:
    """What one record says of a row: the block's key, the time, and what differs from the row before."""

    key: Labels
    at_ms: int
    ids: array[int]
    values: array[float]
    ended: array[int]


class _Reader:
    """Reads the records of one segment in their order; ``labels`` are those of the ids met so far."""

    def __init__(self) -> None:
        self.labels: dict[int, Labels] = {}
        self._values: dict[Labels, dict[int, float]] = {}

    def take(self, body: bytes) -> tuple[Labels, int, list[Labels], list[float]]:
        """Return the key and the time of one row, and every label set and value in it."""
        change = self.change(body)
        values = self._values.setdefault(change.key, {})
        values.update(zip(change.ids, change.values, strict=True))
        for ended in change.ended:
            del values[ended]
        return change.key, change.at_ms, [self.labels[number] for number in values], list(values.values())

    def change(self, body: bytes) -> Change:
        """Return what one record says."""
        key, at_ms, definitions, changes, ends = _HEAD.unpack_from(body)
        at = _HEAD.size
        for _ in range(definitions):
            number, length = _DEFINITION.unpack_from(body, at)
            at += _DEFINITION.size
            self.labels[number] = Labels.of((str(k), str(v)) for k, v in json.loads(body[at : at + length]))
            at += length
        ids: array[int] = array("I")
        values: array[float] = array("d")
        ended: array[int] = array("I")
        _fill(ids, body, at, changes)
        _fill(values, body, at + 4 * changes, changes)
        _fill(ended, body, at + 12 * changes, ends)
        return Change(self.labels[key], at_ms, ids, values, ended)


def _bits(count: int, values: Sequence[float]) -> tuple[int, ...]:
    pack, unpack = _forms(count)
    return unpack(pack(*values))


@lru_cache(maxsize=1024)
def _forms(count: int) -> tuple[Callable[..., bytes], Callable[[bytes], tuple[int, ...]]]:
    return struct.Struct(f"{count}d").pack, struct.Struct(f"{count}Q").unpack


@lru_cache(maxsize=4096)
def _packing(changes: int, ends: int) -> Callable[..., bytes]:
    """Return what packs a head, changed ids, their values and the ended ids."""
    return struct.Struct(f"{_HEAD.format}{changes}I{changes}d{ends}I").pack


def _fill(column: array[int] | array[float], body: bytes, start: int, count: int) -> None:
    column.frombytes(body[start : start + count * column.itemsize])
    if len(column) != count:
        raise ValueError("the record is shorter than it says")
    if sys.byteorder == "big":
        column.byteswap()
