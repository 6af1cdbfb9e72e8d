"""Regular expressions of RE2's kind, matched in time linear in the text: Prometheus' own language for them.

The syntax is that of https://github.com/google/re2/wiki/Syntax as Go has it. Label values and what a target
says are attackers' data, so no expression here may backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

import re2

from model.misfit import Misfit

REGEX_BYTES_MAX: Final = 1024
MEMORY_BYTES_MAX: Final = 1 << 20
"""How much one expression may hold: its program and what it remembers of texts (RE2's default is 8 MiB)."""

_FOREIGN: Final = re.compile(r"\(\?<?[=!]|\(\?P=|\\[1-9]|\\Z")
_ONE_BYTE: Final = re.compile(r"(?:[^\\]|\\[^C])*\\C", re.DOTALL)
_REFERENCE: Final = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<braced>\w+)\})")


class _Found(Protocol):
    """What the engine says of a match; None stands for a group that took no part in it."""

    def __getitem__(self, group: int) -> bytes | None: ...

    def span(self) -> tuple[int, int]: ...


class _Engine(Protocol):
    """A compiled expression of the engine, which ships no types."""

    @property
    def groups(self) -> int: ...

    @property
    def groupindex(self) -> dict[bytes, int]: ...

    def fullmatch(self, text: bytes) -> _Found | None: ...

    def search(self, text: bytes) -> _Found | None: ...

    def finditer(self, text: bytes) -> Iterator[_Found]: ...


@dataclass(frozen=True, slots=True)
class Match:
    """Where an expression matched."""

    regex: Regex
    _found: _Found

    def __getitem__(self, group: int | str) -> str:
        """Return what a group matched, by its number or name; a group that there is not is empty."""
        number = group if isinstance(group, int) else self.regex.names.get(group, -1)
        found = self._found[number] if 0 <= number <= self.regex.groups else None
        return "" if found is None else found.decode("utf-8", "replace")

    def expanded(self, template: str) -> str:
        """Replace ``$1``, ``${1}``, ``$name`` and ``$$`` as Go's ``Regexp.Expand`` does."""

        def reference(found: re.Match[str]) -> str:
            if found["dollar"]:
                return "$"
            name = found["bare"] or found["braced"]
            if name.isdecimal() and name.isascii():
                return self[int(name)] if len(name) < 6 else ""
            return self[name]

        return _REFERENCE.sub(reference, template)


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled regular expression; equal texts with equal meaning of the dot are equal."""

    text: str
    dot_all: bool
    _engine: _Engine = field(repr=False, compare=False)
    names: Mapping[str, int] = field(init=False, repr=False, compare=False)
    groups: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = {name.decode(): number for name, number in self._engine.groupindex.items()}
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "groups", self._engine.groups)

    def matches(self, text: str) -> bool:
        """Tell whether the whole text matches."""
        return self._engine.fullmatch(_bytes(text)) is not None

    def fullmatch(self, text: str) -> Match | None:
        """Return how the whole text matches."""
        found = self._engine.fullmatch(_bytes(text))
        return None if found is None else Match(self, found)

    def search(self, text: str) -> Match | None:
        """Return the first place that matches."""
        found = self._engine.search(_bytes(text))
        return None if found is None else Match(self, found)

    def replaced(self, text: str, template: str) -> str:
        """Put a template in place of each match, as Go's ``Regexp.ReplaceAllString`` does."""
        whole, parts, start = _bytes(text), [], 0
        for found in self._engine.finditer(whole):
            first, last = found.span()
            if first == last == start > 0:
                continue  # Go takes no empty match right after another.
            parts += [whole[start:first], _bytes(Match(self, found).expanded(template))]
            start = last
        return b"".join([*parts, whole[start:]]).decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def compiled(pattern: str, *, dot_all: bool = True) -> Regex:
    """Compile an expression, or raise ``Misfit``; ``dot_all`` lets a dot match the end of a line as well."""
    if len(pattern.encode("utf-8", "replace")) > REGEX_BYTES_MAX:
        raise Misfit("the regular expression is too long", f"keep it within {REGEX_BYTES_MAX} bytes")
    if _FOREIGN.search(pattern):
        raise Misfit("look-around and back-references are not RE2", "use alternatives and groups only")
    if _ONE_BYTE.match(pattern):
        raise Misfit("\\C, a single byte, is not in Go's regular expressions", "use a dot")
    options = re2.Options()
    options.dot_nl = dot_all
    options.log_errors = False
    options.max_mem = MEMORY_BYTES_MAX
    try:
        return Regex(pattern, dot_all, re2.compile(_bytes(pattern), options))
    except re2.error as wrong:
        reason = wrong.args[0].decode("utf-8", "replace")
        raise Misfit(f"{pattern!r} is not a regular expression: {reason}", "mend the pattern") from None


def _bytes(text: str) -> bytes:
    """Return the text as the engine reads it; half a character, as in a broken file name, becomes '?'."""
    return text.encode("utf-8", "replace")
