"""The names of customers, found in a text by its words: a million of them are not searched one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_RUN: Final = re.compile(r"\w+")
_BOTH_MARK_AND_LETTER: Final = "\u0345"  # the one character that equals letters without being one


@dataclass(frozen=True, slots=True)
class Names:
    """Names by their words, however these are written; ``other`` are those that have no words.

    ``words_max`` is how many words the longest has.
    """

    by_words: Mapping[str, tuple[str, ...]]
    other: Sequence[str]
    words_max: int

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Return names in the form in which they are found."""
        found: dict[str, tuple[str, ...]] = {}
        other: list[str] = []
        most = 0
        for name in names:
            words = _words(name)
            if not words or _BOTH_MARK_AND_LETTER in name:
                other.append(name)
                continue
            most = max(most, len(words))
            same = " ".join(words)
            found[same] = (*found.get(same, ()), name)
        return cls(found, other, most)

    def near(self, text: str) -> Iterator[str]:
        """Yield the names that a text may hold: each that it does hold, and few others."""
        if _BOTH_MARK_AND_LETTER in text:
            for some in self.by_words.values():
                yield from some
        words = _words(text)
        for start in range(len(words)):
            for end in range(start + 1, min(len(words), start + self.words_max) + 1):
                yield from self.by_words.get(" ".join(words[start:end]), ())
        yield from self.other


def _words(text: str) -> list[str]:
    """Return the words of a text; two that differ in nothing but their case are the same."""
    return [run.upper() if run.isascii() else "".join(map(_any_case, run)) for run in _RUN.findall(text)]


def _any_case(character: str) -> str:
    # By way of the small letter, since several letters share one (as K and the sign for kelvin).
    return character.lower()[0].upper()[0]
