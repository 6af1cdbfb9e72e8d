"""From the bytes of a log to its lines as text: cut, cleaned, joined to records where they belong together.

Whoever writes to a log chooses its bytes: a line may be huge, binary, or full of terminal escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from model.regex import Regex

BLOCK_BYTES: Final = 64 << 10
LINE_BYTES_MAX: Final = 64 << 10
RECORD_CHARS_MAX: Final = 64 << 10
RECORD_LINES_MAX: Final = 500

# CSI, OSC and two-character escape sequences (ECMA-48, 5.4 and 8.3); an unfinished one loses its ESC only.
_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,256}(?:\x07|\x1b\\)|[ -/]{0,8}[0-Z\\^-~])?"
)
_CONTROLS: Final = dict.fromkeys([*range(9), 11, 12, 13, *range(14, 32), *range(127, 160)], "\ufffd")


@dataclass(slots=True)
class Splitter:
    """Cuts a stream of bytes at its line ends.

    At least ``LINE_BYTES_MAX`` bytes of a line are kept, and less than a block more; the rest of it is
    dropped. ``midway`` says that what comes next is the rest of such a line, or of one that began before the
    stream did. ``cut`` counts lines that were cut short, ``dropped`` lines that were passed over.
    """

    midway: bool = False
    cut: int = 0
    dropped: int = 0
    _owed: bool = False  # the rest is of a line that was passed over, and is not counted yet
    _part: bytes = b""

    def whole(self, block: bytes) -> bytes:
        """Return all lines that this block ends, each with its end."""
        if self.midway:
            _, end, block = block.partition(b"\n")
            self.midway = not end
            if self.midway:
                return b""
            self.dropped += self._owed
            self._owed = False
        last = block.rfind(b"\n") + 1
        lines = self._part + block[:last] if last else b""
        self._part = block[last:] if last else self._part + block
        return lines if len(self._part) < LINE_BYTES_MAX else lines + self._cut()

    def rest(self) -> bytes:
        """Return the last line of a stream that has ended, though its own end is missing."""
        part, self._part = self._part, b""
        return part + b"\n" if part else b""

    def passed(self, block: bytes) -> None:
        """Pass over a block, and over what is begun of a line; each line end in it is a line dropped."""
        ends = block.count(b"\n")
        told = self.midway and not self._owed
        self.dropped += ends - (told and ends > 0)
        self.midway = not block.endswith(b"\n")
        self._owed = self.midway and (ends > 0 or not told)
        self._part = b""

    def _cut(self) -> bytes:
        self.cut += 1
        self.midway = True
        return self.rest()


def cleaned(data: bytes) -> str:
    """Return bytes as text: what is not UTF-8 as U+FFFD, without terminal escapes and carriage returns."""
    return plain(data.decode("utf-8", "replace"))


def plain(text: str) -> str:
    """Return a text without terminal escapes, and without carriage returns at line ends."""
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return text.replace("\r\n", "\n") if "\r" in text else text


def printable(text: str, chars_max: int) -> str:
    """Return the begin of a text, fit to be shown: control characters but tab and line end as U+FFFD."""
    return text[:chars_max].translate(_CONTROLS)


@dataclass(slots=True)
class Records:
    """Joins lines to records, each of which begins with a line that matches.

    A record is whole when the next begins, or when ``flush`` says that no more is to be expected. Lines
    beyond its limits are dropped.
    """

    starts_with: Regex
    _lines: list[str] = field(default_factory=list)
    _chars: int = 0

    def joined(self, lines: list[str]) -> list[str]:
        """Return the records that these lines end."""
        done: list[str] = []
        for line in lines:
            if self.starts_with.search(line) is not None:
                done += self.flush()
            if len(self._lines) < RECORD_LINES_MAX and self._chars < RECORD_CHARS_MAX:
                self._lines.append(line)
                self._chars += len(line) + 1
        return done

    def flush(self) -> list[str]:
        """Return the record that was begun, if any."""
        lines, self._lines, self._chars = self._lines, [], 0
        return ["\n".join(lines)] if lines else []
