"""Output made safe to keep and to show: no secrets, no terminal controls, no more than a limit."""

from __future__ import annotations

import re
from typing import Final

# Lengths are bounded and nothing is tried twice: a single word of a megabyte must not take minutes.
_WORD: Final = (
    r"(?:pass(?:word|wd|phrase)?|pwd|token|secret|api[_-]?key|access[_-]?key|credentials?|auth)[\w.-]{0,64}+"
)
_ASSIGNED: Final = re.compile(
    rf"({_WORD}[\"']?\s?[=:]\s?)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&\"']+)", re.IGNORECASE
)
_OPTION: Final = re.compile(rf"((?<![\w.-])--?[\w.-]{{0,64}}?{_WORD}\s+)(?!-)(\S+)", re.IGNORECASE)
_BEARER: Final = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(://[^\s/:@]*):[^\s/@]+@")
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    r"\ufffe\uffff\U000e0000-\U000e0fff]"
)
"""What moves a cursor, turns the order of what is read, or is not seen at all; lines and tabs are kept."""
_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")

HIDDEN: Final = "[hidden]"


def redacted(text: str) -> str:
    """Return the text with every secret that can be told by its name replaced."""
    text = _BEARER.sub(rf"\1\2{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    text = _OPTION.sub(rf"\1{HIDDEN}", text)
    return _IN_URL.sub(rf"\1:{HIDDEN}@", text)


def presentable(data: bytes, bytes_max: int) -> str:
    """Return a program's output as text of at most so many bytes, its end marked where it was cut."""
    text = data[:bytes_max].decode(errors="replace").replace("\r\n", "\n")
    text = redacted(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _COLOURS.sub("", text)))
    return f"{text}\n[cut]" if len(data) > bytes_max else text
