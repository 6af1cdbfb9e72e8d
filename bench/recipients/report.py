"""What came out, as a table: precision and recall over people, of each way and each kind of incident."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.recipients.trial import Outcome


@dataclass(frozen=True, slots=True)
class Score:
    """How many of those told were touched, and how many of those touched were told."""

    told: int
    touched: int
    both: int

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Score:
        told = touched = both = 0
        for one in outcomes:
            told += len(one.told)
            touched += len(one.touched)
            both += len(one.told & one.touched)
        return cls(told, touched, both)

    @property
    def precision(self) -> float | None:
        return self.both / self.told if self.told else None

    @property
    def recall(self) -> float | None:
        return self.both / self.touched if self.touched else None


def table(outcomes: list[Outcome]) -> str:
    ways = list(dict.fromkeys(one.way for one in outcomes))
    lines = [
        "| incidents | " + " | ".join(ways) + " |",
        "|---|" + "---|" * len(ways),
        *_rows("**where the labels carry it**", [one for one in outcomes if one.carried], ways),
    ]
    for carried in (True, False):
        if not carried:
            lines += _rows("**where they do not**", [one for one in outcomes if not one.carried], ways)
        for kind in dict.fromkeys(one.kind for one in outcomes if one.carried is carried):
            lines += _rows(kind, [one for one in outcomes if one.kind == kind], ways)
    return "\n".join(lines)


def _rows(name: str, outcomes: list[Outcome], ways: list[str]) -> Iterator[str]:
    cells = [_cell([one for one in outcomes if one.way == way]) for way in ways]
    count = sum(one.way == ways[0] for one in outcomes)
    yield f"| {name} ({count}) | " + " | ".join(cells) + " |"


def _cell(outcomes: list[Outcome]) -> str:
    score = Score.of(outcomes)
    refused = sum(one.refused for one in outcomes)
    note = f", {refused} refused" if refused else ""
    return f"{_figure(score.precision)} / {_figure(score.recall)}{note}"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
