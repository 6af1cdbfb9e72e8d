"""What is wrong with a text that somebody wrote, and what would cure it."""

from __future__ import annotations

from dataclasses import dataclass


class Misfit(ValueError):
    """A text breaks a rule: the sentence says which, the cure says what to write instead.

    ``offset`` counts characters from the start of the text to the place of the mistake.
    ``key`` names the mapping key at fault where a whole mapping was judged.
    """

    def __init__(self, sentence: str, cure: str, *, offset: int = 0, key: str = "") -> None:
        super().__init__(f"{sentence}; {cure}")
        self.sentence = sentence
        self.cure = cure
        self.offset = offset
        self.key = key


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a file something stands; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("", 0, 0)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in one file."""

    place: Place
    sentence: str
    cure: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}; {self.cure}"


class Rejected(Exception):
    """Files were refused; carries every mistake that was found in them, sorted by place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))
