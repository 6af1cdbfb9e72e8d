"""Found names as YAML that cannot be misread: scalars, collections on one line, and comments.

Whatever is not a plain word stands in double quotes with escapes (YAML 1.2, 5.7), so that no name ends its
line, its quotes or its comment.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from agent.checking.plan import printable

Value = str | int | bool | tuple["Value", ...] | Mapping[str, "Value"]
"""What can stand in a configuration."""

WIDTH: Final = 100

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*")
_MEANT_OTHERWISE: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(value: str | int) -> str:
    """Return a text or a number as YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _MEANT_OTHERWISE:
        return value
    return '"' + "".join(_escaped(c) for c in value) + '"'


def _escaped(c: str) -> str:
    if c in _SHORT:
        return _SHORT[c]
    if " " <= c <= "~" or c.isalpha():
        return c
    number = ord(c)
    return (
        f"\\x{number:02x}"
        if number < 0x100
        else f"\\u{number:04x}"
        if number < 0x10000
        else f"\\U{number:08x}"
    )


def flow(value: Value) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())}}}"
    return scalar(value)


def block(key: str, options: Mapping[str, Value], beside: Mapping[str, Value]) -> Iterator[str]:
    """Yield the lines of one item of a list: on one line where that is short, else a line for each option."""
    short = f"- {key}: {flow(options)}"
    if len(short) <= WIDTH:
        yield short
    else:
        yield f"- {key}:"
        yield from (f"    {scalar(name)}: {flow(value)}" for name, value in options.items())
    yield from (f"  {scalar(name)}: {flow(value)}" for name, value in beside.items())


def comment(sentences: str | Iterable[str]) -> Iterator[str]:
    """Yield sentences as comments, each from the start of a line; nothing in them can end it."""
    for sentence in (sentences,) if isinstance(sentences, str) else sentences:
        for line in textwrap.wrap(
            printable(sentence), WIDTH - 2, break_on_hyphens=False, break_long_words=False
        ) or [""]:
            yield f"# {line}".rstrip()
