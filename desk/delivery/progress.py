"""How far a courier is with its batch, in a file beside the store: what was begun, and what was answered.

Each record is written with a plain ``write`` before and after a send. What is written outlives ``kill -9``,
because it is in the kernel's hands; only a crash of the whole machine can lose the newest records, and may
then double what the batch had sent. The store alone decides what was in the batch at all.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from desk.delivery.tries import Answer
from desk.delivery.underway import Try

_RECORD: Final = struct.Struct("<qq16sHcq")
_BEGUN: Final = b"b"
_STATES: Final = {b"a": "accepted", b"r": "retrying", b"u": "unknown", b"f": "failed"}
_LETTERS: Final = {state: letter for letter, state in _STATES.items()}
_BYTES_MAX: Final = 1 << 20

Key = tuple[int, int, str, int]
Mark = tuple[str, int]  # a state, "" for what was only begun, and when it was answered


class Progress:
    """The file of one courier, open for as long as it works."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(self, answer: Answer | None, begun: Try | None) -> None:
        """Say what became of a try and which one is made now; return when that is written, in one piece."""
        said = _packed(answer.of, _LETTERS[answer.state], answer.at_ms) if answer else b""
        os.write(self._handle, said + (_packed(begun, _BEGUN, 0) if begun else b""))

    def clear(self) -> None:
        """Forget the batch: the store has it all."""
        os.ftruncate(self._handle, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def _packed(one: Try, mark: bytes, at_ms: int) -> bytes:
    return _RECORD.pack(one.notice, one.person, one.channel.encode(), one.tries, mark, at_ms)


def marks(path: Path) -> Mapping[Key, Mark] | None:
    """Return how far a courier came that is dead now, or None where its file is gone.

    A record that is cut off, or that no courier writes, was never finished and says nothing.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX)
    except FileNotFoundError:
        return None
    whole = len(data) - len(data) % _RECORD.size
    found: dict[Key, Mark] = {}
    for notice, person, channel, tries, letter, at_ms in _RECORD.iter_unpack(data[:whole]):
        if letter == _BEGUN or letter in _STATES:
            key = (notice, person, channel.rstrip(b"\0").decode("ascii", "replace"), tries)
            found[key] = (_STATES.get(letter, ""), at_ms)
    return found
